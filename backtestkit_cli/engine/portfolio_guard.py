"""Watches the account of a run between events, and stops it within the tick at which it has lost too much."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np

from backtestkit_cli.api.context import ambient
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.engine.coordination import Coordination, Stop
from backtestkit_cli.engine.memory import PortfolioMemory
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.events.facts import Event, PortfolioStopped
from backtestkit_cli.ports import Clock

MAX_DRAWDOWN, MAX_DAILY_LOSS = "max_drawdown", "max_daily_loss"
FORESIGHT_MS = 240 * MINUTE_MS
"""How far a stretch goes: a longer one is in vain where positions change often, a shorter one costs more where not."""


class Breach(NamedTuple):
    """The first tick at which the account stood at or below a limit."""

    minute: int
    rule: str
    equity: float
    limit: float


class PortfolioGuard:
    """An alarm of the clock and its first sleeper: finds the tick of a stop, puts it in force, and tells of it.

    The equity of each minute is judged after all that happened at its tick. It is foreseen for a stretch of minutes
    as if nothing were bought or sold, and again as soon as something is, so that most instants cost nothing.
    `deepest_pct` is the largest drawdown of any tick, also of those after a stop.
    """

    def __init__(
        self,
        run: Coordination,
        portfolio: Portfolio,
        publisher: Publisher,
        context_at: Callable[[int], RunContext],
        span_ms: tuple[int, int],
        foresight_ms: int = FORESIGHT_MS,
    ) -> None:
        """Guard *run* over the ticks of *span_ms*; *context_at* gives what those who are told see at an instant.

        A clock that cannot see ahead has a *foresight_ms* of one minute.
        """
        self._context_at = context_at
        self._run = run
        self._portfolio = portfolio
        self._publisher = publisher
        self._start_ms, self._end_ms = span_ms
        self._foresight_ms = foresight_ms
        self._peak = self._day_base = portfolio.balance
        self._day_ms = self._start_ms - self._start_ms % DAY_MS - (0 if self._start_ms % DAY_MS else DAY_MS)
        self._foreseen: Floats = np.empty(0)
        self._foreseen_ms = self._clear_until_ms = self._start_ms
        self._changes = -1
        self._pending: PortfolioStopped | None = None
        self.deepest_pct = 0.0
        self.stopped: PortfolioStopped | None = None
        self.before_telling: Callable[[], Awaitable[None]] = _nothing
        """Awaited between putting a stop in force and telling of it."""
        self.on_judged: Callable[[], object] = lambda: None
        """Called after a stretch was judged that may have moved what must not be forgotten."""

    @property
    def memory(self) -> PortfolioMemory:
        """Return what must not be forgotten, the newest minute that was judged included."""
        equity = self._foreseen.item(0) if len(self._foreseen) else self._peak
        peak = max(self._peak, equity)
        return PortfolioMemory(
            peak_equity=peak,
            day_base=self._day_base,
            day_ms=self._day_ms,
            stop=self._run.stop,
            stopped=self._pending or self.stopped,
            is_told=self._pending is None,
            deepest_pct=max(self.deepest_pct, (1 - equity / peak) * 100),
            abandoned_net=self._run.abandoned_net,
        )

    def resume(self, memory: PortfolioMemory) -> None:
        """Go on with *memory*: a stop stays in force, and is told where it was not.

        The loss of the day counts on, unless a midnight has passed meanwhile: the first equity after it counts then.
        """
        self._peak, self.deepest_pct = memory.peak_equity, memory.deepest_pct
        self._run.stop, self.stopped = memory.stop, memory.stopped
        self._pending = None if memory.is_told else memory.stopped
        self._day_base, self._day_ms = memory.day_base, memory.day_ms

    @property
    def events(self) -> list[Event]:
        """Return every stop, in order."""
        return self._publisher.record

    async def run(self, clock: Clock) -> None:
        """Tell of each stop at its tick, before any session obeys it."""
        await self._tell()
        while clock.now_ms < self._end_ms:
            await clock.sleep_until(self._end_ms)
            await self._tell()

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        """Return the first tick of `[from_ms, until_ms)` that stops the portfolio, and put the stop in force."""
        if until_ms <= self._clear_until_ms and self._run.changes == self._changes:
            return None
        found = self._first_stop(from_ms, until_ms)
        self.on_judged()
        return found

    def _first_stop(self, from_ms: int, until_ms: int) -> int | None:
        begin = max(from_ms, self._start_ms)
        self._pass_until(begin)
        while begin < until_ms:
            breach = self._foresee(begin)
            if until_ms <= self._clear_until_ms:
                return None
            if breach is not None:
                at_ms = self._clear_until_ms
                self._pass_until(at_ms + MINUTE_MS)
                self._put_in_force(breach, at_ms)
                return at_ms  # which is judged once more, after all have obeyed
            begin = self._clear_until_ms
            self._pass_until(begin)
        return None

    async def end(self) -> None:
        """Judge the equity at the end of the frame: all has closed there, but a stop is told all the same."""
        account = self._run.account_at(self._end_ms)
        assert account is not None  # noqa: S101 - a portfolio is guarded
        self._pass_until(self._end_ms)
        equity = np.array([account.equity])
        breach = self._first_breach(self._end_ms, equity)
        self._note(equity)
        if breach is not None and breach.rule == MAX_DRAWDOWN:
            self._put_in_force(breach, self._end_ms)
            await self._tell()

    async def _tell(self) -> None:
        if self._pending is not None:
            await self.before_telling()
            stopped, self._pending = self._pending, None
            self.stopped = stopped
            token = ambient.set(self._context_at(stopped.at_ms))
            try:
                await self._publisher.publish(stopped)
            finally:
                ambient.reset(token)

    def _foresee(self, begin_ms: int) -> Breach | None:
        """Work out the equity of a stretch within one day, and how much of it is clear of both limits."""
        end_ms = min(self._end_ms, begin_ms + self._foresight_ms, begin_ms - begin_ms % DAY_MS + DAY_MS)
        self._changes = self._run.changes
        self._foreseen = equity = self._run.equity_between(begin_ms, end_ms)
        self._foreseen_ms = begin_ms
        if begin_ms % DAY_MS == 0 or begin_ms - self._day_ms >= DAY_MS:  # a midnight may have been slept through
            self._day_base, self._day_ms = equity.item(0), begin_ms - begin_ms % DAY_MS
        breach = self._first_breach(begin_ms, equity)
        self._clear_until_ms = end_ms if breach is None else begin_ms + breach.minute * MINUTE_MS
        return breach

    def _first_breach(self, begin_ms: int, equity: Floats) -> Breach | None:
        """Return the first breach of either limit; of both at one minute that of the drawdown."""
        lowest, highest = equity.min().item(), max(equity.max().item(), self._peak)
        drawdown_pct, daily_pct = self._portfolio.max_drawdown_pct, self._portfolio.max_daily_loss_pct
        breaches = []
        stop = self._run.stop_at(begin_ms)
        if drawdown_pct is not None and (stop is None or stop.until_ms is not None):
            left = 1 - drawdown_pct / 100
            if lowest <= highest * left:
                floors = np.maximum.accumulate(np.maximum(equity, self._peak)) * left
                hits = np.flatnonzero(equity <= floors)
                breaches += [Breach(at, MAX_DRAWDOWN, equity.item(at), floors.item(at)) for at in hits[:1].tolist()]
        if daily_pct is not None and stop is None:
            floor = self._day_base * (1 - daily_pct / 100)
            if lowest <= floor:
                at = int(np.flatnonzero(equity <= floor)[0])
                breaches.append(Breach(at, MAX_DAILY_LOSS, equity.item(at), floor))
        return min(breaches, key=lambda one: one.minute, default=None)

    def _pass_until(self, at_ms: int) -> None:
        """Take note of what was foreseen for the minutes before *at_ms*, which are over."""
        count = (at_ms - self._foreseen_ms) // MINUTE_MS
        if count > 0 and len(self._foreseen):
            self._note(self._foreseen[:count])
            self._foreseen = self._foreseen[count:]
            self._foreseen_ms = at_ms

    def _note(self, equity: Floats) -> None:
        lowest, highest = equity.min().item(), max(equity.max().item(), self._peak)
        if (1 - lowest / highest) * 100 > self.deepest_pct:
            peaks = np.maximum.accumulate(np.maximum(equity, self._peak))
            self.deepest_pct = max(self.deepest_pct, ((1 - equity / peaks) * 100).max().item())
        self._peak = highest

    def _put_in_force(self, breach: Breach, at_ms: int) -> None:
        is_final = breach.rule == MAX_DRAWDOWN
        action = self._portfolio.on_drawdown if is_final else self._portfolio.on_daily_loss
        until_ms = None if is_final else at_ms - at_ms % DAY_MS + DAY_MS
        name = "drawdown from the highest equity" if is_final else "loss of the day"
        done = "positions are closed" if action is StopAction.CLOSE_ALL else "entries are blocked"
        reason = f"{name}: equity {breach.equity:.2f} is at or below {breach.limit:.2f}, {done}"
        self._run.stop = Stop(breach.rule, action, reason, until_ms)
        self._pending = PortfolioStopped(at_ms, "", "", breach.rule, action, breach.equity, breach.limit, until_ms)
        self._publisher.bus.touch()


async def _nothing() -> None:
    """Wait for nothing."""
