"""Watches the account of a run between events, and stops it within the tick at which it has lost too much."""

from typing import NamedTuple

import numpy as np

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.engine.coordination import Coordination, Stop
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.events.facts import Event, PortfolioStopped
from backtestkit_cli.ports import Clock

MAX_DRAWDOWN, MAX_DAILY_LOSS = "max_drawdown", "max_daily_loss"


class Breach(NamedTuple):
    """The first tick at which the account stood at or below a limit."""

    minute: int
    rule: str
    equity: float
    limit: float


class PortfolioGuard:
    """An alarm of the clock and its first sleeper: finds the tick of a stop, puts it in force, and tells of it.

    The equity of each minute is judged once, after all that happened at its tick. `deepest_pct` is the largest
    drawdown of any tick.
    """

    def __init__(self, run: Coordination, portfolio: Portfolio, publisher: Publisher, span_ms: tuple[int, int]) -> None:
        """Guard *run* over the ticks of *span_ms*."""
        self._run = run
        self._portfolio = portfolio
        self._publisher = publisher
        self._next_ms, self._end_ms = span_ms
        self._peak = self._day_base = portfolio.balance
        self._pending: PortfolioStopped | None = None
        self.deepest_pct = 0.0
        self.stopped: PortfolioStopped | None = None

    @property
    def events(self) -> list[Event]:
        """Return every stop, in order."""
        return self._publisher.record

    async def run(self, clock: Clock) -> None:
        """Tell of each stop at its tick, before any session obeys it."""
        while clock.now_ms < self._end_ms:
            await clock.sleep_until(self._end_ms)
            if self._pending is not None:
                stopped, self._pending = self._pending, None
                self.stopped = stopped
                await self._publisher.publish(stopped)

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        """Return the first tick of `[from_ms, until_ms)` that stops the portfolio, and put the stop in force."""
        run = self._run
        begin = max(from_ms, self._next_ms)
        while begin < until_ms:
            end = min(until_ms, begin - begin % DAY_MS + DAY_MS)
            equity = run.equity_between(begin, end)
            if begin % DAY_MS == 0:
                self._day_base = equity.item(0)
            breach = self._first_breach(begin, equity)
            self._next_ms = end if breach is None else begin + breach.minute * MINUTE_MS
            if breach is not None:
                self._put_in_force(breach)
                return self._next_ms
            begin = end
        return None

    def _first_breach(self, begin_ms: int, equity: Floats) -> Breach | None:
        """Return the first breach of either limit in a stretch within one day; keep the peak up to it."""
        peaks = np.maximum.accumulate(np.maximum(equity, self._peak))
        drawdown_pct, daily_pct = self._portfolio.max_drawdown_pct, self._portfolio.max_daily_loss_pct
        stop = self._run.stop_at(begin_ms)
        is_over = stop is not None and stop.until_ms is None
        breaches = []
        if drawdown_pct is not None and not is_over:
            floors = peaks * (1 - drawdown_pct / 100)
            hits = np.flatnonzero(equity <= floors)
            if len(hits):
                at = int(hits[0])
                breaches.append(Breach(at, MAX_DRAWDOWN, equity.item(at), floors.item(at)))
        if daily_pct is not None and stop is None:
            floor = self._day_base * (1 - daily_pct / 100)
            hits = np.flatnonzero(equity <= floor)
            if len(hits):
                at = int(hits[0])
                breaches.append(Breach(at, MAX_DAILY_LOSS, equity.item(at), floor))
        breach = min(breaches, key=lambda one: one.minute, default=None)
        seen = len(equity) if breach is None else breach.minute + 1
        self._peak = peaks.item(seen - 1)
        self.deepest_pct = max(self.deepest_pct, float(((1 - equity[:seen] / peaks[:seen]) * 100).max()))
        return breach

    def _put_in_force(self, breach: Breach) -> None:
        at_ms = self._next_ms
        is_final = breach.rule == MAX_DRAWDOWN
        action = self._portfolio.on_drawdown if is_final else self._portfolio.on_daily_loss
        until_ms = None if is_final else at_ms - at_ms % DAY_MS + DAY_MS
        name = "drawdown from the highest equity" if is_final else "loss of the day"
        done = "positions are closed" if action is StopAction.CLOSE_ALL else "entries are blocked"
        reason = f"{name}: equity {breach.equity:.2f} is at or below {breach.limit:.2f}, {done}"
        self._run.stop = Stop(breach.rule, action, reason, until_ms)
        self._pending = PortfolioStopped(at_ms, "", "", breach.rule, action, breach.equity, breach.limit, until_ms)
        self._publisher.bus.touch()
