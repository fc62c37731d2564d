"""Fetching ahead of a run: what it will read, and what became of each symbol."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backtestkit_cli.api.registry import Registry
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.settings import settings_from
from backtestkit_cli.data.cache.source import CachedSource, Warmed
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.spans import Span, merged
from backtestkit_cli.errors import ConfigError, DataError, VenueError
from backtestkit_cli.runs.assembly import chosen_strategies, frame_span, settings_of_module, source_of
from backtestkit_cli.runs.history import HistoryPlan, history_of, history_plan, problems_of_each, read_history
from backtestkit_cli.runs.plan import RunPlan, Unavailable
from backtestkit_cli.runs.sizings import sizings_of, with_candles_of
from backtestkit_cli.runs.sources import DataAccess
from backtestkit_cli.runs.strategy_file import load_strategies


@dataclass(frozen=True, slots=True)
class Need:
    """Candles to have: those of one series that open in `span` (half-open, Unix ms).

    `histories` are the runs that will read them, where these are minutes.
    """

    symbol: str
    interval: str
    span: Span
    histories: tuple[HistoryPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class WarmResult:
    """What became of a need: what is in the cache now, None if nothing is, and the problem if there was one."""

    need: Need
    warmed: Warmed | None
    problem: Unavailable | None


async def warm(source: CachedSource, needs: Sequence[Need]) -> list[WarmResult]:
    """Fetch what the cache lacks of all *needs* side by side, and say of each what that came to.

    Minutes are then read as a run reads them: what would keep it from running is a problem here already. A
    symbol that cannot be had does not keep the others from being fetched.
    """
    try:
        return await asyncio.gather(*(_warm_one(source, need) for need in needs))
    finally:
        await source.close()


async def _warm_one(source: CachedSource, need: Need) -> WarmResult:
    warmed = None
    try:
        warmed = await source.warm(need.symbol, need.interval, *need.span)
        for plan in need.histories if warmed.missing else ():
            await _read_as_a_run(source, need.symbol, plan, warmed)
    except (DataError, VenueError) as problem:
        return WarmResult(need, warmed, problem)
    return WarmResult(need, warmed, None)


async def _read_as_a_run(source: CachedSource, symbol: str, plan: HistoryPlan, warmed: Warmed) -> None:
    """Read the part of *plan* that can be there by now; a gap in it is none of the cache's business."""
    end_ms = min([plan.end_ms, warmed.span[1], *(start_ms for start_ms, _ in warmed.unsettled)])
    gaps = GapPolicy.FILL if plan.gaps is GapPolicy.ERROR else plan.gaps
    if plan.start_ms < end_ms:
        await read_history(source, symbol, replace(plan, end_ms=end_ms, gaps=gaps))


def warming(loaded: LoadedConfig, intervals: Sequence[str], access: DataAccess) -> tuple[CachedSource, list[Need]]:
    """Return the source to warm, and what the runs that *loaded* describes need of it in *intervals*.

    These are the frame of the config, or all it names where it chooses none, with the warm-up of its
    strategies where it names an entry.

    Raises:
        ConfigError: the exchange keeps no cache, or there is no frame.
        StrategyError: the entry does not load.
    """
    config = loaded.config
    if not config.cache:
        raise ConfigError(f"{loaded.origins['cache']}: cache: expected true, found false: there is nothing to warm")
    registry = Registry()
    strategies: tuple[StrategySpec, ...] = ()
    if config.entry is not None:
        module = load_strategies(config.entry, where=loaded.origins["entry"])
        registry = module.registry
        strategies = tuple(registry.strategies.values())
        if config.strategy:
            strategies = chosen_strategies(config.strategy, module, where=loaded.origins["strategy"])
        strategies = with_candles_of(strategies, sizings_of(loaded, registry, strategies))
    name, source, facts = source_of(loaded, registry, access)
    if not isinstance(source, CachedSource):
        raise ConfigError(
            f"exchange {name!r} is of kind {facts['kind']}, which is read as it is: expected one whose candles are"
            " fetched, such as --exchange binance"
        )
    # What decides here holds for the whole run.
    settings = settings_from({**settings_of_module(registry), **loaded.settings_given}, where="set_config")
    plans = [history_plan(frame, strategies, {"": settings}, settings.gaps) for frame in _frames(loaded, registry)]
    return source, [need for symbol in config.symbols for need in _needs(symbol, intervals, plans)]


def _frames(loaded: LoadedConfig, registry: Registry) -> list[Span]:
    if loaded.config.frame is not None:
        return [frame_span(loaded, registry)[1:]]
    named = [(frame.start_ms, frame.end_ms) for frame in loaded.config.frames.values()]
    named += [(frame.start_ms, frame.end_ms) for frame in registry.frames.values()]
    if not named:
        raise ConfigError("frame: expected a span of time, found none: give --from and --to, or --frame")
    return named


def _needs(symbol: str, intervals: Iterable[str], plans: Sequence[HistoryPlan]) -> Iterator[Need]:
    for interval in intervals:
        length_ms = interval_ms(interval)
        spans = [plan.span for plan in plans]
        for span in merged((start // length_ms * length_ms, -(-end // length_ms) * length_ms) for start, end in spans):
            inside = tuple(plan for plan in plans if span[0] <= plan.start_ms and plan.end_ms <= span[1])
            yield Need(symbol, interval, span, inside if interval == "1m" else ())


async def ready_for_workers(plan: RunPlan) -> RunPlan:
    """Return *plan* with its candles in the cache, where it has one, and with the problems of those that are not.

    Processes that fetched for themselves would each have a rate limit of their own.
    """
    if not isinstance(plan.source, CachedSource):
        return plan
    read = partial(_into_cache, plan.source, history_of(plan))
    try:
        problems = await problems_of_each(read, plan.symbols)
    finally:
        await plan.source.close()
    return replace(plan, problems=problems)


async def _into_cache(source: CachedSource, plan: HistoryPlan, symbol: str) -> None:
    await read_history(source, symbol, plan)
