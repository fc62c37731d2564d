"""Account figures beside those of an independent library, empyrical-reloaded, on the same daily returns.

It agrees, with an annualisation of 365, on:

* Sharpe ratio: sample deviation (n-1), no riskless rate, times √365.
* Sortino ratio: target 0, deviation of the losses over all days, times √365.
* volatility, largest drawdown (a negative share there, the start included) and daily returns.
* growth and Calmar ratio, where every day is a whole one.

It differs, and the tests below say so:

* It counts days, we measure time: with a part of a day at an edge its year is too long.
* It stretches any sample to a year, we want two weeks.
* It goes on after an account is gone, with days that have no return.
* It answers NaN or infinity where a figure is undefined, we answer None.
"""

import math
from collections.abc import Sequence

import empyrical
import empyrical.stats
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.account_figures import AccountFigures, account_figures
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.drawdowns import drawdown_series
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from tests.analytics.curves import a_curve, curve_of_returns
from tests.builders import START_MS

# Whole hundredths of a percent: the library is given the returns, we find them in the equity, which has 16 digits.
daily = st.just(0.0) | st.integers(-2000, 2000).map(lambda hundredths: hundredths / 10_000)


def seeded(seed: int, days: int, *, quiet: float) -> list[float]:
    """Return *days* random returns, a share *quiet* of them 0."""
    rng = np.random.default_rng(seed)
    drawn: list[float] = (rng.normal(0.001, 0.02, days) * (rng.random(days) >= quiet)).tolist()
    return drawn


def agree(returns: Sequence[float]) -> None:
    """Assert that each figure of *returns* is that of the library, or undefined where the library has no number."""
    curve = curve_of_returns(returns)
    ours, theirs = account_figures(curve), np.array(returns)
    same(ours.max_drawdown_pct, -100 * empyrical.max_drawdown(theirs))
    same(ours.volatility_annual_pct, 100 * empyrical.annual_volatility(theirs, annualization=365))
    if ours.sharpe_daily_annualized is not None:
        same(ours.sharpe_daily_annualized, empyrical.sharpe_ratio(theirs, annualization=365))
    if ours.sortino_annualized is not None:
        same(ours.sortino_annualized, empyrical.sortino_ratio(theirs, annualization=365))
    if len(returns) >= 14:
        same(ours.cagr_pct, 100 * empyrical.cagr(theirs, annualization=365))
        if ours.calmar is not None:
            same(ours.calmar, empyrical.calmar_ratio(theirs, annualization=365))


def same(ours: float | None, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("seed", "days", "quiet"), [(1, 27, 0.0), (2, 27, 0.5), (3, 365, 0.2), (4, 2000, 0.9)])
def test_random_years_with_and_without_quiet_days_have_the_figures_of_the_library(
    seed: int, days: int, quiet: float
) -> None:
    returns = seeded(seed, days, quiet=quiet)
    agree(returns)
    figures = account_figures(curve_of_returns(returns))
    assert None not in (figures.sharpe_daily_annualized, figures.sortino_annualized, figures.calmar)


@given(st.lists(daily, min_size=2, max_size=60))
def test_any_days_have_the_figures_of_the_library(returns: list[float]) -> None:
    agree(returns)


@settings(max_examples=50)
@given(st.lists(daily, min_size=1, max_size=60))
def test_the_drawdown_of_each_day_is_that_of_the_library(returns: list[float]) -> None:
    falls = drawdown_series(curve_of_returns(returns)).fall_pct[1:]
    assert falls == pytest.approx(-100 * empyrical.stats.drawdown_series(np.array(returns)), abs=1e-9)


def test_the_library_takes_a_part_of_a_day_for_a_whole_one_where_we_measure_time() -> None:
    times = START_MS + 12 * HOUR_MS + np.arange(20) * DAY_MS
    equity = np.array([1000 * 1.01**day for day in range(1, 21)])
    curve = DailyCurve(start_ms=START_MS, balance_quote=1000.0, times_ms=times, equity_quote=equity)
    cagr_pct = account_figures(curve).cagr_pct
    assert cagr_pct == pytest.approx(100 * (1.01 ** (20 * 365 / 19.5) - 1))
    assert cagr_pct > 100 * empyrical.cagr(np.full(20, 0.01), annualization=365)


def test_the_library_stretches_a_single_day_to_a_year_where_we_do_not() -> None:
    assert empyrical.cagr(np.array([0.01]), annualization=365) == pytest.approx(1.01**365 - 1)
    assert account_figures(curve_of_returns([0.01])).cagr_pct is None


def test_where_the_library_has_nan_or_infinity_we_have_nothing() -> None:
    flat, winning = np.zeros(20), np.array([0.01, 0.02] * 10)
    with np.errstate(all="ignore"):
        undefined = [
            empyrical.sharpe_ratio(flat, annualization=365),
            empyrical.sortino_ratio(winning, annualization=365),
            empyrical.calmar_ratio(winning, annualization=365),
        ]
    assert not any(math.isfinite(value) for value in undefined)
    assert account_figures(curve_of_returns(flat.tolist())).sharpe_daily_annualized is None
    of_wins = account_figures(curve_of_returns(winning.tolist()))
    assert (of_wins.sortino_annualized, of_wins.calmar) == (None, None)


def test_the_library_has_ratios_of_an_account_that_is_gone_where_we_have_none() -> None:
    figures: AccountFigures = account_figures(a_curve(1100.0, *[0.0] * 20))
    returns = np.array([0.1, -1.0, *[0.0] * 19])
    assert math.isfinite(empyrical.sharpe_ratio(returns, annualization=365))
    assert (figures.sharpe_daily_annualized, figures.sortino_annualized, figures.cagr_pct) == (None, None, None)
    assert figures.max_drawdown_pct == pytest.approx(-100 * empyrical.max_drawdown(returns))
