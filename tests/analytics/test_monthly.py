import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.monthly import month_returns
from backtestkit_cli.domain.interval import DAY_MS
from tests.analytics.curves import a_curve, curve_of_returns
from tests.builders import START_MS


def test_the_last_day_of_a_month_ends_at_the_midnight_of_the_next() -> None:
    curve = a_curve(*[1010.0] * 27, 1100.0, 990.0)  # 28 days from May 4 end at the midnight to June 1
    may, june = month_returns(curve)
    assert (may.month, may.net_quote, may.days) == ("2025-05", 100, 28)
    assert (june.month, june.net_quote, june.days) == ("2025-06", -110, 1)
    assert (may.return_pct, june.return_pct) == pytest.approx((10, -10))


def test_a_curve_without_marks_has_no_months() -> None:
    assert month_returns(a_curve()) == []


def test_a_month_that_begins_with_nothing_has_no_return() -> None:
    curve = a_curve(0.0, 5.0, start_ms=START_MS + 27 * DAY_MS)
    assert [(month.return_pct, month.net_quote) for month in month_returns(curve)] == [(-100, -1000), (None, 5)]


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=100))
def test_months_compound_to_the_whole(returns: list[float]) -> None:
    months = month_returns(curve_of_returns(returns))
    assert sum(month.days for month in months) == len(returns)
    grown = math.prod(1 + (month.return_pct or 0) / 100 for month in months)
    assert grown == pytest.approx(math.prod(1 + one for one in returns))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.floats(-1e308, 1e308))
def test_no_month_holds_nan_or_infinity(equity: list[float], balance: float) -> None:
    for month in month_returns(a_curve(*equity, balance=balance)):
        for value in (month.return_pct, month.net_quote):
            assert value is None or math.isfinite(value)
