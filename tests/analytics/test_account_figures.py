import math
import statistics
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.account_figures import AccountFigures, account_figures
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.equity import session_equity
from backtestkit_cli.analytics.outcome import SessionOutcome
from backtestkit_cli.analytics.trade_figures import figures_of
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import Side
from tests.analytics.curves import a_curve, curve_of_returns
from tests.builders import START_MS, a_session, a_trade
from tests.trades_as_columns import columns_of

FREE = Costs(0.0, 0.0)
YEAR = math.sqrt(365)
STRETCHED = {"cagr_pct", "calmar", "expected_yearly_quote"}


def test_the_figures_of_four_days_one_of_them_without_trades() -> None:
    figures = account_figures(a_curve(1100, 990, 1089, 1089))
    assert figures.days == 4
    assert figures.return_pct == pytest.approx(8.9)
    assert figures.net_quote == pytest.approx(89)
    assert figures.sharpe_daily_annualized == pytest.approx(2.5 / statistics.stdev([10, -10, 10, 0]) * YEAR)
    assert figures.sortino_annualized == pytest.approx(0.5 * YEAR)  # 2.5 % / √(10²/4) %: over all four days
    assert figures.volatility_annual_pct == pytest.approx(statistics.stdev([10, -10, 10, 0]) * YEAR)
    assert figures.max_drawdown_pct == pytest.approx(10)
    assert figures.max_drawdown_quote == pytest.approx(110)
    assert figures.max_drawdown_days == 3
    assert figures.recovery_factor == pytest.approx(89 / 110)
    assert (figures.best_day_pct, figures.worst_day_pct) == pytest.approx((10, -10))
    assert figures.winning_days_pct == 50


def test_a_year_that_doubles_grows_by_a_hundred_percent() -> None:
    figures = account_figures(curve_of_returns([2 ** (1 / 365) - 1] * 365))
    assert figures.cagr_pct == pytest.approx(100)
    assert figures.expected_yearly_quote == pytest.approx(1000)
    half = account_figures(curve_of_returns([2 ** (1 / 365) - 1] * 365 * 2))
    assert (half.cagr_pct, half.expected_yearly_quote) == pytest.approx((100, 1500))


def test_growth_needs_two_weeks_to_be_stretched_to_a_year() -> None:
    short, enough = (account_figures(curve_of_returns([-0.01, 0.02] * 7 + [0.0] * more)) for more in (-1, 0))
    assert enough.cagr_pct is not None
    short = account_figures(curve_of_returns(([-0.01, 0.02] * 7)[:13]))
    assert {getattr(short, name) for name in STRETCHED} == {None}
    assert short.sharpe_daily_annualized is not None
    assert enough.calmar == pytest.approx(enough.cagr_pct / 1)


def test_a_part_of_a_day_counts_as_a_day_but_growth_takes_the_time_it_took() -> None:
    times = START_MS + 12 * HOUR_MS + np.arange(1, 21) * DAY_MS - 12 * HOUR_MS
    equity = np.linspace(1010, 1200, 20)
    curve = DailyCurve(start_ms=START_MS + 12 * HOUR_MS, balance_quote=1000.0, times_ms=times, equity_quote=equity)
    figures = account_figures(curve)
    assert figures.days == 20
    assert figures.cagr_pct == pytest.approx((1.2 ** (365 / 19.5) - 1) * 100)


def test_without_marks_there_are_no_figures() -> None:
    assert account_figures(a_curve()) == AccountFigures()


def test_one_day_has_a_return_and_no_ratio() -> None:
    figures = account_figures(a_curve(1010))
    assert (figures.return_pct, figures.best_day_pct) == pytest.approx((1, 1))
    assert {figures.sharpe_daily_annualized, figures.sortino_annualized, figures.volatility_annual_pct} == {None}
    assert (figures.max_drawdown_pct, figures.max_drawdown_days, figures.recovery_factor) == (0, 0, None)


def test_an_account_that_never_moves_has_no_ratios() -> None:
    figures = account_figures(a_curve(*[1000.0] * 30))
    assert (figures.return_pct, figures.cagr_pct, figures.volatility_annual_pct, figures.winning_days_pct) == (0,) * 4
    ratios = (figures.sharpe_daily_annualized, figures.sortino_annualized, figures.calmar, figures.recovery_factor)
    assert ratios == (None,) * 4


@pytest.mark.parametrize("daily", [0.001, -0.001])
def test_days_that_are_equal_but_for_rounding_have_no_sharpe_ratio(daily: float) -> None:
    figures = account_figures(curve_of_returns([daily] * 40))
    assert figures.volatility_annual_pct == 0
    assert figures.sharpe_daily_annualized is None


def test_an_account_that_only_wins_has_no_downside() -> None:
    figures = account_figures(curve_of_returns([0.01, 0.02] * 10))
    assert figures.sharpe_daily_annualized is not None
    assert (figures.sortino_annualized, figures.calmar, figures.recovery_factor) == (None, None, None)
    assert (figures.max_drawdown_pct, figures.max_drawdown_days, figures.winning_days_pct) == (0, 0, 100)


@pytest.mark.parametrize("end", [0.0, -50.0])
def test_an_account_that_lost_everything_has_a_loss_and_no_growth_rate(end: float) -> None:
    figures = account_figures(a_curve(1100.0, *[end] * 19))
    assert figures.return_pct == pytest.approx((end / 1000 - 1) * 100)
    assert figures.max_drawdown_pct == pytest.approx((1 - end / 1100) * 100)
    assert figures.worst_day_pct == pytest.approx((end / 1100 - 1) * 100)
    assert (figures.recovery_factor, figures.max_drawdown_days) == pytest.approx(((end - 1000) / (1100 - end), 19))
    undefined = STRETCHED - {"expected_yearly_quote"}
    undefined |= {"sharpe_daily_annualized", "sortino_annualized", "volatility_annual_pct"}
    assert {getattr(figures, name) for name in undefined} == {None}


