"""Drives one run from its plan to its outcome."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any, TypeAlias

from backtestkit_cli.analytics.outcome import AccountOutcome, Failure, RunFacts, RunOutcome, SessionOutcome
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.engine.clock import VirtualClock
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session import Session, SessionPlan
from backtestkit_cli.errors import ShortHistoryError, VenueError
from backtestkit_cli.events.bus import Audience, Bus, Listener
from backtestkit_cli.events.facts import Event, SessionEnded
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.reports.event_rows import event_kind
from backtestkit_cli.runs.coordination import account_of, coordination_of, guard_of, risk_listeners
from backtestkit_cli.runs.collecting import collecting_rarely
from backtestkit_cli.runs.history import history_of, problems_of_each
from backtestkit_cli.runs.jobs import job_facts, job_runner, jobs_first
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan, Unavailable, shares_something
from backtestkit_cli.runs.run_log import RunLog
from backtestkit_cli.runs.watchdog import watching


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` simulated session minutes, and which symbols are under way."""

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
) -> RunOutcome:
    """Run *plan* to its end; a session whose data or strategy fails is in the outcome, the others go on.

    Args:
        plan: What to run.
        book: Candles that several runs share, from `market_book`; by default the run loads its own.
        on_progress: Told some two hundred times how far the run is.
        on_bus: Given each bus that events go over, one after the other; stopping it ends the run.
        sees_ahead: Off, every minute is stepped through, which changes nothing but the time it takes.
    """
    if book is None:
        book = market_book(plan)
    facts = facts_of(plan)
    log = RunLog(facts, plan.log_sink)
    log.begins(plan)
    names = sorted((symbol, spec.name) for symbol in plan.symbols for spec in plan.strategies)
    size = len(names) if shares_something(plan) else plan.max_concurrent or len(names)
    by_name = {spec.name: spec for spec in plan.strategies}
    finished: list[SessionOutcome] = []
    events: list[tuple[Event, ...]] = []
    account: AccountOutcome | None = None
    waves = [names[i : i + size] for i in range(0, len(names), size)]
    for index, wave in enumerate(waves):
        report = None
        if on_progress is not None:
            report = _wave_progress(on_progress, plan, done=index * size, wave=len(wave), total=len(names))
        sessions = [(by_name[strategy], symbol) for symbol, strategy in wave]
        outcomes, facts_heard, account = await _run_wave(plan, log, book, sessions, report, sees_ahead=sees_ahead)
        bus = Bus()
        if on_bus is not None:
            on_bus(bus)
        outcomes, facts_heard = await _run_wave(plan, facts.run_id, book, bus, sessions, report, sees_ahead=sees_ahead)
        finished += outcomes
        events += facts_heard
        if len(waves) > 1:
            upcoming = {symbol for later in waves[index + 1 : index + 2] for symbol, _ in later}
            for symbol in {symbol for symbol, _ in wave} - upcoming:
                book.forget(symbol)
    beside = {symbol: book.facts[symbol] for symbol in sorted(book.facts.keys() - set(plan.symbols))}
    in_order = in_run_order(events)
    outcome = RunOutcome(
        facts=facts,
        sessions=tuple(finished),
        events=in_order,
        candles_beside=beside,
        account=account,
        counts=counts_of(event for event in in_order if not event.strategy) if shares_something(plan) else {},
    )
    log.ends(outcome)
    return outcome


