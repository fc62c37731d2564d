"""Drives one run from its plan to its outcome."""

import gc
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import TypeAlias

from backtestkit_cli.analytics.outcome import Failure, RunFacts, RunOutcome, SessionOutcome
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.engine.clock import VirtualClock
from backtestkit_cli.engine.session import Session, SessionPlan
from backtestkit_cli.errors import ShortHistoryError, VenueError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.reports.event_rows import event_kind
from backtestkit_cli.runs.history import history_of, problems_of_each
from backtestkit_cli.runs.life import RunLife, watched
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan, Unavailable

_OBJECTS_PER_COLLECTION = 100_000


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
    sees_ahead: bool = True,
) -> RunOutcome:
    """Run *plan* to its end; a session whose data or strategy fails is in the outcome, the others go on.

    Args:
        plan: What to run.
        book: Candles that several runs share, from `market_book`; by default the run loads its own.
        on_progress: Told some two hundred times how far the run is.
        sees_ahead: Off, every minute is stepped through, which changes nothing but the time it takes.
    """
    async with RunLife(plan) as life:
        outcome = await _run_sessions(plan, life, book or market_book(plan), on_progress, sees_ahead=sees_ahead)
    return replace(outcome, events=in_run_order((outcome.events, life.reports))) if life.reports else outcome


async def _run_sessions(
    plan: RunPlan, life: RunLife, book: MarketBook, on_progress: OnProgress | None, *, sees_ahead: bool
) -> RunOutcome:
    facts = facts_of(plan)
    names = sorted((symbol, spec.name) for symbol in plan.symbols for spec in plan.strategies)
    size = plan.max_concurrent or len(names)
    by_name = {spec.name: spec for spec in plan.strategies}
    finished: list[SessionOutcome] = []
    events: list[tuple[Event, ...]] = []
    waves = [names[i : i + size] for i in range(0, len(names), size)]
    for index, wave in enumerate(waves):
        report = None
        if on_progress is not None:
            report = _wave_progress(on_progress, plan, done=index * size, wave=len(wave), total=len(names))
        sessions = [(by_name[strategy], symbol) for symbol, strategy in wave]
        outcomes, facts_heard = await _run_wave(plan, life, facts.run_id, book, sessions, report, sees_ahead=sees_ahead)
        finished += outcomes
        events += facts_heard
        if len(waves) > 1:
            upcoming = {symbol for later in waves[index + 1 : index + 2] for symbol, _ in later}
            for symbol in {symbol for symbol, _ in wave} - upcoming:
                book.forget(symbol)
    beside = {symbol: book.facts[symbol] for symbol in sorted(book.facts.keys() - set(plan.symbols))}
    return RunOutcome(facts=facts, sessions=tuple(finished), events=in_run_order(events), candles_beside=beside)


async def _run_wave(
    plan: RunPlan,
    life: RunLife,
    run_id: str,
    book: MarketBook,
    names: list[tuple[StrategySpec, str]],
    on_progress: Callable[[int], None] | None,
    *,
    sees_ahead: bool,
) -> tuple[list[SessionOutcome], list[tuple[Event, ...]]]:
    """Run the sessions of *names* in lockstep on a clock of their own."""
    listed = {symbol for _, symbol in names}
    problems = await _load(book, listed - plan.problems.keys()) | dict(plan.problems)
    sessions = {
        (symbol, spec.name): Session(_session_plan(plan, run_id, spec, symbol, sees_ahead=sees_ahead), book, life.bus)
        for spec, symbol in names
        if symbol not in problems and spec.name not in life.problems
    }
    clock = VirtualClock(on_progress=on_progress, span_ms=(plan.start_ms, plan.end_ms))
    with watched(plan), _collecting_rarely():
        await clock.run([session.run for session in sessions.values()])
    outcomes: list[SessionOutcome] = []
    events: list[tuple[Event, ...]] = []
    for spec, symbol in names:
        session = sessions.get((symbol, spec.name))
        if spec.name in life.problems:
            outcome, facts_heard = await life.failed_session(spec, symbol)
            outcomes.append(outcome)
            events.append(facts_heard)
            continue
        if session is None:
            outcomes.append(_failed(plan, spec, symbol, problems[symbol]))
            continue
        outcomes.append(_finished(plan, book, spec, symbol, session))
        events.append(tuple(session.events))
    return outcomes, events


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Let the garbage collector look less often: a run keeps nearly all it makes, and looking again takes time."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_PER_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _load(book: MarketBook, symbols: set[str]) -> dict[str, Unavailable]:
    """Fetch all candles side by side; return what is wrong with those that could not be had."""
    try:
        return await problems_of_each(book.load, symbols)
    finally:
        await book.close()


def _session_plan(plan: RunPlan, run_id: str, spec: StrategySpec, symbol: str, *, sees_ahead: bool) -> SessionPlan:
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
    """Return the events of all sessions in the order of (time, session); those of one session are in order."""
    lists = list(parts)
    if len(lists) == 1:
        return tuple(lists[0])
    return tuple(sorted(chain.from_iterable(lists), key=lambda event: (event.at_ms, event.symbol, event.strategy)))


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
    decisive = {
        "version": package_version,
        "mode": plan.mode,
        "exchange": plan.exchange,
        "source": dict(plan.source_facts),
        "span": [plan.start_ms, plan.end_ms],
        "symbols": sorted(plan.symbols),
        "strategies": dict(plan.source_hashes),
        "settings": {name: asdict(settings) for name, settings in plan.settings.items()},
    }
    text = json.dumps(decisive, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    label = "-".join(spec.name for spec in plan.strategies[:3])
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in label)[:60]
    return RunFacts(
        run_id=f"{safe}-{digest}",
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
    )


@lru_cache
def installed_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("backtestkit-cli")
    except PackageNotFoundError:
        return "0+unknown"
