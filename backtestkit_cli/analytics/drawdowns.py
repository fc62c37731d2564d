"""Falls of an equity curve from the highest equity so far, as series and as rows."""

from typing import NamedTuple

import numpy as np

from backtestkit_cli.analytics.arithmetic import ROUNDING, finite
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.trade_columns import Times
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS


class DrawdownSeries(NamedTuple):
    """How far the equity stood below its peak at the start and at each mark; 0 at a peak, NaN where undefined.

    `fall_quote` = peak - equity, `fall_pct` = 100 · (1 - equity / peak), undefined for a peak of 0 or below.
    What only rounding can explain is no fall.
    """

    times_ms: Times
    fall_pct: Floats
    fall_quote: Floats


class Drawdown(NamedTuple):
    """One time under water: from the last mark at the peak over the lowest one to the first that is no lower.

    `recovered_ms` is None when the curve ends below the peak; `days` then counts to its end. Falls are positive.
    """

    began_ms: int
    trough_ms: int
    recovered_ms: int | None
    depth_pct: float | None
    depth_quote: float | None
    days: float


def drawdown_series(curve: DailyCurve) -> DrawdownSeries:
    """Return the falls at the start of *curve* and at each of its marks; those between the marks it does not know."""
    values = curve.values
    peak = np.maximum.accumulate(values)
    with np.errstate(all="ignore"):
        fall = peak - values
        fall[fall <= ROUNDING * np.abs(peak)] = 0.0
        share = np.where(peak > 0, np.where(fall > 0, 1 - values / peak, 0.0) * 100, np.nan)
    for column in (fall, share):
        column[~np.isfinite(column)] = np.nan
    return DrawdownSeries(curve.moments_ms, share, fall)


def drawdowns(curve: DailyCurve) -> list[Drawdown]:
    """Return every time *curve* was under water, oldest first."""
    values, series = curve.values, drawdown_series(curve)
    is_under = np.concatenate(([False], ~(series.fall_quote <= 0), [False]))  # a fall beyond all doubles is one too
    edges = np.flatnonzero(is_under[1:] != is_under[:-1]).reshape(-1, 2)
    return [_drawdown(series, values, first, end) for first, end in edges.tolist()]


def worst_drawdowns(curve: DailyCurve, count: int) -> list[Drawdown]:
    """Return the *count* deepest by percent, deepest first; of equal ones the older first, undefined ones last."""

    def depth(one: Drawdown) -> float:
        return -1.0 if one.depth_pct is None else one.depth_pct

    return sorted(drawdowns(curve), key=depth, reverse=True)[:count]


def _drawdown(series: DrawdownSeries, values: Floats, first: int, end: int) -> Drawdown:
    """Return the drawdown of rows `[first, end)`, all under water."""
    times = series.times_ms
    bottom = first + int(values[first:end].argmin())
    is_over = end < len(times)
    began, last = int(times[first - 1]), int(times[end if is_over else -1])
    return Drawdown(
        began_ms=began,
        trough_ms=int(times[bottom]),
        recovered_ms=last if is_over else None,
        depth_pct=finite(series.fall_pct[bottom]),
        depth_quote=finite(series.fall_quote[bottom]),
        days=(last - began) / DAY_MS,
    )
