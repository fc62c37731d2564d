"""The minutes that a run reads of one symbol: which they are, and how they are fetched."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.data.gaps import Prepared, prepare
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, floor_to, interval_ms
from backtestkit_cli.domain.settings import GapPolicy, Settings
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.plan import RunPlan, Unavailable

_WARM_UP_DAYS = 14
"""How much further back candles are looked for where minutes of the warm-up are missing."""


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """The minutes of a run: from `start_ms` on as warm-up, `[frame_start_ms, end_ms)` as frame; Unix ms."""

    start_ms: int
    frame_start_ms: int
    end_ms: int
    gaps: GapPolicy

    @property
    def span(self) -> Span:
        """Return warm-up and frame as one span."""
        return self.start_ms, self.end_ms


def history_plan(
    frame: Span, strategies: Iterable[StrategySpec], settings: Mapping[str, Settings], gaps: GapPolicy
) -> HistoryPlan:
    """Return what a run of *strategies* over *frame* reads; *settings* are not empty."""
    start_ms, end_ms = frame
    first_ms = start_ms - max(s.avg_price_candles for s in settings.values()) * MINUTE_MS
    for spec in strategies:
        for interval, count in spec.warm_up.items():
            length_ms = interval_ms(interval)
            first_ms = min(first_ms, floor_to(start_ms, length_ms) - count * length_ms)
    return HistoryPlan(first_ms, start_ms, end_ms, gaps)


def history_of(plan: RunPlan) -> HistoryPlan:
    """Return what the run *plan* reads of each symbol."""
    gaps = next(iter(plan.settings.values())).gaps  # a setting of the whole run
    return history_plan((plan.start_ms, plan.end_ms), plan.strategies, plan.settings, gaps)


async def read_history(source: CandleSource, symbol: str, plan: HistoryPlan) -> tuple[Span, Prepared]:
    """Return the minutes of *plan* as its gap policy wants them, and the span they stand for.

    Only a candle beyond a gap tells that minutes are missing, and not before listing or still to come: where
    the span begins or ends in one, up to a day more is fetched on that side. Under `skip` a warm-up counts
    candles, so that it begins earlier by as many as are missing.

    Raises:
        DataError: candles are missing or bad.
        VenueError: a venue refused, or was not reached.
    """
    candles = await _with_edges(source, symbol, plan)
    start_ms = plan.start_ms
    if plan.gaps is GapPolicy.SKIP:
        candles = await _lengthened(source, symbol, plan, candles)
        start_ms = _warm_from_ms(candles, plan)
    return (start_ms, plan.end_ms), prepare(candles, start_ms, plan.end_ms, plan.gaps, symbol)


async def _with_edges(source: CandleSource, symbol: str, plan: HistoryPlan) -> Candles:
    candles = await source.fetch(symbol, "1m", *plan.span)
    if len(candles) == 0:
        return candles
    parts = [candles]
    if int(candles.timestamp[0]) > plan.start_ms:
        parts.insert(0, await _if_there(source, symbol, plan.start_ms - DAY_MS, plan.start_ms))
    if int(candles.timestamp[-1]) + MINUTE_MS < plan.end_ms:
        parts.append(await _if_there(source, symbol, plan.end_ms, plan.end_ms + DAY_MS))
    return Candles.joined(parts)


async def _lengthened(source: CandleSource, symbol: str, plan: HistoryPlan, candles: Candles) -> Candles:
    """Return *candles* with as many days before them as it takes until the warm-up has a candle for each minute."""
    wanted = (plan.frame_start_ms - plan.start_ms) // MINUTE_MS
    for _ in range(_WARM_UP_DAYS):
        if not len(candles) or np.searchsorted(candles.timestamp, plan.frame_start_ms) >= wanted:
            break
        first_ms = int(candles.timestamp[0])
        earlier = await _if_there(source, symbol, first_ms - DAY_MS, first_ms)
        if not len(earlier):
            break
        candles = Candles.joined([earlier, candles])
    return candles


async def _if_there(source: CandleSource, symbol: str, start_ms: int, end_ms: int) -> Candles:
    try:
        return await source.fetch(symbol, "1m", max(start_ms, 0), end_ms)
    except (DataError, VenueError):  # what lies beyond the span decides nothing but what a gap is
        return Candles.empty()


def _warm_from_ms(candles: Candles, plan: HistoryPlan) -> int:
    wanted = (plan.frame_start_ms - plan.start_ms) // MINUTE_MS
    before_frame = int(np.searchsorted(candles.timestamp, plan.frame_start_ms))
    if not 0 < wanted <= before_frame:
        return plan.start_ms
    return min(plan.start_ms, int(candles.timestamp[before_frame - wanted]))


async def problems_of_each(load: Callable[[str], Awaitable[object]], symbols: Iterable[str]) -> dict[str, Unavailable]:
    """Await *load* of all *symbols* side by side; return why some could not be had.

    Raises:
        Exception: *load* failed in a way that is no property of the symbol.
    """
    ordered = sorted(symbols)
    results = await asyncio.gather(*(load(symbol) for symbol in ordered), return_exceptions=True)
    problems: dict[str, Unavailable] = {}
    for symbol, result in zip(ordered, results, strict=True):
        if isinstance(result, DataError | VenueError):
            problems[symbol] = result
        elif isinstance(result, BaseException):
            raise result
    return problems
