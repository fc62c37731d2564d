"""The figures of every symbol beside the others, by hand."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.heat import Heat, HeatRow, heat_of, ranked, shades
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from tests.builders import START_MS, a_trade, trades_of
from tests.trades_as_columns import columns_of

TRADES5 = (2.0, -1.0, 3.0, -2.0, 1.0)


def heat(*trades: Trade, symbols: Sequence[str] = (), days: int = 2) -> Heat:
    sessions = dict.fromkeys([*symbols, *(trade.symbol for trade in trades)], 1)
    return heat_of(columns_of(trades), sessions=sessions, start_ms=START_MS, end_ms=START_MS + days * DAY_MS)


def closed_on(day: int, pnl_pct: float, symbol: str) -> Trade:
    return a_trade(
        symbol=symbol,
        opened_at_ms=START_MS + day * DAY_MS,
        minutes=60,
        price_close=100 + pnl_pct,
        costs=Costs(0.0, 0.0),
    )


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_each_symbol_has_the_golden_figures_of_five_trades(symbol: str) -> None:
    """A158: TRADES5 for each symbol; the drawdown is from a peak to the lowest after it, not the loss below zero."""
    both = heat(*trades_of(*TRADES5), *trades_of(*TRADES5, symbol="ETHUSDT"))
    row = next(row for row in both.rows if row.symbol == symbol)
    golden = {
        "trades": 5,
        "win_rate_pct": 60,
        "total_pnl_pct": 3,
        "avg_pnl_pct": 0.6,
        "std_dev_pct": 2.07364,
        "sharpe_ratio": 0.28935,
        "sharpe_annualized": 5.5280,
        "profit_factor": 2,
        "expectancy_pct": 0.6,
        "avg_win_pct": 2,
        "avg_loss_pct": -1.5,
        "certainty_ratio": 1.3333,
        "max_drawdown_pct": 2,
        "longest_win_streak": 1,
        "longest_loss_streak": 1,
        "net_quote": 3,
        "costs_quote": 0,
        "exposure_pct": 100 * 5 / 48,
    }
    assert {name: row.metric(name) for name in golden} == pytest.approx(golden, abs=1e-4)


def test_the_pooled_sharpe_is_of_all_returns_and_no_mean_of_the_ratios() -> None:
    """A159: A has 1.5 / 0.5 = 3, B has -1 / 3; together they have 0.25 / 2.3611."""
    a, b = (1.0, 1.5, 2.0), (-4.0, 2.0, -1.0)
    found = heat(*trades_of(*a, symbol="A"), *trades_of(*b, symbol="B"))
    each = [row.figures.sharpe_ratio for row in found.rows]
    assert each == [pytest.approx(3.0), pytest.approx(-1 / 3)]
    assert found.pooled.figures.sharpe_ratio == pytest.approx(fmean(a + b) / stdev(a + b))
    assert found.pooled.figures.sharpe_ratio == pytest.approx(0.10588, abs=1e-4)
    trade_weighted_mean = (3 * 3.0 + 3 * -1 / 3) / 6
    assert trade_weighted_mean == pytest.approx(1.3333, abs=1e-4)


def test_rows_are_ranked_with_the_undefined_last_and_ties_by_symbol() -> None:
    """A159."""
    found = heat(
        *trades_of(1.0, 2.0, symbol="C"),
        *trades_of(3.0, -2.0, symbol="A"),
        *trades_of(1.0, 2.0, symbol="B"),
        *trades_of(1.0, symbol="E"),
        symbols=["D"],
    )
    assert [row.symbol for row in found.rows] == ["A", "B", "C", "D", "E"]
    assert [row.symbol for row in ranked(found.rows, "sharpe_ratio")] == ["B", "C", "A", "D", "E"]
    by_drawdown = ranked(found.rows, "max_drawdown_pct", is_less_better=True)
    assert [row.symbol for row in by_drawdown] == ["B", "C", "E", "A", "D"]


def test_months_are_those_of_the_frame_and_sum_up_to_the_totals() -> None:
    trades = [closed_on(1, 2.0, "A"), closed_on(2, -1.0, "B"), closed_on(62, 5.0, "A"), closed_on(63, -3.0, "A")]
    found = heat(*trades, days=70)
    assert found.months == ("2025-05", "2025-06", "2025-07")
    by_month = [[value and round(value, 9) for value in row.month_pnl_pct] for row in (*found.rows, found.pooled)]
    assert by_month == [[2, None, 2], [-1, None, None], [1, None, 2]]
    for row in (*found.rows, found.pooled):
        assert math.fsum(value or 0.0 for value in row.month_pnl_pct) == pytest.approx(row.figures.total_pnl_pct)


def test_what_closes_where_a_month_and_the_frame_end_adds_no_month_that_the_frame_lacks() -> None:
    at_midnight = a_trade(opened_at_ms=START_MS + 27 * DAY_MS, minutes=1440)
    found = heat(at_midnight, days=28)
    assert found.months == ("2025-05",)
    assert found.pooled.month_pnl_pct == (found.pooled.figures.total_pnl_pct,)
    assert heat(symbols=["A"], days=28).months == ("2025-05",)


def test_two_thousand_trades_are_all_counted() -> None:
    found = heat(*trades_of(*[0.5] * 2_000), days=90)
    assert found.pooled.figures.trades == 2_000
    assert found.pooled.figures.total_pnl_pct == pytest.approx(1_000)
    assert math.fsum(value or 0.0 for value in found.pooled.month_pnl_pct) == pytest.approx(1_000)


def test_a_symbol_without_trades_has_a_row_and_nothing_in_it() -> None:
    (row,) = heat(symbols=["A"]).rows
    assert (row.figures.trades, row.figures.total_pnl_pct, row.figures.costs_quote, row.month_pnl_pct) == (
        0,
        None,
        None,
        (None,),
    )


def test_exposure_of_a_symbol_is_over_all_its_sessions() -> None:
    trades = [a_trade(symbol="A", strategy=name, minutes=1440) for name in ("x", "y")]
    found = heat_of(columns_of(trades), sessions={"A": 4}, start_ms=START_MS, end_ms=START_MS + DAY_MS)
    assert found.rows[0].exposure_pct == pytest.approx(50)


def test_shades_are_relative_to_the_furthest_from_neutral() -> None:
    assert shades([4.0, -2.0, 0.0, None, 1.0]) == [1.0, -0.5, 0.0, None, 0.25]
    assert shades([75.0, 40.0], neutral=50.0) == [1.0, -0.4]
    assert shades([2.0, 0.5, 4.0, 0.0], neutral=1.0, is_factor=True) == [0.5, -0.5, 1.0, -1.0]
    assert shades([10.0, 5.0, 0.0], is_less_better=True) == [-1.0, -0.5, 0.0]
    assert shades([2.0, -1.0, -50.0], compared=2) == [1.0, -0.5, -1.0]
    assert shades([0.0, 0.0]) == [0.0, 0.0]
    assert shades([]) == []


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, max_size=6), st.sampled_from([0.0, 1.0, 50.0]), st.booleans(), st.booleans())
def test_every_shade_of_every_number_is_between_worst_and_best(
    values: list[float | None], neutral: float, is_factor: bool, is_less_better: bool
) -> None:
    found = shades(values, neutral=neutral, is_factor=is_factor and neutral > 0, is_less_better=is_less_better)
    for value, shade in zip(values, found, strict=True):
        assert (value is None) == (shade is None)
        assert shade is None or -1 <= shade <= 1


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from("ABC"), st.lists(st.floats(-99, 1e6), max_size=4), max_size=3))
def test_no_figure_of_any_trades_is_nan_or_infinite(results: dict[str, list[float]]) -> None:
    found = heat(*(trade for symbol, pnl in results.items() for trade in trades_of(*pnl, symbol=symbol)), symbols="ABC")
    rows: list[HeatRow] = [*found.rows, found.pooled]
    for row in rows:
        for value in (*row.month_pnl_pct, row.metric("sharpe_ratio"), row.figures.costs_quote, row.exposure_pct):
            assert value is None or math.isfinite(value)
