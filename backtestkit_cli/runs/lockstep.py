"""Sessions side by side on one clock: they share what the run shares, and see each other's effects in one order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from backtestkit_cli.analytics.outcome import AccountOutcome, Failure, SessionOutcome
from backtestkit_cli.analytics.timings import LOAD, Meter
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.clock import SessionBody, VirtualClock
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.errors import ShortHistoryError, VenueError
from backtestkit_cli.events.facts import CANDLES, ErrorOccurred, Event, SessionEnded
from backtestkit_cli.runs.chart_candles import chart_candles
from backtestkit_cli.runs.collecting import collecting_rarely
from backtestkit_cli.runs.coordination import account_of, coordination_of, guard_of
from backtestkit_cli.runs.counting import counts_of
from backtestkit_cli.runs.history import history_of, problems_of_each
from backtestkit_cli.runs.jobs import job_runner, jobs_first
from backtestkit_cli.runs.life import RunLife, watched
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan, Unavailable, may_begin_to_listen
from backtestkit_cli.runs.run_log import RunLog
from backtestkit_cli.runs.sessions import Lived, run_context, session_outcome, session_plan

Key: TypeAlias = tuple[StrategySpec, str]
"""A session: its strategy and its symbol."""


class Wave(NamedTuple):
    """What came of sessions that ran together; `events` has one list for each that recorded any.

    `charts` are the candles of their symbols for pictures.
    """

    outcomes: list[SessionOutcome]
    events: list[tuple[Event, ...]]
    account: AccountOutcome | None
    charts: dict[str, Candles]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockstep:
    """What all sessions of a run are made with."""

    plan: RunPlan
    life: RunLife
    log: RunLog
    book: MarketBook
    sees_ahead: bool

    async def run(self, keys: Iterable[Key], on_progress: Callable[[int], None] | None) -> Wave:
        """Run the sessions of *keys*, in this order at each instant, to the end of the frame."""
        plan, life, log, bus = self.plan, self.life, self.log, self.life.bus
        keys = list(keys)
        listed = {symbol for _, symbol in keys}
        problems = await _load(self.book, listed - plan.problems.keys(), life.timings.meter(LOAD)) | dict(plan.problems)
        log.read({symbol: self.book.facts[symbol] for symbol in listed - problems.keys()}, problems)
        shared = coordination_of(plan)
        sessions = {
            (spec.name, symbol): Session(self._session_plan(spec, symbol, shared), self.book, bus)
            for spec, symbol in keys
            if symbol not in problems and spec.name not in life.problems
        }
        absent = {
            (spec.name, symbol): await self._tell_absence(spec, symbol, problems[symbol])
            for spec, symbol in keys
            if symbol in problems and spec.name not in life.problems
        }
        events = list(absent.values())
        guard = guard_of(plan, shared, life.publisher, self._context)
        runner = job_runner(plan, log.run_id, self.book, life) if plan.jobs else None
        bodies: list[SessionBody] = log.bodies((*names, session) for names, session in sessions.items())
        if guard is not None:
            bodies = [guard.run, *bodies]
        if runner is not None:
            bodies = jobs_first(runner, bodies, plan.start_ms)
        if sessions:
            span_ms = (plan.start_ms, plan.end_ms)
            clock = VirtualClock(on_progress=on_progress, span_ms=span_ms, alarm=guard, on_wake_all=bus.touch)
            bus.on_new_listener = clock.wake_all
            with watched(plan), collecting_rarely():
                await clock.run(bodies)
                if guard is not None:
                    await guard.end()
        events += [tuple(one.events) for one in (runner, guard) if one is not None]
        outcomes = []
        for spec, symbol in keys:
            session = sessions.get((spec.name, symbol))
            if spec.name in life.problems:
                outcome, told = await life.failed_session(spec, symbol)
                events.append(told)
            elif session is None:
                outcome = self._without_candles(spec, symbol, problems[symbol], absent[spec.name, symbol])
            else:
                lived = Lived(session.trades, session.events, self.book.market(symbol), session.error)
                outcome = session_outcome(plan, spec, symbol, lived, self.book.facts[symbol])
                events.append(tuple(session.events))
            outcomes.append(outcome)
        readable = sorted(listed - problems.keys())
        charts = {symbol: chart_candles(self.book.market(symbol).candles, plan) for symbol in readable}
        return Wave(outcomes, events, account_of(shared, guard, plan.end_ms), charts)

    def _session_plan(self, spec: StrategySpec, symbol: str, shared: Coordination | None) -> SessionPlan:
        base = session_plan(self.plan, self.log.run_id, spec, symbol, shared, self.life.timings)
        return replace(base, sees_ahead=self.sees_ahead, runs_ahead=not may_begin_to_listen(self.plan))

    async def _tell_absence(self, spec: StrategySpec, symbol: str, problem: Unavailable) -> tuple[Event, ...]:
        """Say that a session is over for want of candles; return the events of it."""
        plan = self.plan
        publisher = self.life.publisher(strategy=spec.name, symbol=symbol)
        names = plan.start_ms, spec.name, symbol, plan.exchange, plan.frame
        token = ambient.set(self._context(plan.start_ms, symbol))
        try:
            await publisher.publish(ErrorOccurred(*names[:3], CANDLES, str(problem), ""))
            await publisher.ping(SessionEnded(*names, 0, str(problem)))
        finally:
            ambient.reset(token)
        return tuple(publisher.record)

    def _context(self, when_ms: int, symbol: str = "") -> RunContext:
        return run_context(self.plan, self.log.run_id, self.life.bus, self.book, when_ms, symbol)

    def _without_candles(
        self, spec: StrategySpec, symbol: str, problem: Unavailable, events: tuple[Event, ...]
    ) -> SessionOutcome:
        """Return the outcome of a session that never started; what is read begins before the frame, so say why."""
        minutes = (self.plan.start_ms - history_of(self.plan).start_ms) // MINUTE_MS
        is_short = isinstance(problem, ShortHistoryError)
        reason = f" ({minutes:,} minutes before the frame are warm-up)" if is_short else ""
        return SessionOutcome(
            strategy=spec.name,
            symbol=symbol,
            trades=(),
            marks=(),
            counts=counts_of(events),
            candles=None,
            error=f"{problem}{reason}",
            failure=Failure.VENUE if isinstance(problem, VenueError) else Failure.DATA,
        )


async def _load(book: MarketBook, symbols: set[str], loading: Meter) -> dict[str, Unavailable]:
    """Fetch all candles side by side; return what is wrong with those that could not be had."""

    async def load(symbol: str) -> None:
        with loading.timing():
            await book.load(symbol)

    try:
        return await problems_of_each(load, {symbol for symbol in symbols if not book.holds(symbol)})
    finally:
        await book.close()
