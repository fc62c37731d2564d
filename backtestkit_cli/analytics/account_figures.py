"""Figures of a whole account, from its equity at the end of each day; days without trades count like the others.

Several symbols and strategies share one account: its curve is the sum of theirs (`DailyCurve.pooled`), and the
figures are those of that one curve. Nothing is averaged over symbols, so that what one loses while another wins
makes neither a drawdown nor a volatile day.

What the sample must have, or a figure is None:

* The ratios and the volatility need two days, and every day a return: none is defined after the account has
  fallen to 0 or below. The ratios also need a deviation that is more than rounding.
* What is stretched to a year (`cagr_pct`, `calmar`, `expected_yearly_quote`) needs a frame of 14 days: the power
  of 365 / days makes a growth rate out of the luck of a day or two. The annualised ratios grow with a square root
  only and say how the days scattered; they are given from two days on.
* A compound growth rate needs an equity above 0 at the end.
* A curve with a number that is not finite has no figures at all.
"""

from dataclasses import dataclass

import numpy as np

from backtestkit_cli.analytics.arithmetic import ROUNDING, average, deviation, finite, ratio
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.drawdowns import drawdown_series, drawdowns
from backtestkit_cli.analytics.years import annualized, compounded_yearly_pct, yearly
from backtestkit_cli.domain.candle import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFigures:
    """Figures of one account; `r` are its daily returns, `_pct` are percent, `_quote` is quote money.

    None where a figure is undefined or the sample does not support it, never NaN or infinity.

    Attributes:
        days: Marks of the curve; a part of a day at either edge of the frame counts as one.
        return_pct: Equity at the end / balance - 1.
        net_quote: Equity at the end - balance.
        cagr_pct: Compound annual growth, (end / balance)^(365 days / frame) - 1: the expected yearly return.
        expected_yearly_quote: net_quote · 365 days / frame, without compounding.
        sharpe_daily_annualized: mean(r) / deviation(r) · √365, sample deviation (n-1), no riskless rate.
            Source: Sharpe (1994), J. Portfolio Management 21(1).
        sortino_annualized: mean(r) / √mean(min(r, 0)²) · √365: downside deviation over all days, target 0.
            Source: Sortino and Price (1994), J. of Investing 3(3).
        volatility_annual_pct: deviation(r) · √365; 0 when all days are equal.
        max_drawdown_pct, max_drawdown_quote: Deepest fall below the highest equity so far, the balance included, each
            by its own measure: they may be two different falls. Judged at the marks, so a fall and a recovery
            within a day are not seen.
        max_drawdown_days: Longest time from a peak until it was reached again, or to the end.
        calmar: cagr_pct / max_drawdown_pct. Source: Young (1991), Futures 20.
        recovery_factor: net_quote / max_drawdown_quote.
        best_day_pct, worst_day_pct: The largest and the smallest of r.
        winning_days_pct: Days that ended with more than they began with, of all days.
    """

    days: int = 0
    return_pct: float | None = None
    net_quote: float | None = None
    cagr_pct: float | None = None
    expected_yearly_quote: float | None = None
    sharpe_daily_annualized: float | None = None
    sortino_annualized: float | None = None
    volatility_annual_pct: float | None = None
    max_drawdown_pct: float | None = None
    max_drawdown_quote: float | None = None
    max_drawdown_days: float | None = None
    calmar: float | None = None
    recovery_factor: float | None = None
    best_day_pct: float | None = None
    worst_day_pct: float | None = None
    winning_days_pct: float | None = None


def account_figures(curve: DailyCurve) -> AccountFigures:
    """Return the figures of *curve*."""
    values, days = curve.values, curve.days
    if not days or not np.isfinite(values).all():
        return AccountFigures(days=days)
    begin, end = values[0].item(), values[-1].item()
    growth = ratio(end, begin) if begin > 0 else None
    net, cagr = finite(end - begin), compounded_yearly_pct(growth, curve.span_ms)
    returns, series = curve.returns(), drawdown_series(curve)
    deepest_pct, deepest_quote = finite(series.fall_pct.max()), finite(series.fall_quote.max())
    best, worst = _extremes_pct(returns)
    return AccountFigures(
        days=days,
        return_pct=None if growth is None else finite((growth - 1) * 100),
        net_quote=net,
        cagr_pct=cagr,
        expected_yearly_quote=yearly(net, curve.span_ms),
        sharpe_daily_annualized=_sharpe(returns),
        sortino_annualized=_sortino(returns),
        volatility_annual_pct=_volatility_pct(returns),
        max_drawdown_pct=deepest_pct,
        max_drawdown_quote=deepest_quote,
        max_drawdown_days=max((one.days for one in drawdowns(curve)), default=0.0),
        calmar=ratio(cagr, deepest_pct),
        recovery_factor=ratio(net, deepest_quote),
        best_day_pct=best,
        worst_day_pct=worst,
        winning_days_pct=100 * int(np.count_nonzero(values[1:] > values[:-1])) / days,
    )


def _sharpe(returns: Floats) -> float | None:
    return annualized(ratio(average(returns), deviation(returns, scale=1.0)))


def _sortino(returns: Floats) -> float | None:
    if len(returns) < 2 or np.isnan(returns).any():
        return None
    with np.errstate(over="ignore"):
        downside = finite(np.sqrt(np.mean(np.square(np.minimum(returns, 0.0)))))
    if downside is None or downside <= ROUNDING:
        return None
    return annualized(ratio(average(returns), downside))


def _volatility_pct(returns: Floats) -> float | None:
    spread = annualized(deviation(returns, scale=1.0))
    return None if spread is None else finite(spread * 100)


def _extremes_pct(returns: Floats) -> tuple[float | None, float | None]:
    """Return the best and the worst of the days that have a return."""
    known = returns[~np.isnan(returns)]
    if not len(known):
        return None, None
    return finite(known.max().item() * 100), finite(known.min().item() * 100)
