"""One run over several processes, for runs whose sessions share nothing."""

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import NamedTuple

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.timings import RUN, Samples, timings_of
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.clock import new_timings
from backtestkit_cli.errors import BacktestKitError, ConfigError
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.backtest import OnProgress, Progress, run_backtest
from backtestkit_cli.runs.chart_candles import chart_interval
from backtestkit_cli.runs.counting import in_run_order
from backtestkit_cli.runs.facts import facts_of
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan, Unavailable, shares_something

_SHARES_PER_WORKER = 4


class _Share(NamedTuple):
    """What came of a share of a run, and how long its work took."""

    outcome: RunOutcome
    samples: list[Samples]


def run_to_end(
    loaded: LoadedConfig,
    plan: RunPlan,
    *,
    book: MarketBook | None = None,
    on_progress: OnProgress | None = None,
    prepare: Callable[[], None] | None = None,
) -> RunOutcome:
    """Run *plan*, which was assembled from *loaded*, in as many processes as that says.

    One process reads the candles of *book*, if there is one; of several each calls *prepare* first.

    Raises:
        BacktestKitError: as `run_in_processes` does.
    """
    if loaded.config.workers > 1:
        return run_in_processes(loaded, plan, on_progress=on_progress, prepare=prepare)
    return asyncio.run(run_backtest(plan, book=book, on_progress=on_progress))


def run_in_processes(
    loaded: LoadedConfig,
    plan: RunPlan,
    *,
    on_progress: OnProgress | None = None,
    prepare: Callable[[], None] | None = None,
) -> RunOutcome:
    """Run *plan*, which was assembled from *loaded*, in its `workers` processes; the outcome is that of one process.

    Every process loads the strategy file for itself, so what it keeps in module variables is not shared
    across symbols, and listeners of one process do not hear the others. Each calls *prepare* first.

    Raises:
        ConfigError: the sessions share something that no process can have for itself.
        BacktestKitError: a process died.
    """
    workers = loaded.config.workers
    shared = shares_something(plan)
    if shared:
        raise ConfigError(f"workers: all symbols share {' and '.join(shared)}: run with --workers 1")
    timings = new_timings()
    with timings.meter(RUN).timing():
        if loaded.config.cache:
            from backtestkit_cli.runs.warming import ready_for_workers

            plan = asyncio.run(ready_for_workers(plan))
        shares = _run_shares(loaded, plan, workers, on_progress, prepare)
        outcome = combined(plan, [share.outcome for share in shares])
    within = (one for share in shares for one in share.samples if one.metric != RUN)
    return replace(outcome, timings=timings_of([*timings.samples(), *within]))


def _run_shares(
    loaded: LoadedConfig,
    plan: RunPlan,
    workers: int,
    on_progress: OnProgress | None,
    prepare: Callable[[], None] | None,
) -> list[_Share]:
    """Run some shares for each of *workers*, so that all of them are busy to the end; return what came of them."""
    symbols = sorted(plan.symbols)
    count = min(len(symbols), workers * _SHARES_PER_WORKER)
    shares = [tuple(symbols[i::count]) for i in range(count)]
    whole = facts_of(plan).run_id, chart_interval(plan)
    minutes = (plan.end_ms - plan.start_ms) // MINUTE_MS
    parts: list[_Share] = []
    done = 0
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(min(workers, count), mp_context=spawn, initializer=prepare) as pool:
            futures = [pool.submit(_run_share, loaded, share, dict(plan.problems), whole) for share in shares]
            try:
                for future in as_completed(futures):
                    part = future.result()
                    parts.append(part)
                    done += len(part.outcome.sessions)
                    if on_progress is not None:
                        total = len(symbols) * len(plan.strategies)
                        on_progress(Progress(done * minutes, total * minutes))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool as error:
        raise BacktestKitError("a worker process died; run with --workers 1 to see why") from error
    return parts


def _run_share(
    loaded: LoadedConfig,
    symbols: tuple[str, ...],
    problems: dict[str, Unavailable],
    whole: tuple[str, str],
) -> _Share:
    run_id, interval = whole
    plan = replace(assemble(loaded), symbols=symbols, problems=problems, run_id=run_id, chart_interval=interval)
    timings = new_timings()
    outcome = asyncio.run(run_backtest(plan, timings=timings))
    return _Share(outcome, timings.samples())


def combined(plan: RunPlan, parts: Sequence[RunOutcome]) -> RunOutcome:
    """Return the outcome of *plan* from those of its shares, in the order of a run in one process."""
    sessions = sorted((s for part in parts for s in part.sessions), key=lambda s: (s.symbol, s.strategy))
    read = {symbol: facts for part in parts for symbol, facts in part.candles_beside.items()}
    return RunOutcome(
        facts=facts_of(plan),
        sessions=tuple(sessions),
        events=in_run_order(part.events for part in parts),
        charts=dict(sorted((symbol, candles) for part in parts for symbol, candles in part.charts.items())),
        candles_beside={symbol: read[symbol] for symbol in sorted(read.keys() - set(plan.symbols))},
    )