def test_a_curve_that_begins_with_nothing_has_money_and_no_percents() -> None:
    figures = account_figures(a_curve(10.0, 5.0, balance=0.0))
    assert (figures.net_quote, figures.max_drawdown_quote, figures.return_pct) == (5, 5, None)


def pooled(*sessions: SessionOutcome, balance: float) -> DailyCurve:
    """Return the one account of *sessions*, which traded for free."""
    curves = []
    for session in sessions:
        rows = list(session_equity(session, FREE))
        curves.append((np.array([row.timestamp for row in rows]), np.array([row.equity_quote for row in rows])))
    return DailyCurve.pooled(curves, start_ms=START_MS, balance_quote=balance)


def free_trade(symbol: str, days: tuple[float, float], price_close: float, side: Side = Side.LONG) -> Trade:
    opened, closed = days
    return a_trade(
        symbol=symbol,
        side=side,
        opened_at_ms=START_MS + int(opened * DAY_MS),
        minutes=int((closed - opened) * 1440),
        price_close=price_close,
        costs=FREE,
    )


def test_two_symbols_with_overlapping_trades_are_one_account_and_one_pool() -> None:
    """By hand, 100 a trade from a balance of 1000.

    A wins 20 from day 0 to 2 and stands at -10 meanwhile. B, a short, wins 20 from day 0.5 to 3 and stands at
    +5 and -10 meanwhile. On day 4 A loses 32 while B wins 6. Nothing is traded until day 20.
    """
    a = free_trade("A", (0, 2), 120.0), free_trade("A", (3, 4), 68.0)
    b = free_trade("B", (0.5, 3), 80.0, Side.SHORT), free_trade("B", (3.5, 4), 106.0)
    quiet = [(START_MS + day * DAY_MS, 100.0) for day in range(4, 21)]
    first_days = [START_MS + day * DAY_MS for day in (1, 2, 3)]
    prices_a = zip(first_days, (90.0, 120.0, 100.0), strict=True)
    prices_b = zip(first_days, (95.0, 110.0, 80.0), strict=True)
    curve = pooled(
        a_session(*a, symbol="A", marks=(*prices_a, *quiet)),
        a_session(*b, symbol="B", marks=(*prices_b, *quiet)),
        balance=1000.0,
    )
    assert curve.equity_quote.tolist() == pytest.approx([995, 1010, 1040, *[1014] * 17])

    figures = account_figures(curve)
    mean = (-5 / 1000 + 15 / 995 + 30 / 1010 - 26 / 1040) / 20
    growth = 1.014 ** (365 / 20) - 1
    assert figures.sortino_annualized == pytest.approx(mean / math.sqrt((0.005**2 + 0.025**2) / 20) * YEAR)
    assert figures.max_drawdown_pct == pytest.approx(2.5)
    assert figures.calmar == pytest.approx(growth * 100 / 2.5)
    assert figures.recovery_factor == pytest.approx(14 / 26)

    of_all, of_a, of_b = (figures_of(columns_of(trades)) for trades in (a + b, a, b))
    assert of_all.expectancy_pct == pytest.approx(14 / 4)
    assert of_all.sharpe_ratio == pytest.approx(3.5 / statistics.stdev([20, 20, -32, 6]))
    assert of_all.sharpe_ratio is not None
    assert of_a.sharpe_ratio is not None
    assert of_b.sharpe_ratio is not None
    assert of_all.sharpe_ratio < (2 * of_a.sharpe_ratio + 2 * of_b.sharpe_ratio) / 4 - 0.4


def test_a_session_that_ended_early_keeps_what_it_had_won() -> None:
    day, two = START_MS + DAY_MS, START_MS + 2 * DAY_MS
    curves = [
        (np.array([day]), np.array([5.0])),
        (np.array([two]), np.array([-1.0])),
        (np.array([], int), np.array([])),
    ]
    curve = DailyCurve.pooled(curves, start_ms=START_MS, balance_quote=100.0)
    assert (curve.times_ms.tolist(), curve.equity_quote.tolist()) == ([day, two], [105.0, 104.0])
    assert DailyCurve.pooled([], start_ms=START_MS, balance_quote=100.0).days == 0


any_float = st.floats(allow_nan=True, allow_infinity=True)
extreme = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, 1.7e308, 1.0, 1.0 + 2e-16])


@given(st.lists(any_float | extreme, max_size=40), any_float | extreme)
def test_no_figure_of_an_account_is_nan_or_infinite(equity: list[float], balance: float) -> None:
    for name, value in asdict(account_figures(a_curve(*equity, balance=balance))).items():
        assert value is None or math.isfinite(value), name


@settings(max_examples=40)
@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=40), st.floats(1.0, 1e6))
def test_account_figures_agree_with_each_other(equity: list[float], balance: float) -> None:
    figures = account_figures(a_curve(*equity, balance=balance))
    steps = [after - before for before, after in pairwise([balance, *equity])]
    assert figures.net_quote == pytest.approx(math.fsum(steps), abs=1e-6)
    assert figures.max_drawdown_pct is not None
    assert figures.max_drawdown_quote is not None
    assert 0 <= figures.max_drawdown_pct < 100
    assert figures.max_drawdown_quote >= max(0.0, balance - equity[-1]) - 1e-6
    assert figures.return_pct is not None
    assert figures.max_drawdown_pct >= -figures.return_pct - 1e-9
    assert figures.winning_days_pct == pytest.approx(100 * sum(step > 0 for step in steps) / len(equity))