async def _run_wave(
    plan: RunPlan,
    log: RunLog,
    book: MarketBook,
    bus: Bus,
    names: list[tuple[StrategySpec, str]],
    on_progress: Callable[[int], None] | None,
    *,
    sees_ahead: bool,
) -> tuple[list[SessionOutcome], list[tuple[Event, ...]], AccountOutcome | None]:
    """Run the sessions of *names* in lockstep on a clock of their own."""
    listed = {symbol for _, symbol in names}
    problems = await _load(book, listed - plan.problems.keys()) | dict(plan.problems)
    log.read({symbol: book.facts[symbol] for symbol in listed - problems.keys()}, problems)
    bus = Bus()
    for listener in (*log.listeners(), *_callbacks(plan.strategies), *risk_listeners(plan), *plan.listeners):
    for listener in (*_callbacks(plan.strategies), *plan.listeners):
        bus.subscribe(listener)
    shared = coordination_of(plan)
    guard = guard_of(plan, shared, bus)
    sessions = {
        (symbol, spec.name): Session(
            _session_plan(plan, log.run_id, spec, symbol, shared=shared, sees_ahead=sees_ahead), book, bus
        )
        for spec, symbol in names
        if symbol not in problems
    }
    bodies = log.bodies((strategy, symbol, session) for (symbol, strategy), session in sessions.items())
    runner = job_runner(plan, log.run_id, book, bus) if plan.jobs and sessions else None
    if guard is not None and sessions:
        bodies = [guard.run, *bodies]
    if runner is not None:
        bodies = jobs_first(runner, bodies, plan.start_ms)
    clock = VirtualClock(on_progress=on_progress, span_ms=(plan.start_ms, plan.end_ms), alarm=guard)
    limit_s = max(settings.max_signal_seconds for settings in plan.settings.values())
    with watching(limit_s, runner), _collecting_rarely():
        await clock.run(bodies)
    outcomes: list[SessionOutcome] = []
    events = [tuple(one.events) for one in (runner, guard) if one is not None]
    absent = [(spec, symbol) for spec, symbol in names if symbol in problems]
    events = [await _tell_absence(plan, bus, spec, symbol, problems[symbol]) for spec, symbol in absent]
    clock = VirtualClock(on_progress=on_progress, span_ms=(plan.start_ms, plan.end_ms))
    limit_s = max(settings.max_signal_seconds for settings in plan.settings.values())
    with watching(limit_s), collecting_rarely():
        await clock.run([session.run for session in sessions.values()])
    outcomes = []
    for spec, symbol in names:
        session = sessions.get((symbol, spec.name))
        if session is None:
            outcomes.append(_failed(plan, spec, symbol, problems[symbol]))
            continue
        outcomes.append(_finished(plan, book, spec, symbol, session))
        events.append(tuple(session.events))
    return outcomes, events, account_of(shared, guard, plan.end_ms)


async def _tell_absence(
    plan: RunPlan, bus: Bus, spec: StrategySpec, symbol: str, problem: Unavailable
) -> tuple[Event, ...]:
    """Say that a session without candles is over; return what its listeners did wrong."""
    publisher = Publisher(bus, strategy=spec.name, symbol=symbol, mode=plan.mode)
    names = plan.start_ms, spec.name, symbol, plan.exchange, plan.frame
    await publisher.ping(SessionEnded(*names, 0, str(problem)))
    return tuple(publisher.record)


async def _load(book: MarketBook, symbols: set[str]) -> dict[str, Unavailable]:
    """Fetch all candles side by side; return what is wrong with those that could not be had."""
    try:
        return await problems_of_each(book.load, symbols)
    finally:
        await book.close()


def _callbacks(strategies: tuple[StrategySpec, ...]) -> list[Listener]:
    return [
        Listener(kind, handler, Audience(strategy=spec.name), None, once=False)
        for spec in strategies
        for kind, handler in spec.callbacks.items()
    ]


def _session_plan(
    plan: RunPlan, run_id: str, spec: StrategySpec, symbol: str, *, shared: Coordination | None, sees_ahead: bool
) -> SessionPlan:
    return SessionPlan(
        run_id=run_id,
        mode=plan.mode,
        exchange=plan.exchange,
        frame=plan.frame,
        symbol=symbol,
        strategy=spec,
        settings=plan.settings[spec.name],
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        sees_ahead=sees_ahead,
        shared=shared,
        profiles=plan.risks.get(spec.name, ()),
        sizing=plan.sizings.get(spec.name),
    )


