"""Drives one run on the wall clock, from its plan to its outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backtestkit_cli.analytics.outcome import RunOutcome, SessionOutcome
from backtestkit_cli.analytics.timings import timings_of
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.trading import OnStop
from backtestkit_cli.engine.clock import new_timings
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.portfolio_guard import PortfolioGuard
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.engine.wall_clock import Body, WallClock, minute_of
from backtestkit_cli.events.bus import Audience, Listener
from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.chart_candles import chart_candles
from backtestkit_cli.runs.coordination import account_of, coordination_of, guard_of
from backtestkit_cli.runs.counting import as_published, counts_of, in_run_order
from backtestkit_cli.runs.facts import facts_of
from backtestkit_cli.runs.jobs import job_runner
from backtestkit_cli.runs.life import RunLife, watched
from backtestkit_cli.runs.plan import RunPlan, shares_something
from backtestkit_cli.runs.run_log import RunLog
from backtestkit_cli.runs.sessions import Lived, run_context, session_outcome
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.holding import held
from backtestkit_cli.runs.trading.keeping import Keeping
from backtestkit_cli.runs.trading.opening import opened
from backtestkit_cli.runs.trading.outside import Outside, outside_of, settings_at_venue
from backtestkit_cli.runs.trading.plan import LIVE, TradingPlan
from backtestkit_cli.runs.trading.reconciliation import Reconciliation
from backtestkit_cli.runs.trading.reporter import save_replay
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper
from backtestkit_cli.runs.trading.status import RunStatus
from backtestkit_cli.runs.trading.stopping import StopRequest
from backtestkit_cli.runs.trading.upkeep import Upkeep
from backtestkit_cli.runs.trading.winding_up import wound_up

_FINISH_S = 30.0
"""How long a tick that is under way may take once the run is to end; then it is cut off, as by a crash."""
_NEVER_MS = 253_402_300_740_000
"""The last minute of the year 9999, at which a run without an end would end."""


async def run_trading(
    plan: TradingPlan,
    *,
    on_status: Callable[[RunStatus], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    stop: StopRequest,
    stands_by: bool = False,
    outside: Outside | None = None,
) -> RunOutcome:
    """Trade as *plan* says until *stop* is requested or a replay is over, and write the reports.

    `on_status` is told after each tick, and about once a second of real time between them; `on_event` every event,
    in the order in which they are published, and `on_note` lines for people. Whoever *stands_by* begins once nobody
    else trades the same. *outside* are other adapters than those that *plan* names.

    Raises:
        LockedError: another process trades the same; a `LeaseLostError` where it has taken that over.
        StoppedBeforeItBegan: it was stopped while another process traded the same.
        StoreError: what is kept cannot be read.
    """
    outside, tell = outside or outside_of(plan), on_note or _ignore
    async with held(outside, stop, waits=stands_by, tell=tell):
        await outside.store.wait_for_init()
        await outside.begin()
        trading = Trading(plan, outside, on_status or _ignore, on_event or _ignore)
        try:
            return await trading.trade(stop)
        finally:  # also where it never began
            await outside.source.close()
            await outside.broker.disconnect()


def _ignore(_told: object) -> None:
    """Hear nothing."""


class Trading:
    """One run from its first tick to its last."""

    def __init__(
        self,
        plan: TradingPlan,
        outside: Outside,
        on_status: Callable[[RunStatus], None],
        on_event: Callable[[Event], None],
    ) -> None:
        """Prepare the run of *plan* in the world *outside*."""
        self.plan = plan
        self.outside = outside
        self._on_event = on_event
        self.run = self._dated(plan.run)
        self.facts = facts_of(self.run)
        self.life = RunLife(self.run, new_timings())
        self.shared = coordination_of(self.run)
        self.keepers: list[SessionKeeper] = []
        self.status = RunStatus(
            run_id=self.facts.run_id,
            mode=self.run.mode,
            exchange=self.run.exchange,
            started_ms=outside.time.now_ms(),
        )
        self.keeping: Keeping | None = None
        self.upkeep = Upkeep(plan, outside, self.life, self.status, on_status)
        self._clock: WallClock | None = None
        if outside.tenure is not None:
            outside.tenure.on_lost = self._cut
        self._guard: PortfolioGuard | None = None
        self._floor: Floor | None = None
        names = self.run.mode, self.run.exchange
        self._reconciliation = Reconciliation(outside.broker, outside.store, names, plan.options.reconcile_minutes)

    @property
    def floor(self) -> Floor:
        """Return what the sessions share."""
        assert self._floor is not None  # noqa: S101 - opened before the clock starts
        return self._floor

    async def trade(self, stop: StopRequest) -> RunOutcome:
        """Trade until *stop* or the end of the frame."""
        await self._identify()
        try:
            return await self._trade(stop)
        finally:
            if self.keeping is not None:
                self.keeping.close()

    async def _identify(self) -> None:
        """Find out which run this is: one that was kept, or a new one."""
        if self.outside.is_history:
            return
        self.keeping = await Keeping.begun(self.outside, self.run, self.facts, self.plan.out)
        self.facts = self.keeping.facts
        self.run = replace(self.run, run_id=self.facts.run_id)
        self.status.run_id, self.status.note = self.facts.run_id, self.keeping.identity.note
        self.keeping.record(self.life)

    async def _trade(self, stop: StopRequest) -> RunOutcome:
        run, life, keeping = self.run, self.life, self.keeping
        log = RunLog(self.facts, run.log_sink)
        for listener in (*log.listeners(), Listener(Event, self._hear, Audience(), None, once=False)):
            life.bus.subscribe(listener)
        log.begins(run)
        async with life, self.upkeep:
            self._floor, self.keepers = await opened(
                self.plan, self.outside, run, self.facts.run_id, life, self.shared, self._failed
            )
            if keeping is not None:
                await keeping.restore(self.floor, self.keepers, self.shared, self.plan.told)
            self.status.sessions = [keeper.status for keeper in self.keepers]
            await self._live(stop)
        outcome = self._outcome() if keeping is None else await keeping.finish()
        samples = life.timings.samples()
        outcome = replace(outcome, events=(*outcome.events, *life.reports), timings=timings_of(samples))
        log.ends(outcome)
        if keeping is None and self.plan.out:
            await asyncio.to_thread(save_replay, outcome, Path(self.plan.out), self.plan.told)
        return outcome

    def _failed(self, strategy: str, symbol: str) -> None:
        if self.keeping is not None:
            self.keeping.failed(strategy, symbol)

    def _dated(self, run: RunPlan) -> RunPlan:
        """Return *run* with its first tick and its end, and fills as the venue tells them where it is real."""
        if self.outside.is_history:
            return run
        begin_ms = minute_of(self.outside.time.now_ms())
        dated = replace(run, start_ms=begin_ms, end_ms=_NEVER_MS, frame=run.mode)
        return settings_at_venue(dated) if run.mode == LIVE else dated

    async def _live(self, stop: StopRequest) -> None:
        """Let everything live on the clock until *stop* or the end of the frame."""
        run, life, floor = self.run, self.life, self.floor
        self._guard = guard = guard_of(run, self.shared, life.publisher, self._context, MINUTE_MS)
        called = None if self.keeping is None else self.keeping.called_jobs
        runner = job_runner(run, floor.run_id, floor.book, life, called) if run.jobs else None
        if self.keeping is not None:
            self.keeping.guard(guard)
        is_history = self.outside.is_history
        first = [Body(one.run, _always, goes_first=True) for one in (runner, guard) if one is not None]
        clock = self._clock = WallClock(
            self.outside.time,
            self._reach,
            alarm=guard,
            one_by_one=is_history,
            on_passed=lambda index, at_ms: self.upkeep.passed(index - len(first), at_ms),
        )
        self.upkeep.begin(floor, self.keepers, clock)
        stopping = asyncio.ensure_future(self._stop_at(stop, clock))
        try:
            self._demand_tenure()
            if not is_history:
                await self._reconciliation.begin(self.keepers, self.outside.time.now_ms())
            with watched(run):
                await clock.run([*first, *(Body(keeper.run, keeper.is_ready) for keeper in self.keepers)])
            self._demand_tenure()
            if guard is not None and is_history:
                await guard.end()
            if not is_history:
                closes = self.status.is_stopping and self.plan.options.on_stop is OnStop.CLOSE
                await wound_up(self.keepers, self.outside.time.now_ms(), closes=closes)
        finally:
            stopping.cancel()
            await self._reconciliation.close()
            self.upkeep.show()

    def _cut(self) -> None:
        """End at once, as by a crash: what this run traded is another process's now."""
        if self._clock is not None:
            self._clock.cut()

    def _demand_tenure(self) -> None:
        if self.outside.tenure is not None:
            self.outside.tenure.demand()

    async def _stop_at(self, stop: StopRequest, clock: WallClock) -> None:
        await stop.wait()
        self.status.is_stopping = True
        clock.stop()
        await asyncio.sleep(_FINISH_S)
        clock.cut()

    def _hear(self, event: Event) -> None:
        self.upkeep.hear(event)
        self._on_event(event)

    async def _reach(self, at_ms: int) -> None:
        """Bring the candles before *at_ms* to who trades by them."""
        await self.floor.feed.reach(at_ms)
        if not self.outside.is_history:
            await self._reconciliation.reach(at_ms)
        if self.keeping is not None:
            self.keeping.look(at_ms)
            if self._clock is not None and self._has_stopped_for_good():
                self._clock.stop()

    def _has_stopped_for_good(self) -> bool:
        """Say whether the account allows nothing more, and nothing is left to look after."""
        stopped = None if self._guard is None else self._guard.stopped
        if stopped is None or stopped.until_ms is not None:
            return False
        return all(keeper.memory.state is None and not keeper.memory.orders for keeper in self.keepers)

    def _context(self, when_ms: int, symbol: str = "") -> RunContext:
        return run_context(self.run, self.facts.run_id, self.life.bus, self.floor.book, when_ms, symbol)

    def _outcome(self) -> RunOutcome:
        """Return what the run leaves."""
        run, book = self.run, self.floor.book
        is_shared = bool(shares_something(run))
        parts = [keeper.events for keeper in self.keepers]
        events = as_published(self.life.bus.record) if is_shared else in_run_order(parts)
        growing = book.growing()
        charts = {symbol: chart_candles(growing[symbol].known_candles, run) for symbol in sorted(run.symbols)}
        return RunOutcome(
            facts=self.facts,
            sessions=tuple(map(self._session_outcome, self.keepers)),
            events=events,
            candles_beside={symbol: book.facts[symbol] for symbol in sorted(book.facts.keys() - set(run.symbols))},
            counts=counts_of(event for event in events if not event.strategy) if is_shared else {},
            account=account_of(self.shared, self._guard, run.end_ms),
            charts=charts,
        )

    def _session_outcome(self, keeper: SessionKeeper) -> SessionOutcome:
        run, book, symbol = self.run, self.floor.book, keeper.symbol
        keeper.collect()
        growing = book.growing()[symbol]
        settings = run.settings[keeper.spec.name]
        market = Market(symbol, growing.known_candles, settings.avg_price_candles)
        lived = Lived(keeper.trades, keeper.events, market, keeper.error)
        run = replace(run, end_ms=min(run.end_ms, growing.known_ms))  # one without an end ends here
        return session_outcome(run, keeper.spec, symbol, lived, book.facts[symbol])


def _always(_at_ms: int) -> bool:
    return True
