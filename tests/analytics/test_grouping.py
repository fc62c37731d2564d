from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics import grouping
from backtestkit_cli.analytics.grouping import FiguresByGroup
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.analytics.trade_figures import figures_of
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import CloseReason, Side
from tests.builders import START_MS, a_trade
from tests.laws import tried
from tests.trades_as_columns import columns_of

ALL: list[Callable[[TradeColumns], FiguresByGroup]] = [
    grouping.by_month,
    grouping.by_reason,
    grouping.by_side,
    grouping.by_hour,
    grouping.by_weekday,
]
SUNDAY_MS = START_MS  # 2025-05-04


def counts(groups: FiguresByGroup) -> dict[str, int]:
    return {name: figures.trades for name, figures in groups.items()}


def test_a_trade_belongs_to_the_month_in_which_it_closed_and_midnight_ends_a_month() -> None:
    to_june_ms = SUNDAY_MS + 28 * DAY_MS
    trades = columns_of(
        [
            a_trade(opened_at_ms=to_june_ms - HOUR_MS, minutes=59),
            a_trade(opened_at_ms=to_june_ms - HOUR_MS, minutes=60),
            a_trade(opened_at_ms=to_june_ms - HOUR_MS, minutes=61),
            a_trade(opened_at_ms=to_june_ms + 230 * DAY_MS),
        ]
    )
    assert counts(grouping.by_month(trades)) == {"2025-05": 2, "2025-06": 1, "2026-01": 1}


def test_a_trade_belongs_to_the_hour_and_the_weekday_in_which_it_opened() -> None:
    at = [SUNDAY_MS - MINUTE_MS, SUNDAY_MS, SUNDAY_MS + DAY_MS + 9 * HOUR_MS, SUNDAY_MS + 9 * HOUR_MS - MINUTE_MS]
    trades = columns_of(a_trade(opened_at_ms=at_ms) for at_ms in at)
    assert counts(grouping.by_hour(trades)) == {"00": 1, "08": 1, "09": 1, "23": 1}
    assert list(counts(grouping.by_weekday(trades)).items()) == [("Monday", 1), ("Saturday", 1), ("Sunday", 2)]


def test_reasons_and_sides_come_in_the_order_of_their_kinds_and_names_in_that_of_the_alphabet() -> None:
    reversed_kinds = zip(reversed(CloseReason), "gfedcba", [Side.SHORT, Side.LONG] * 4, strict=False)
    trades = columns_of(a_trade(reason=reason, symbol=s, strategy=s, side=side) for reason, s, side in reversed_kinds)
    assert list(grouping.by_reason(trades)) == [reason.value for reason in CloseReason]
    assert list(counts(grouping.by_side(trades)).items()) == [("long", 3), ("short", 4)]
    assert list(grouping.split_by_symbol(trades)) == list("abcdefg")


@pytest.mark.parametrize("by", ALL, ids=lambda by: str(by.__name__))
def test_no_trades_make_no_groups(by: Callable[[TradeColumns], FiguresByGroup]) -> None:
    assert by(columns_of([])) == {}


@st.composite
def some_trades(draw: st.DrawFn) -> list[Trade]:
    return [
        a_trade(
            symbol=draw(st.sampled_from("ABC")),
            strategy=draw(st.sampled_from(["x", "y"])),
            side=draw(st.sampled_from(Side)),
            reason=draw(st.sampled_from(CloseReason)),
            opened_at_ms=START_MS + draw(st.integers(-100_000, 100_000)) * MINUTE_MS,
            minutes=draw(st.integers(0, 3000)),
            price_close=draw(st.floats(50, 150)),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]


@tried(8, 25)
@given(some_trades())
def test_every_trade_is_in_one_group_and_a_group_is_what_a_mask_would_find(trades: list[Trade]) -> None:
    columns = columns_of(trades)
    for by in ALL:
        groups = by(columns)
        assert sum(figures.trades for figures in groups.values()) == len(trades)
    for side, figures in grouping.by_side(columns).items():
        assert figures == figures_of(columns.where(columns.side == side))
    for symbol, group in grouping.split_by_symbol(columns).items():
        assert np.array_equal(group.closed_at_ms, columns.closed_at_ms[columns.symbol == symbol])
