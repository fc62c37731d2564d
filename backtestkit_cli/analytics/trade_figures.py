"""Per-trade statistics: what a list of closed trades amounts to, each trade counting the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS

TRADES_A_YEAR = 365
"""The annualised Sharpe ratio takes a trade for a day of a market that never closes: design, section 13."""

# Trades that differ by less than this share of the largest differ by rounding only.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Figures over the net result of each trade; None where a figure is undefined, never NaN or infinity.

    `_pct` are percent of the money put into a trade, `_quote` is quote money: `net = gross - slippage - fee`.

    Attributes:
        wins, losses: Trades above and below 0; a trade of exactly 0 is neither and ends both kinds of streak.
        win_rate_pct: wins / trades.
        total_pnl_pct: The sum, without compounding.
        std_dev_pct: Sample deviation (n-1), needs two trades; 0 when all are equal but for rounding.
        sharpe_ratio: Average / deviation, per trade. Source: Sharpe (1994), J. Portfolio Management 21(1).
        sharpe_annualized: sharpe_ratio · √365.
        certainty_ratio: Average win / |average loss|.
        profit_factor: Sum of wins / |sum of losses|.
        expectancy_pct: win rate · average win - loss rate · |average loss|.
        max_drawdown_pct: Largest fall of the summed curve from its peak, which starts at 0.
        avg_minutes: Average time from opening to closing.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    win_rate_pct: float | None = None
    avg_pnl_pct: float | None = None
    total_pnl_pct: float | None = None
    best_pnl_pct: float | None = None
    worst_pnl_pct: float | None = None
    avg_win_pct: float | None = None
    avg_loss_pct: float | None = None
    std_dev_pct: float | None = None
    sharpe_ratio: float | None = None
    sharpe_annualized: float | None = None
    certainty_ratio: float | None = None
    profit_factor: float | None = None
    expectancy_pct: float | None = None
    longest_win_streak: int = 0
    longest_loss_streak: int = 0
    max_drawdown_pct: float | None = None
    gross_quote: float | None = None
    slippage_quote: float | None = None
    fee_quote: float | None = None
    net_quote: float | None = None
    avg_minutes: float | None = None


def figures_of(trades: TradeColumns) -> TradeFigures:
    """Return the figures of *trades*; streaks and drawdown follow their closing times."""
    if not len(trades):
        return TradeFigures()
    held = (_sum((trades.closed_at_ms - trades.opened_at_ms).tolist()) or 0.0) / MINUTE_MS
    return replace(
        figures_of_pnl(trades.pnl_pct),
        gross_quote=_sum(trades.gross_quote.tolist()),
        slippage_quote=_sum(trades.slippage_quote.tolist()),
        fee_quote=_sum(trades.fee_quote.tolist()),
        net_quote=_sum(trades.net_quote.tolist()),
        avg_minutes=held / len(trades),
    )


def figures_of_pnl(pnl_pct: Sequence[float] | Floats) -> TradeFigures:
    """Return the figures of net results in percent, in the order of closing; money and time are unknown (None)."""
    column = np.asarray(pnl_pct, dtype=np.float64)
    values: list[float] = column.tolist()
    count = len(values)
    if count == 0:
        return TradeFigures()
    wins = [value for value in values if value > 0]
    losses = [value for value in values if value < 0]
    average = _ratio(_sum(values), count)
    avg_win, avg_loss = _ratio(_sum(wins), len(wins)), _ratio(_sum(losses), len(losses))
    deviation = _deviation(column)
    sharpe = _ratio(average, deviation)
    return TradeFigures(
        trades=count,
        wins=len(wins),
        losses=len(losses),
        win_rate_pct=100 * len(wins) / count,
        avg_pnl_pct=average,
        total_pnl_pct=_sum(values),
        best_pnl_pct=_finite(column.max()),
        worst_pnl_pct=_finite(column.min()),
        avg_win_pct=avg_win,
        avg_loss_pct=avg_loss,
        std_dev_pct=deviation,
        sharpe_ratio=sharpe,
        sharpe_annualized=None if sharpe is None else _finite(sharpe * math.sqrt(TRADES_A_YEAR)),
        certainty_ratio=_ratio(avg_win, None if avg_loss is None else -avg_loss),
        profit_factor=_ratio(_sum(wins), -(_sum(losses) or 0.0)),
        expectancy_pct=_expectancy(avg_win, avg_loss, len(wins) / count, len(losses) / count),
        longest_win_streak=_longest_run([value > 0 for value in values]),
        longest_loss_streak=_longest_run([value < 0 for value in values]),
        max_drawdown_pct=_max_drawdown(column),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sum(values: Sequence[float]) -> float | None:
    """Return the sum, rounded once: it does not depend on the order of *values*."""
    try:
        return _finite(math.fsum(values))
    except (OverflowError, ValueError):  # beyond the largest double, or both infinities
        return None


def _ratio(above: float | None, below: float | None) -> float | None:
    if above is None or not below:
        return None
    return _finite(above / below)


def _expectancy(avg_win: float | None, avg_loss: float | None, win_rate: float, loss_rate: float) -> float | None:
    if (avg_win is None and win_rate) or (avg_loss is None and loss_rate):
        return None
    return _finite(win_rate * (avg_win or 0.0) + loss_rate * (avg_loss or 0.0))


def _deviation(column: Floats) -> float | None:
    if len(column) < 2:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = _finite(column.std(ddof=1))
    if deviation is not None and deviation <= _ROUNDING * np.abs(column).max():
        return 0.0
    return deviation


def _longest_run(flags: Sequence[bool]) -> int:
    return max((len(list(run)) for flag, run in groupby(flags) if flag), default=0)


def _max_drawdown(column: Floats) -> float | None:
    with np.errstate(over="ignore", invalid="ignore"):
        curve = np.concatenate(([0.0], np.cumsum(column)))
        return _finite((np.maximum.accumulate(curve) - curve).max())
