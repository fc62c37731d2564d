import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.drawdowns import Drawdown, drawdown_series, drawdowns, worst_drawdowns
from backtestkit_cli.domain.interval import DAY_MS
from tests.analytics.curves import a_curve
from tests.builders import START_MS

BELOW_AND_BACK = a_curve(900, 1000, 1250, 1125, 1000, 1300, 1290, 1235)


def at(day: int) -> int:
    return START_MS + day * DAY_MS


def test_the_series_says_how_far_below_its_peak_the_equity_stood_at_each_mark() -> None:
    series = drawdown_series(BELOW_AND_BACK)
    assert series.times_ms.tolist() == [at(day) for day in range(9)]
    assert np.allclose(series.fall_quote, [0, 100, 0, 0, 125, 250, 0, 10, 65])
    assert np.allclose(series.fall_pct, [0, 10, 0, 0, 10, 20, 0, 1000 / 1300, 5])


def test_drawdowns_are_told_from_the_peak_to_the_day_that_reaches_it_again() -> None:
    first, second, last = drawdowns(BELOW_AND_BACK)
    assert first[:3] == (at(0), at(1), at(2))
    assert second[:3] == (at(3), at(5), at(6))
    assert last[:3] == (at(6), at(8), None)
    assert [one.days for one in (first, second, last)] == [2, 3, 2]


def test_the_worst_come_deepest_first() -> None:
    assert [round(one.depth_pct or 0) for one in worst_drawdowns(BELOW_AND_BACK, 2)] == [20, 10]
    assert len(worst_drawdowns(BELOW_AND_BACK, 9)) == 3


def test_a_curve_that_never_falls_has_no_drawdowns() -> None:
    for curve in (a_curve(), a_curve(1000, 1000, 1001), a_curve(1000 - 1e-13, 1000)):
        assert drawdowns(curve) == []
        assert set(drawdown_series(curve).fall_pct.tolist()) == {0.0}


def test_a_fall_from_nothing_has_money_and_no_percent() -> None:
    assert drawdowns(a_curve(-5, balance=0.0)) == [Drawdown(at(0), at(1), None, None, 5.0, 1.0)]


any_equity = st.floats(-1e308, 1e308) | st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324])


@given(st.lists(any_equity, max_size=30), any_equity)
def test_rows_and_series_agree_and_hold_no_infinity(equity: list[float], balance: float) -> None:
    curve = a_curve(*equity, balance=balance)
    series, rows = drawdown_series(curve), drawdowns(curve)
    assert not np.isinf(series.fall_pct).any()
    assert not np.isinf(series.fall_quote).any()
    for row in rows:
        assert row.began_ms < row.trough_ms
        assert row.recovered_ms is None or row.recovered_ms > row.trough_ms
        for value in (row.depth_pct, row.depth_quote):
            assert value is None or (math.isfinite(value) and value > 0)
    figures = account_figures(curve)
    if figures.max_drawdown_quote:
        assert figures.max_drawdown_quote == max(row.depth_quote or 0 for row in rows)
        assert figures.max_drawdown_days == max(row.days for row in rows)