def _failed(plan: RunPlan, spec: StrategySpec, symbol: str, problem: Unavailable) -> SessionOutcome:
    """Return the outcome of a session that never started; what is asked for begins before the frame, so say why."""
    minutes = (plan.start_ms - history_of(plan).start_ms) // MINUTE_MS
    reason = f" ({minutes:,} minutes before the frame are warm-up)" if isinstance(problem, ShortHistoryError) else ""
    return SessionOutcome(
        strategy=spec.name,
        symbol=symbol,
        trades=(),
        marks=(),
        counts={},
        candles=None,
        error=f"{problem}{reason}",
        failure=Failure.VENUE if isinstance(problem, VenueError) else Failure.DATA,
    )


def _finished(plan: RunPlan, book: MarketBook, spec: StrategySpec, symbol: str, session: Session) -> SessionOutcome:
    market = book.market(symbol)
    prices = fill_model(plan.settings[spec.name].fill_model).prices(market)
    midnights = range(plan.start_ms - plan.start_ms % DAY_MS + DAY_MS, plan.end_ms, DAY_MS)
    return SessionOutcome(
        strategy=spec.name,
        symbol=symbol,
        trades=tuple(session.trades),
        marks=tuple((at_ms, prices.item(market.row_at(at_ms))) for at_ms in (*midnights, plan.end_ms)),
        counts=counts_of(session.events),
        candles=book.facts[symbol],
        error=session.error,
        failure=Failure.STRATEGY if session.error else None,
    )


def counts_of(events: Iterable[Event]) -> dict[str, int]:
    """Return how many events of each kind there are, by kind."""
    by_type = Counter(map(type, events))
    return dict(sorted((event_kind(kind), count) for kind, count in by_type.items()))


def in_run_order(parts: Iterable[Iterable[Event]]) -> tuple[Event, ...]:
    """Return all events in the order of (time, session), those of no session first; each part is in order."""
    lists = list(parts)
    if len(lists) == 1:
        return tuple(lists[0])
    return tuple(sorted(chain.from_iterable(lists), key=_moment))


def _moment(event: Event) -> tuple[int, str, str]:
    return event.at_ms, event.symbol if event.strategy else "", event.strategy


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


def facts_of(plan: RunPlan) -> RunFacts:
    """Return what *plan* is; its run id is a hash of all that decides the result but the candles themselves."""
    package_version = installed_version()
    decisive: dict[str, Any] = {
        "version": package_version,
        "mode": plan.mode,
        "exchange": plan.exchange,
        "source": dict(plan.source_facts),
        "span": [plan.start_ms, plan.end_ms],
        "symbols": sorted(plan.symbols),
        "strategies": dict(plan.source_hashes),
        "settings": {name: asdict(settings) for name, settings in plan.settings.items()},
    }
    jobs = tuple(map(job_facts, plan.jobs))
    if jobs:
        decisive["jobs"] = jobs
    decisive |= plan.coordination_facts
    text = json.dumps(decisive, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    label = "-".join(spec.name for spec in plan.strategies[:3])
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in label)[:60]
    return RunFacts(
        run_id=plan.run_id or f"{safe}-{digest}",
        mode=plan.mode,
        version=package_version,
        exchange=plan.exchange,
        source=dict(plan.source_facts),
        is_synthetic=plan.source.is_synthetic,
        frame=plan.frame,
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        symbols=tuple(sorted(plan.symbols)),
        strategies=dict(plan.source_hashes),
        notes={spec.name: spec.note for spec in plan.strategies},
        settings=dict(plan.settings),
        jobs=jobs,
        coordination=dict(plan.coordination_facts),
    )


@lru_cache
def installed_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("backtestkit-cli")
    except PackageNotFoundError:
        return "0+unknown"
