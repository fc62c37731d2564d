"""What differs between the accounts of two runs over the same days; intervals come from the days drawn again."""

import math
from typing import Final

import numpy as np

from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.comparison import Delta, Samples, deltas, with_intervals
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.resampling import FEWEST_DAYS, RESAMPLES, Resampling, sample_deviation
from backtestkit_cli.analytics.years import DAYS_A_YEAR
from backtestkit_cli.domain.candle import Floats

ACCOUNT_FIGURES: Final = (
    "return_pct",
    "sharpe_daily_annualized",
    "sortino_annualized",
    "max_drawdown_pct",
    "calmar",
)
"""The figures that are compared, named as in `AccountFigures`."""

OTHER_DAYS: Final = "the accounts are of different days"

_A_YEAR = math.sqrt(DAYS_A_YEAR)


def compare_accounts(a: DailyCurve, b: DailyCurve, *, seed: int, samples: int = RESAMPLES) -> tuple[Delta, ...]:
    """Return `ACCOUNT_FIGURES` of both, their differences, and the intervals of what does not depend on the order.

    The days are drawn in blocks, those of both accounts together.
    """
    values = [{name: getattr(figures, name) for name in ACCOUNT_FIGURES} for figures in map(account_figures, (a, b))]
    why = _no_intervals(a, b)
    found = deltas(values[0], values[1], why)
    if why:
        return found
    drawn = Resampling.of(a.days, seed, samples)
    return with_intervals(found, drawn, _sampled(a.returns(), drawn), _sampled(b.returns(), drawn))


def _no_intervals(a: DailyCurve, b: DailyCurve) -> str:
    if not np.array_equal(a.times_ms, b.times_ms):
        return OTHER_DAYS
    return f"{a.days} days are too few, {FEWEST_DAYS} are needed" if a.days < FEWEST_DAYS else ""


def _sampled(returns: Floats, drawn: Resampling) -> Samples:
    """Return the figures in each sample of days with these *returns*; NaN where one is undefined."""
    days = len(returns)
    with np.errstate(all="ignore"):
        from_mean = returns - returns.mean()
        columns = (np.log1p(returns), returns, from_mean, from_mean**2, np.minimum(returns, 0.0) ** 2)
        growth, total, off, squares, falls = drawn.sums(np.stack(columns, axis=1)).T
        average = total / days
        deviation = sample_deviation(days, off, squares)
        downside = np.sqrt(np.where(falls > 0, falls / days, np.nan))
        return {
            "return_pct": 100 * np.expm1(growth),
            "sharpe_daily_annualized": average / deviation * _A_YEAR,
            "sortino_annualized": average / downside * _A_YEAR,
        }
