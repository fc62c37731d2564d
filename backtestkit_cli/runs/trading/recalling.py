"""Taking up what was saved of a session: damage is told and blocks its entries, and ends nothing else."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.engine.memory import Journal, SessionMemory
from backtestkit_cli.errors import CorruptRecordError


class Recalled(NamedTuple):
    """What a session goes on from: its memory, its trades, and what of it could not be read, one line each."""

    memory: SessionMemory
    trades: Sequence[Trade]
    damages: tuple[str, ...] = ()


async def recalled(journal: Journal | None) -> Recalled:
    """Return what *journal* holds, or a new memory where there is none.

    Raises:
        StoreError: nothing can be read now, or it is of somebody else.
    """
    if journal is None:
        return Recalled(SessionMemory(), ())
    damages: list[str] = []
    try:
        memory = await journal.recall()
    except CorruptRecordError as error:
        damages += str(error).splitlines()
        memory = await journal.recall()
    try:
        trades = await journal.trades()
    except CorruptRecordError as error:
        damages += str(error).splitlines()
        trades = await journal.trades()
    memory = memory or SessionMemory()
    return Recalled(memory, closed_before(memory, trades), tuple(damages))


def closed_before(memory: SessionMemory, trades: Iterable[Trade]) -> list[Trade]:
    """Return *trades* but the one whose position *memory* still holds: it was saved first, and is closed once more."""
    held = memory.state.id if isinstance(memory.state, Position) else None
    return [trade for trade in trades if trade.id != held]
