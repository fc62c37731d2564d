import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.account_comparison import ACCOUNT_FIGURES, OTHER_DAYS, compare_accounts
from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.comparison import (
    ORDER_MATTERS,
    TRADE_FIGURES,
    UNDEFINED,
    UNDEFINED_IN_SAMPLES,
    Delta,
    compare_trades,
)
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.resampling import Resampling
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.analytics.trade_figures import figures_of
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS
from tests.analytics.comparable import daily_trades, span
from tests.builders import START_MS
from tests.trades_as_columns import columns_of

DAYS = 12
results = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(0.1, 1.5, (DAYS, 3)))


def compared(a: TradeColumns, b: TradeColumns, days: int = DAYS, samples: int = 200) -> dict[str, Delta]:
    return {one.name: one for one in compare_trades(a, b, **span(days), seed=7, samples=samples)}


def a_curve(returns: Floats, balance: float = 1_000.0) -> DailyCurve:
    days = START_MS + DAY_MS * np.arange(1, len(returns) + 1)
    equity = (balance * np.cumprod(1 + returns)).astype(np.float64)
    return DailyCurve(start_ms=START_MS, balance_quote=balance, times_ms=days, equity_quote=equity)


@settings(max_examples=15)
@given(results)
def test_a_run_against_itself_differs_by_zero_in_an_interval_of_zero(pnl: Floats) -> None:
    trades = daily_trades(pnl)
    curve = a_curve(pnl.mean(axis=1) / 100)
    found = (*compared(trades, trades).values(), *compare_accounts(curve, curve, seed=1, samples=200))
    assert {one.delta for one in found} <= {0, None}
    assert {one.interval[:2] for one in found if one.interval is not None} == {(0, 0)}
    assert not any(one.is_significant for one in found)


@settings(max_examples=15)
@given(results, results)
def test_swapping_the_runs_mirrors_differences_and_intervals(pnl_a: Floats, pnl_b: Floats) -> None:
    a, b = daily_trades(pnl_a), daily_trades(pnl_b[:, :2])
    curve_a, curve_b = (a_curve(pnl.mean(axis=1) / 100) for pnl in (pnl_a, pnl_b))
    there = (*compared(a, b).values(), *compare_accounts(curve_a, curve_b, seed=1, samples=200))
    back = (*compared(b, a).values(), *compare_accounts(curve_b, curve_a, seed=1, samples=200))
    for one, other in zip(there, back, strict=True):
        assert (other.name, other.a, other.b, other.why) == (one.name, one.b, one.a, one.why)
        assert other.delta == (None if one.delta is None else -one.delta)
        if one.interval is not None:
            assert other.interval is not None
            assert other.interval[:2] == (-one.interval.high, -one.interval.low)


def test_the_interval_covers_a_known_shift_of_the_mean() -> None:
    covered = 0
    for seed in range(100):
        draws = np.random.default_rng(seed)
        market = draws.normal(0, 1, (30, 1))
        pnl_a, pnl_b = (market + draws.normal(0, 1, (30, 3)) for _ in "ab")
        found = compared(daily_trades(pnl_a), daily_trades(pnl_b + 0.4), days=30, samples=300)["avg_pnl_pct"]
        covered += found.interval is not None and found.interval.low <= 0.4 <= found.interval.high
    assert covered >= 90


def test_what_the_market_did_to_both_cancels() -> None:
    draws = np.random.default_rng(4)
    market = draws.normal(0, 5, (30, 1)) * np.ones((1, 3))
    found = compared(daily_trades(market), daily_trades(market + 0.1), days=30)["avg_pnl_pct"]
    assert found.delta == pytest.approx(0.1)
    assert found.is_significant
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.1)
    assert found.interval.high == pytest.approx(0.1)
    assert found.interval.above_share_pct == 100


def test_the_values_are_those_of_the_trades_and_the_samples_agree_with_them() -> None:
    draws = np.random.default_rng(5)
    a, b = (daily_trades(draws.normal(0.2, 1, (40, 2))) for _ in "ab")
    figures_a, figures_b = figures_of(a), figures_of(b)
    found = compared(a, b, days=40, samples=2_000)
    assert tuple(found) == TRADE_FIGURES
    for name in TRADE_FIGURES:
        assert (found[name].a, found[name].b) == (getattr(figures_a, name), getattr(figures_b, name))
    for one in found.values():
        if one.interval is not None:
            assert one.delta is not None
            assert one.interval.low <= one.delta <= one.interval.high, one.name


