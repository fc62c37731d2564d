import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.matching import Match, match_groups, matched
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.domain.interval import HOUR_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import CloseReason, Side
from tests.builders import START_MS, a_trade
from tests.laws import tried
from tests.trades_as_columns import columns_of


def at(hour: int, **others: object) -> Trade:
    return a_trade(opened_at_ms=START_MS + hour * HOUR_MS, **others)  # type: ignore[arg-type]


def counts(a: TradeColumns, b: TradeColumns, *, by_strategy: bool = True) -> list[int]:
    return [group.trades for group in match_groups(a, b, matched(a, b, by_strategy=by_strategy))]


def test_trades_of_one_opening_are_the_same_or_ended_otherwise_and_the_others_are_of_one_run() -> None:
    a = columns_of([at(0), at(2), at(4), at(6)])
    b = columns_of([at(0), at(2, reason=CloseReason.CLOSED), at(4, minutes=30), at(8), at(9)])
    assert counts(a, b) == [1, 2, 1, 2]
    groups = match_groups(a, b, matched(a, b, by_strategy=True))
    assert [group.match for group in groups] == list(Match)


@pytest.mark.parametrize("other", [{"side": Side.SHORT}, {"symbol": "ETHUSDT"}, {"strategy": "dca"}])
def test_another_side_symbol_or_strategy_is_another_trade(other: dict[str, object]) -> None:
    assert counts(columns_of([at(0)]), columns_of([at(0, **other)])) == [0, 0, 1, 1]


def test_strategies_that_are_compared_with_each_other_may_have_different_names() -> None:
    assert counts(columns_of([at(0)]), columns_of([at(0, strategy="dca")]), by_strategy=False) == [1, 0, 0, 0]


def test_an_exit_at_another_price_is_another_end_and_other_costs_or_sizes_are_not() -> None:
    trades = columns_of([at(0)])
    assert counts(trades, columns_of([at(0, price_close=100.5)])) == [0, 1, 0, 0]
    assert counts(trades, columns_of([at(0, costs=Costs(0.0, 0.001), cost=250.0)])) == [1, 0, 0, 0]


def test_two_trades_of_one_opening_are_matched_in_their_order() -> None:
    trades = columns_of([at(0, minutes=0), at(0, minutes=30)])
    assert counts(trades, trades) == [2, 0, 0, 0]
    assert counts(trades, trades.where(np.array([0]))) == [1, 0, 1, 0]


hours = st.lists(st.tuples(st.integers(0, 20), st.floats(95, 105)), max_size=12, unique_by=lambda one: one[0])


@tried(12, 40)
@given(hours, hours)
def test_the_differences_of_all_kinds_add_up_to_that_of_the_totals(
    in_a: list[tuple[int, float]], in_b: list[tuple[int, float]]
) -> None:
    a, b = (columns_of(at(hour, price_close=price) for hour, price in one) for one in (in_a, in_b))
    groups = match_groups(a, b, matched(a, b, by_strategy=True))
    assert sum(group.trades for group in groups[:3]) == len(a)
    assert sum(group.trades for group in (*groups[:2], groups[3])) == len(b)
    summed = math.fsum(group.delta_pct for group in groups if group.delta_pct is not None)
    assert summed == pytest.approx(b.pnl_pct.sum() - a.pnl_pct.sum(), abs=1e-9)


def test_a_result_that_is_unknown_leaves_the_sum_undefined() -> None:
    trades = columns_of([at(0), at(2, price_close=1e308, price_open=1e-300)])
    (same, *_) = match_groups(trades, trades, matched(trades, trades, by_strategy=True))
    assert same.trades == 2
    assert (same.pnl_a_pct, same.delta_pct) == (None, None)
