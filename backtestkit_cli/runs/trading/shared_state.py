"""What the sessions of a run share, kept over restarts: the account and its stop, admitted signals, called jobs."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from backtestkit_cli.domain.job import JobCall
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.risk import Admitted, ClosedTrade
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.memory import (
    JobDone,
    JobsMemory,
    PortfolioMemory,
    RiskMemory,
    SessionMemory,
    Shared,
    SharedJournal,
)
from backtestkit_cli.engine.portfolio_guard import PortfolioGuard
from backtestkit_cli.errors import StoreError, StoreUnavailableError

_MOST_ADMITTED: Final = 5000
"""How many signals that were let through are remembered: more than any rule counts."""


class SharedState:
    """Saves what has changed, a record of a kind at most once a tick, and beside trading.

    A stop alone is waited for: it is saved before it is told. What cannot be saved is tried again at the next tick,
    and `on_trouble` is told why, once for each reason.
    """

    def __init__(self, journal: SharedJournal, shared: Coordination | None, on_trouble: Callable[[str], None]) -> None:
        """Keep *shared* in *journal*; `restore` comes before all else."""
        self._journal = journal
        self._shared = shared
        self._on_trouble = on_trouble
        self._guard: PortfolioGuard | None = None
        self._portfolio: PortfolioMemory | None = None
        self._risk = RiskMemory()
        self._saving: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._trouble = ""
        self.jobs = JobBook(journal, JobsMemory())

    async def restore(self, trades: Iterable[Trade], memories: Iterable[tuple[str, str, SessionMemory]]) -> None:
        """Rebuild what was shared from what was saved, all *trades*, and the *memories* by strategy and symbol.

        A signal that became a trade or is still there was let through, also where nobody came to save that.

        Raises:
            StoreError: what was saved cannot be read.
        """
        self.jobs = JobBook(self._journal, await self._journal.recall(JobsMemory) or JobsMemory())
        if self._shared is None:
            return
        self._portfolio = await self._journal.recall(PortfolioMemory)
        self._risk = await self._journal.recall(RiskMemory) or RiskMemory()
        closed = sorted(trades, key=lambda trade: (trade.closed_at_ms, trade.symbol, trade.strategy))
        admitted = {*self._risk.admitted}
        admitted |= {Admitted(trade.scheduled_at_ms, trade.strategy, trade.symbol) for trade in closed}
        admitted |= {
            Admitted(memory.state.scheduled_at_ms, strategy, symbol)
            for strategy, symbol, memory in memories
            if memory.state is not None
        }
        abandoned_net = 0.0 if self._portfolio is None else self._portfolio.abandoned_net
        booked = [ClosedTrade(trade.closed_at_ms, trade.strategy, trade.symbol, trade.gain.net) for trade in closed]
        self._shared.recall(booked, sorted(admitted)[-_MOST_ADMITTED:], abandoned_net)

    def resume(self, guard: PortfolioGuard, deposit: float) -> None:
        """Let *guard* go on where the process before was; *deposit* is what the balance was raised by since."""
        kept = self._portfolio
        if kept is not None:
            raised = replace(kept, peak_equity=kept.peak_equity + deposit, day_base=kept.day_base + deposit)
            guard.resume(raised)
        self._guard = guard
        guard.before_telling = self.save
        guard.on_judged = self.look

    def look(self) -> None:
        """Save in the background what has changed; one at a time."""
        if self._saving is None or self._saving.done():
            self._saving = asyncio.ensure_future(self.save())

    async def save(self) -> None:
        """Save what has changed since it was saved last."""
        async with self._turn:
            try:
                await self._save_changes()
            except StoreError as error:
                # How often a store that is away was asked, and how it was found to be so, is no reason of its own.
                trouble = "it is away" if isinstance(error, StoreUnavailableError) else str(error)
                if trouble != self._trouble:
                    self._on_trouble(f"the account of the run cannot be saved: {error}")
                self._trouble = trouble
            else:
                self._trouble = ""

    async def _save_changes(self) -> None:
        shared = self._shared
        if self._guard is not None:
            self._portfolio = await self._saved(self._guard.memory, self._portfolio)
        if shared is not None and shared.admitted:
            if len(shared.admitted) > 2 * _MOST_ADMITTED:
                del shared.admitted[:-_MOST_ADMITTED]
            self._risk = await self._saved(RiskMemory(admitted=tuple(shared.admitted[-_MOST_ADMITTED:])), self._risk)

    async def _saved(self, memory: Shared, known: Shared | None) -> Shared:
        if memory != known:
            await self._journal.save(memory)
        return memory


class JobBook:
    """The newest boundary of each job and symbol, saved before the job is called."""

    def __init__(self, journal: SharedJournal, memory: JobsMemory) -> None:
        """Go on with *memory*."""
        self._journal = journal
        self._done = {(done.name, done.symbol): done.at_ms for done in memory.done}

    def newest_ms(self, job: str, symbol: str) -> int | None:
        """Return the newest boundary at which *job* was called for *symbol*, None where it never was."""
        return self._done.get((job, symbol))

    async def begins(self, call: JobCall) -> None:
        """Keep that the boundary of *call* is done.

        Raises:
            StoreError: it could not be kept.
        """
        done = {**self._done, (call.name, call.symbol): call.at_ms}
        await self._journal.save(JobsMemory(done=tuple(JobDone(*key, at_ms) for key, at_ms in sorted(done.items()))))
        self._done = done
