"""Per-trade statistics: what a list of closed trades amounts to, each trade counting the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backtestkit_cli.analytics.arithmetic import added, average, deviation, finite, percent, ratio, total
from backtestkit_cli.analytics.trade_columns import Flags, Times, TradeColumns
from backtestkit_cli.analytics.years import YEAR_MS
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS

TRADES_A_YEAR = 365
"""The annualised Sharpe ratio takes a trade for a day of a market that never closes: design, section 13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """Figures over the net result of each trade; None where a figure is undefined, never NaN or infinity.

    `_pct` are percent of the money put into a trade, `_quote` is quote money: `net = gross - slippage - fee`.
    Over the trades of several symbols they are the pooled figures: each trade counts the same, whatever its
    symbol, so that the pooled Sharpe ratio is that of all results and no mean of the ratios of the symbols.

    Attributes:
        wins, losses, breakevens: Trades above, below and at 0; one at 0 ends both kinds of streak.
        win_rate_pct: wins / trades.
        total_pnl_pct: The sum, without compounding; `sum_wins_` and `sum_losses_` are its parts.
        std_dev_pct: Sample deviation (n-1), needs two trades; 0 when all are equal but for rounding.
        sharpe_ratio: Average / deviation, per trade. Source: Sharpe (1994), J. Portfolio Management 21(1).
        sharpe_annualized: sharpe_ratio · √365.
        certainty_ratio: Average win / |average loss|.
        profit_factor: Sum of wins / |sum of losses|.
        expectancy_pct: win rate · average win - loss rate · |average loss|.
        max_drawdown_pct: Largest fall of the summed curve from its peak, which starts at 0.
        avg_minutes: Average time from opening to closing, of all trades, of those won and of those lost.
        avg_mae_pct, avg_mfe_pct, worst_mae_pct: Over the worst (MAE) and the best (MFE) result that each trade
            stood at, as `excursions` finds them. Source: Sweeney (1997), Maximum Adverse Excursion.
        ambiguous_exits: Trades whose exit candle reached both stop and target; `ambiguous_pnl_pct` is what they sum
            up to, and `ambiguous_share_pct` = 100 · Σ|PNL of these| / Σ|PNL of all|. These and the excursions
            are None unless the path of every trade is known.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    breakevens: int = 0
    win_rate_pct: float | None = None
    avg_pnl_pct: float | None = None
    median_pnl_pct: float | None = None
    total_pnl_pct: float | None = None
    best_pnl_pct: float | None = None
    worst_pnl_pct: float | None = None
    avg_win_pct: float | None = None
    avg_loss_pct: float | None = None
    sum_wins_pct: float | None = None
    sum_losses_pct: float | None = None
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
    sum_wins_quote: float | None = None
    sum_losses_quote: float | None = None
    avg_minutes: float | None = None
    avg_win_minutes: float | None = None
    avg_loss_minutes: float | None = None
    avg_mae_pct: float | None = None
    avg_mfe_pct: float | None = None
    worst_mae_pct: float | None = None
    ambiguous_exits: int | None = None
    ambiguous_pnl_pct: float | None = None
    ambiguous_share_pct: float | None = None

    @property
    def costs_quote(self) -> float | None:
        """Return what the trading cost: slippage and fees."""
        return added(self.slippage_quote, self.fee_quote)


def figures_of(trades: TradeColumns) -> TradeFigures:
    """Return the figures of *trades*; streaks and drawdown follow their closing times."""
    if not len(trades):
        return TradeFigures()
    won, lost = trades.pnl_pct > 0, trades.pnl_pct < 0
    held_ms = trades.closed_at_ms - trades.opened_at_ms
    figures = replace(
        figures_of_pnl(trades.pnl_pct),
        gross_quote=total(trades.gross_quote),
        slippage_quote=total(trades.slippage_quote),
        fee_quote=total(trades.fee_quote),
        net_quote=total(trades.net_quote),
        sum_wins_quote=total(trades.net_quote[won]),
        sum_losses_quote=total(trades.net_quote[lost]),
        avg_minutes=_average_minutes(held_ms),
        avg_win_minutes=_average_minutes(held_ms[won]),
        avg_loss_minutes=_average_minutes(held_ms[lost]),
    )
    return _with_paths(figures, trades)


def figures_of_pnl(pnl_pct: Sequence[float] | Floats) -> TradeFigures:
    """Return the figures of net results in percent, in the order of closing; money, time and paths are unknown."""
    column = np.asarray(pnl_pct, dtype=np.float64)
    count = len(column)
    if count == 0:
        return TradeFigures()
    won, lost = column > 0, column < 0
    wins, losses = int(won.sum()), int(lost.sum())
    all_pnl, all_won, all_lost = total(column), total(column[won]), total(column[lost])
    avg_win, avg_loss = ratio(all_won, wins), ratio(all_lost, losses)
    mean, spread = ratio(all_pnl, count), deviation(column)
    sharpe = ratio(mean, spread)
    return TradeFigures(
        trades=count,
        wins=wins,
        losses=losses,
        breakevens=int(np.count_nonzero(column == 0)),
        win_rate_pct=100 * wins / count,
        avg_pnl_pct=mean,
        median_pnl_pct=_median(column),
        total_pnl_pct=all_pnl,
        best_pnl_pct=finite(column.max()),
        worst_pnl_pct=finite(column.min()),
        avg_win_pct=avg_win,
        avg_loss_pct=avg_loss,
        sum_wins_pct=all_won,
        sum_losses_pct=all_lost,
        std_dev_pct=spread,
        sharpe_ratio=sharpe,
        sharpe_annualized=None if sharpe is None else finite(sharpe * math.sqrt(TRADES_A_YEAR)),
        certainty_ratio=ratio(avg_win, None if avg_loss is None else -avg_loss),
        profit_factor=ratio(all_won, -(all_lost or 0.0)),
        expectancy_pct=_expectancy(avg_win, avg_loss, wins / count, losses / count),
        longest_win_streak=_longest_run(won),
        longest_loss_streak=_longest_run(lost),
        max_drawdown_pct=_max_drawdown(column),
    )


def expected_yearly_trades(trades: int, span_ms: int) -> float | None:
    """Return how many trades a year of 365 days has at the pace of *trades* in *span_ms*; None for an empty span."""
    return finite(trades * YEAR_MS / span_ms) if span_ms > 0 else None


def _with_paths(figures: TradeFigures, trades: TradeColumns) -> TradeFigures:
    if np.isnan(trades.mae_pct).any() or np.isnan(trades.mfe_pct).any():
        return figures
    doubtful = trades.pnl_pct[trades.is_ambiguous]
    return replace(
        figures,
        avg_mae_pct=average(trades.mae_pct),
        avg_mfe_pct=average(trades.mfe_pct),
        worst_mae_pct=finite(trades.mae_pct.min()),
        ambiguous_exits=len(doubtful),
        ambiguous_pnl_pct=total(doubtful),
        ambiguous_share_pct=percent(total(np.abs(doubtful)), total(np.abs(trades.pnl_pct))),
    )


def _average_minutes(held_ms: Times) -> float | None:
    return ratio(held_ms.sum() / MINUTE_MS, len(held_ms))


def _median(column: Floats) -> float | None:
    if np.isnan(column).any():
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return finite(np.median(column))


def _expectancy(avg_win: float | None, avg_loss: float | None, win_rate: float, loss_rate: float) -> float | None:
    if (avg_win is None and win_rate) or (avg_loss is None and loss_rate):
        return None
    return finite(win_rate * (avg_win or 0.0) + loss_rate * (avg_loss or 0.0))


def _longest_run(flags: Flags) -> int:
    """Return how many flags in a row are set at most."""
    breaks = np.flatnonzero(~np.concatenate(([False], flags, [False])))
    return int(np.diff(breaks).max()) - 1


def _max_drawdown(column: Floats) -> float | None:
    with np.errstate(over="ignore", invalid="ignore"):
        curve = np.concatenate(([0.0], np.cumsum(column)))
        return finite((np.maximum.accumulate(curve) - curve).max())
