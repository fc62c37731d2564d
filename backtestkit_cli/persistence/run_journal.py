"""Where what the sessions of a run share is kept: one record of each kind."""

from collections.abc import Mapping

from backtestkit_cli.engine.memory import JobsMemory, PortfolioMemory, RiskMemory, RunMemory, Shared
from backtestkit_cli.errors import MissingRecordError
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.records import Records
from backtestkit_cli.ports import Store

SHARED_KINDS: Mapping[type, str] = {
    PortfolioMemory: "portfolio",
    RiskMemory: "risk",
    JobsMemory: "job",
    RunMemory: "run",
}
"""What is shared, and the kind of its record."""


class RunJournal:
    """The `SharedJournal` of all runs of one mode on one exchange, of which one goes on at a time."""

    def __init__(self, store: Store, mode: str, exchange: str) -> None:
        """Keep what is shared in *store*."""
        self._records = Records(store, Codec(), {"mode": mode, "exchange": exchange})

    async def recall(self, kind: type[Shared]) -> Shared | None:
        """Return what was saved last of *kind*, None where nothing was."""
        try:
            return await self._records.read(self._records.key(SHARED_KINDS[kind]), kind)
        except MissingRecordError:
            return None

    async def save(self, memory: Shared) -> None:
        """Keep *memory* in the place of what was saved before, in one write."""
        kind = type(memory)
        await self._records.write({self._records.key(SHARED_KINDS[kind]): (memory, kind)})
