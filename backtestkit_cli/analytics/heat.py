"""What each symbol of a run came to beside the others: all figures, the months, and how strongly to colour them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from backtestkit_cli.analytics.activity import exposure_pct
from backtestkit_cli.analytics.arithmetic import total
from backtestkit_cli.analytics.grouping import split_by_month, split_by_symbol
from backtestkit_cli.analytics.monthly import months_of
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.analytics.trade_figures import TradeFigures, figures_of

Figure: TypeAlias = float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """One symbol, or all trades pooled, where `symbol` is None.

    `exposure_pct` is the time with an open position in percent of the frame; of several sessions it is their mean.
    `month_pnl_pct` is the sum of the trades that closed in each month of `Heat.months`, None where none did.
    """

    symbol: str | None
    figures: TradeFigures
    exposure_pct: Figure
    month_pnl_pct: tuple[Figure, ...]

    def metric(self, name: str) -> Figure:
        """Return the figure *name* of this row or of its `TradeFigures`."""
        found: Figure = self.exposure_pct if name == "exposure_pct" else getattr(self.figures, name)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """All symbols by name, and all their trades `pooled`; `months` are those of the frame, `2025-05`, without holes.

    The figures of `pooled` are those of all trades together: its Sharpe ratio is no mean of the ratios of the symbols.
    """

    months: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    pooled: HeatRow


def heat_of(trades: TradeColumns, *, sessions: Mapping[str, int], start_ms: int, end_ms: int) -> Heat:
    """Return the heat of *trades* in the frame `[start_ms, end_ms)`.

    Args:
        trades: Those of all symbols.
        sessions: Every symbol, without trades too, and how many sessions it had.
        start_ms: Where the frame starts.
        end_ms: Where it ends; what closes at a midnight belongs to the month that it ends.
    """
    months = _months(trades, start_ms, end_ms)
    by_symbol = split_by_symbol(trades)
    nothing = trades.where(slice(0))

    def row(symbol: str | None, part: TradeColumns, count: int) -> HeatRow:
        by_month = split_by_month(part)
        return HeatRow(
            symbol=symbol,
            figures=figures_of(part),
            exposure_pct=exposure_pct(part, start_ms=start_ms, end_ms=end_ms, sessions=count),
            month_pnl_pct=tuple(total(by_month[month].pnl_pct) if month in by_month else None for month in months),
        )

    return Heat(
        months=months,
        rows=tuple(row(symbol, by_symbol.get(symbol, nothing), sessions[symbol]) for symbol in sorted(sessions)),
        pooled=row(None, trades, sum(sessions.values())),
    )


def ranked(rows: Iterable[HeatRow], metric: str, *, is_less_better: bool = False) -> tuple[HeatRow, ...]:
    """Return *rows* from the best *metric* to the worst; those without it last, equal ones by symbol."""

    def place(row: HeatRow) -> tuple[bool, float, str]:
        value = row.metric(metric)
        known = 0.0 if value is None else value
        return value is None, known if is_less_better else -known, row.symbol or ""

    return tuple(sorted(rows, key=place))


def shades(
    values: Sequence[Figure],
    *,
    neutral: float = 0.0,
    is_factor: bool = False,
    is_less_better: bool = False,
    compared: int | None = None,
) -> list[Figure]:
    """Return how strongly each of *values* is to be coloured: 1 for the best, -1 for the worst, 0 for *neutral*.

    The largest distance from *neutral* has the strongest colour, on either side alike; with *compared* that of the
    first so many, and what lies beyond has no stronger one. A factor is compared by its logarithm, so that 0.5 is
    as far from 1 as 2 is. What is None has no colour.
    """
    distances = [None if value is None else _distance(value, neutral, is_factor=is_factor) for value in values]
    known = [abs(one) for one in distances[:compared] if one is not None and math.isfinite(one)]
    strongest = max(known, default=0.0)
    sign = -1.0 if is_less_better else 1.0
    return [None if one is None else sign * _share(one, strongest) for one in distances]


def _distance(value: float, neutral: float, *, is_factor: bool) -> float:
    if not is_factor:
        return value - neutral
    return math.log(value / neutral) if value > 0 else -math.inf


def _share(distance: float, strongest: float) -> float:
    if abs(distance) >= strongest:
        return math.copysign(1.0, distance) if distance else 0.0
    return distance / strongest


def _months(trades: TradeColumns, start_ms: int, end_ms: int) -> tuple[str, ...]:
    closed_ms = trades.closed_at_ms
    first, last = months_of(np.array([closed_ms.min(initial=start_ms + 1), closed_ms.max(initial=end_ms)]))
    return tuple(np.datetime_as_string(np.arange(first, last + 1)).tolist())
