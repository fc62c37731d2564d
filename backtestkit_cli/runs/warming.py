"""Fetching ahead of a run: what it will read, and what became of each symbol."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from backtestkit_cli.api.registry import Registry, StrategySpec
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.data.cache.source import CachedSource, Warmed
from backtestkit_cli.data.gaps import prepare
from backtestkit_cli.domain.interval import DAY_MS, interval_ms
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.spans import Span, merged
from backtestkit_cli.errors import ConfigError, DataError, VenueError
from backtestkit_cli.runs.assembly import chosen_strategies, frame_span, source_of
from backtestkit_cli.runs.markets import history, history_start_ms, if_there, problems_of_each
from backtestkit_cli.runs.plan import RunPlan, Unavailable
from backtestkit_cli.runs.sources import DataAccess
from backtestkit_cli.runs.strategy_file import load_strategies


@dataclass(frozen=True, slots=True)
class Need:
    """Candles to have: those of one series that open in `span` (half-open, Unix ms)."""

    symbol: str
    interval: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unwarmed:
    """A need that could not be met, and what was fetched all the same."""

    need: Need
    problem: Unavailable
    warmed: Warmed | None = None


async def warm(
    source: CachedSource, needs: Sequence[Need], gaps: GapPolicy = GapPolicy.FILL
) -> list[Warmed | Unwarmed]:
    """Fetch what the cache lacks of all *needs* side by side, and say of each what that came to.

    Minutes whose span begins or ends in a gap are looked at further, as a run does, which would not run before
    the first candle. A symbol that cannot be had does not keep the others from being fetched.
    """
    try:
        return await asyncio.gather(*(_warm_one(source, need, gaps) for need in needs))
    finally:
        await source.close()


async def _warm_one(source: CachedSource, need: Need, gaps: GapPolicy) -> Warmed | Unwarmed:
    start_ms, end_ms = need.span
    try:
        warmed = await source.warm(need.symbol, need.interval, start_ms, end_ms)
    except (DataError, VenueError) as problem:
        return Unwarmed(need, problem)
    if need.interval == "1m" and warmed.missing and gaps is GapPolicy.SKIP:
        await if_there(source, need.symbol, start_ms - DAY_MS, start_ms)  # a warm-up counts candles, not minutes
    end_ms = min([warmed.span[1], *(start for start, _ in warmed.unsettled)])
    if need.interval == "1m" and any(start_ms in gap or end_ms in gap for gap in warmed.gaps):
        try:
            candles = await history(source, need.symbol, start_ms, end_ms)
            prepare(candles, start_ms, end_ms, GapPolicy.FILL, need.symbol)
        except (DataError, VenueError) as problem:
            return Unwarmed(need, problem, warmed)
    return warmed


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
    name, source, facts = source_of(loaded, registry, access)
    if not isinstance(source, CachedSource):
        raise ConfigError(
            f"exchange {name!r} is of kind {facts['kind']}, which is read as it is: expected one whose candles are"
            " fetched, such as --exchange binance"
        )
    settings = {spec.name: config.settings for spec in strategies} or {"": config.settings}
    spans = [(history_start_ms(start, strategies, settings), end) for start, end in _frames(loaded, registry)]
    return source, [need for symbol in config.symbols for need in _needs(symbol, intervals, spans)]


def _frames(loaded: LoadedConfig, registry: Registry) -> list[Span]:
    if loaded.config.frame is not None:
        return [frame_span(loaded, registry)[1:]]
    named = [(frame.start_ms, frame.end_ms) for frame in loaded.config.frames.values()]
    named += [(frame.start_ms, frame.end_ms) for frame in registry.frames.values()]
    if not named:
        raise ConfigError("frame: expected a span of time, found none: give --from and --to, or --frame")
    return named


def _needs(symbol: str, intervals: Iterable[str], spans: Iterable[Span]) -> Iterator[Need]:
    for interval in intervals:
        length_ms = interval_ms(interval)
        whole = merged((start // length_ms * length_ms, -(-end // length_ms) * length_ms) for start, end in spans)
        yield from (Need(symbol, interval, span) for span in whole)


async def ready_for_workers(plan: RunPlan) -> RunPlan:
    """Return *plan* with its candles in the cache, where it has one, and with the problems of those that are not.

    Processes that fetched for themselves would each have a rate limit of their own.
    """
    if not isinstance(plan.source, CachedSource):
        return plan
    start_ms = history_start_ms(plan.start_ms, plan.strategies, plan.settings)
    load = partial(_into_cache, plan.source, (start_ms, plan.end_ms))
    try:
        problems = await problems_of_each(load, plan.symbols)
    finally:
        await plan.source.close()
    return replace(plan, problems=problems)


async def _into_cache(source: CachedSource, span: Span, symbol: str) -> None:
    await history(source, symbol, *span)
