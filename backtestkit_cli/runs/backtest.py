"""Drives one run from its plan to its outcome."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from backtestkit_cli.analytics.outcome import AccountOutcome, RunFacts, RunOutcome, SessionOutcome
from backtestkit_cli.analytics.timings import RUN, TimingRecorder, timings_of
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.clock import new_timings
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.counting import as_published, counts_of, in_run_order
from backtestkit_cli.runs.facts import facts_of
from backtestkit_cli.runs.history import history_of
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.lockstep import Lockstep
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan, shares_something
from backtestkit_cli.runs.run_log import RunLog


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` simulated minutes, counted once for each session."""

    done: int
    total: int


OnProgress: TypeAlias = Callable[[Progress], None]


async def run_backtest(
    plan: RunPlan,
    *,
    book: MarketBook | None = None,
    on_progress: OnProgress | None = None,
    on_bus: Callable[[Bus], None] | None = None,
    sees_ahead: bool = True,
    timings: TimingRecorder | None = None,
) -> RunOutcome:
    """Run *plan* to its end; a session whose data or strategy fails is in the outcome, the others go on.

    Args:
        plan: What to run.
        book: Candles that several runs share, from `market_book`; by default the run loads its own.
        on_progress: Told some two hundred times how far the run is.
        on_bus: Given the bus that events go over; stopping it ends the run.
        sees_ahead: Off, every minute is stepped through, which changes nothing but the time it takes.
        timings: Told how long everything takes; by default a new recorder.
    """
    timings = timings or new_timings()
    with timings.meter(RUN).timing():
        facts = facts_of(plan)
        log = RunLog(facts, plan.log_sink)
        log.begins(plan)
        life = RunLife(plan, timings)
        for listener in log.listeners():
            life.bus.subscribe(listener)
        if on_bus is not None:
            on_bus(life.bus)
        async with life:
            lockstep = Lockstep(plan=plan, life=life, log=log, book=book or market_book(plan), sees_ahead=sees_ahead)
            outcome = await _run_waves(lockstep, facts, on_progress)
    outcome = replace(outcome, events=(*outcome.events, *life.reports), timings=timings_of(timings.samples()))
    log.ends(outcome)
    return outcome


async def _run_waves(lockstep: Lockstep, facts: RunFacts, on_progress: OnProgress | None) -> RunOutcome:
    """Run all sessions in one lockstep, or where they share nothing, so many at a time as the plan says."""
    plan, book = lockstep.plan, lockstep.book
    names = sorted((symbol, spec.name) for symbol in plan.symbols for spec in plan.strategies)
    size = len(names) if shares_something(plan) else plan.max_concurrent or len(names)
    by_name = {spec.name: spec for spec in plan.strategies}
    finished: list[SessionOutcome] = []
    events: list[tuple[Event, ...]] = []
    account: AccountOutcome | None = None
    charts: dict[str, Candles] = {}
    waves = [names[i : i + size] for i in range(0, len(names), size)]
    for index, wave in enumerate(waves):
        report = None
        if on_progress is not None:
            report = _wave_progress(on_progress, plan, done=index * size, wave=len(wave), total=len(names))
        outcomes, told, account, shown = await lockstep.run([(by_name[name], symbol) for symbol, name in wave], report)
        finished += outcomes
        events += told
        charts |= shown
        if len(waves) > 1:
            upcoming = {symbol for later in waves[index + 1 : index + 2] for symbol, _ in later}
            for symbol in {symbol for symbol, _ in wave} - upcoming:
                book.forget(symbol)
    is_shared = bool(shares_something(plan))
    in_order = as_published(lockstep.life.bus.record) if is_shared else in_run_order(events)
    return RunOutcome(
        facts=facts,
        sessions=tuple(finished),
        events=in_order,
        candles_beside={symbol: book.facts[symbol] for symbol in sorted(book.facts.keys() - set(plan.symbols))},
        counts=counts_of(event for event in in_order if not event.strategy) if is_shared else {},
        account=account,
        charts=dict(sorted(charts.items())),
    )


def market_book(plan: RunPlan) -> MarketBook:
    """Return the book that *plan* reads its candles from; `await book.load(symbol)` fills it ahead of the run."""
    avg_price_candles = next(iter(plan.settings.values())).avg_price_candles  # a setting of the whole run
    return MarketBook(plan.source, history_of(plan), avg_price_candles=avg_price_candles)


def _wave_progress(
    on_progress: OnProgress, plan: RunPlan, *, done: int, wave: int, total: int
) -> Callable[[int], None]:
    minutes = (plan.end_ms - plan.start_ms) // MINUTE_MS

    def report(now_ms: int) -> None:
        passed = min(max((now_ms - plan.start_ms) // MINUTE_MS, 0), minutes)
        on_progress(Progress(done * minutes + wave * passed, total * minutes))

    return report