def test_a_drawdown_has_no_interval_for_it_depends_on_the_order_of_days() -> None:
    pnl = np.random.default_rng(6).normal(0, 1, (DAYS, 3))
    found = compared(daily_trades(pnl), daily_trades(-pnl))["max_drawdown_pct"]
    assert found.interval is None
    assert found.why == ORDER_MATTERS


def test_few_days_or_few_days_with_trades_have_no_intervals_and_say_so() -> None:
    pnl = np.random.default_rng(6).normal(0, 1, (9, 3))
    short = compared(daily_trades(pnl), daily_trades(-pnl), days=9)
    assert {one.interval for one in short.values()} == {None}
    assert short["total_pnl_pct"].why == "9 days are too few, 10 are needed"
    assert compared(daily_trades(pnl), daily_trades(-pnl), days=60)["trades"].why.startswith("trades on 9 days only")


def test_a_run_without_trades_won_no_money_and_its_percentages_are_undefined() -> None:
    pnl = np.random.default_rng(6).normal(0, 1, (DAYS, 3))
    found = compared(columns_of([]), daily_trades(pnl))
    assert (found["trades"].a, found["net_quote"].a, found["costs_quote"].a) == (0, 0, 0)
    assert found["net_quote"].interval is not None
    for name in ("total_pnl_pct", "max_drawdown_pct", "win_rate_pct"):
        assert (found[name].a, found[name].delta, found[name].why) == (None, None, UNDEFINED)


def test_a_ratio_that_samples_cannot_have_says_so() -> None:
    pnl = np.full((DAYS, 1), 1.0)
    pnl[3] = -1.0
    found = compared(daily_trades(pnl), daily_trades(pnl * 2))
    assert found["profit_factor"].why == UNDEFINED_IN_SAMPLES
    assert found["avg_pnl_pct"].interval is not None


def test_equal_trades_have_no_sharpe_ratio_in_any_sample() -> None:
    found = compared(daily_trades(np.full((DAYS, 2), -0.39960)), daily_trades(np.full((DAYS, 2), 0.1)))
    assert found["sharpe_ratio"].interval is None


def test_a_trade_that_closes_at_midnight_belongs_to_the_day_that_ends() -> None:
    trades = daily_trades(np.random.default_rng(6).normal(0, 1, (10, 1)))
    at_midnight = TradeColumns(
        **{name: getattr(trades, name) for name in TradeColumns.__slots__ if name != "closed_at_ms"},
        closed_at_ms=START_MS + DAY_MS * np.arange(1, 11),
    )
    assert compared(trades, at_midnight, days=10)["total_pnl_pct"].interval is not None
    assert compared(trades, at_midnight, days=10)["total_pnl_pct"] == compared(trades, trades, days=10)["total_pnl_pct"]


def test_results_that_no_double_can_hold_are_no_figures_and_raise_nothing() -> None:
    pnl = np.full((DAYS, 3), 1e308)
    found = compared(daily_trades(pnl), daily_trades(-pnl))
    for one in found.values():
        for value in (one.a, one.b, one.delta, *(one.interval or ())):
            assert value is None or np.isfinite(value)


def test_the_figures_of_the_samples_of_an_account_are_those_of_its_days() -> None:
    returns = np.random.default_rng(7).normal(0.001, 0.02, 40)
    a, b = a_curve(returns), a_curve(returns + 0.002, balance=500.0)
    found = {one.name: one for one in compare_accounts(a, b, seed=1)}
    assert tuple(found) == ACCOUNT_FIGURES
    figures_a, figures_b = account_figures(a), account_figures(b)
    for name, one in found.items():
        assert (one.a, one.b) == (getattr(figures_a, name), getattr(figures_b, name))
    assert found["calmar"].why == found["max_drawdown_pct"].why == ORDER_MATTERS
    for name in ("return_pct", "sharpe_daily_annualized", "sortino_annualized"):
        interval, delta = found[name].interval, found[name].delta
        assert interval is not None
        assert delta is not None
        assert 0 < interval.low < delta < interval.high


def test_accounts_of_few_or_of_other_days_have_no_intervals() -> None:
    returns = np.random.default_rng(7).normal(0.001, 0.02, 12)
    few = compare_accounts(a_curve(returns[:9]), a_curve(returns[:9]), seed=1)
    assert few[0].why == "9 days are too few, 10 are needed"
    assert compare_accounts(a_curve(returns), a_curve(returns[:11]), seed=1)[0].why == OTHER_DAYS


def test_a_sample_is_the_same_whatever_is_summed_over_it() -> None:
    drawn = Resampling.of(20, seed=1, samples=50)
    columns = np.random.default_rng(1).normal(size=(20, 3))
    assert drawn.sums(columns) == pytest.approx(np.stack([drawn.weights @ column for column in columns.T], axis=1))
