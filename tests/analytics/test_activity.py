from collections.abc import Sequence
from typing import Any

import pytest

from backtestkit_cli.analytics.activity import ActivityFigures, activity_of, held_money
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import Side
from tests.builders import START_MS, a_trade
from tests.trades_as_columns import columns_of, fills_of

DAY_MINUTES = 1440
FRAME = {"start_ms": START_MS, "end_ms": START_MS + 20 * DAY_MS}
FREE = Costs(0.0, 0.0)


def activity(trades: Sequence[Trade], **what: Any) -> ActivityFigures:
    return activity_of(columns_of(trades), held_money(map(fills_of, trades)), **what)


def test_without_trades_nothing_was_at_work() -> None:
    figures = activity([], **FRAME, sessions=2, capital_quote=None)
    assert (figures.exposure_pct, figures.any_open_pct, figures.peak_open) == (0, 0, 0)
    assert (figures.avg_invested_quote, figures.peak_invested_quote, figures.turnover_quote) == (0, 0, 0)
    assert (figures.turnover_ratio, figures.costs_of_turnover_pct, figures.costs_of_gross_pct) == (None, None, None)


def test_an_empty_frame_has_no_shares_of_time() -> None:
    figures = activity([], start_ms=START_MS, end_ms=START_MS, sessions=1, capital_quote=100.0)
    assert (figures.exposure_pct, figures.any_open_pct, figures.avg_invested_quote) == (None, None, None)


def test_time_and_money_at_work_of_two_sessions_that_overlap() -> None:
    trades = [
        a_trade(symbol="A", minutes=4 * DAY_MINUTES, cost=100.0),
        a_trade(symbol="B", opened_at_ms=START_MS + 2 * DAY_MS, minutes=4 * DAY_MINUTES, cost=300.0),
    ]
    figures = activity(trades, **FRAME, sessions=2, capital_quote=1000.0)
    assert figures.exposure_pct == pytest.approx(20)  # 8 of 40 days of sessions
    assert figures.any_open_pct == pytest.approx(30)  # 6 of 20 days
    assert (figures.peak_open, figures.peak_invested_quote) == (2, 400)
    assert figures.avg_invested_quote == pytest.approx((4 * 100 + 4 * 300) / 20)


def test_a_position_that_follows_another_does_not_stand_beside_it() -> None:
    trades = [a_trade(minutes=60), a_trade(opened_at_ms=START_MS + 60 * MINUTE_MS, minutes=60)]
    assert activity(trades, **FRAME, sessions=1, capital_quote=None).peak_open == 1


def test_money_at_work_is_what_was_held_at_each_time() -> None:
    """100 on day 1, 300 on days 2 and 3, half of it on day 4."""
    steps = [("buy", DAY_MINUTES, 95.0, 200.0), ("sell", 3 * DAY_MINUTES, 105.0, 50.0)]
    figures = activity([a_trade(steps=steps, minutes=4 * DAY_MINUTES)], **FRAME, sessions=1, capital_quote=None)
    assert figures.peak_invested_quote == 300
    assert figures.avg_invested_quote == pytest.approx((100 + 300 + 300 + 150) / 20)


def test_time_outside_the_frame_is_not_counted() -> None:
    trades = [a_trade(opened_at_ms=START_MS - DAY_MS, minutes=40 * DAY_MINUTES)]
    figures = activity(trades, **FRAME, sessions=1, capital_quote=None)
    assert (figures.exposure_pct, figures.any_open_pct) == (100, 100)


@pytest.mark.parametrize("side", Side)
def test_turnover_is_the_money_of_all_fills(side: Side) -> None:
    steps = [("buy", 1, 80.0, 50.0), ("sell", 2, 120.0, 25.0)]
    trade = a_trade(side=side, price_close=110.0, steps=steps)
    fills_quote = 100 + 50 + 110.0 * (100 / 100 + 50 / 80) * 0.75 + 120.0 * (100 / 100 + 50 / 80) * 0.25
    figures = activity([trade], **FRAME, sessions=1, capital_quote=500.0)
    assert figures.turnover_quote == pytest.approx(fills_quote)
    assert figures.turnover_ratio == pytest.approx(fills_quote / 500)
    assert figures.turnover_yearly_ratio == pytest.approx(fills_quote / 500 * 365 / 20)


def test_turnover_of_a_frame_below_two_weeks_is_not_stretched_to_a_year() -> None:
    frame = {"start_ms": START_MS, "end_ms": START_MS + 13 * DAY_MS}
    figures = activity([a_trade()], **frame, sessions=1, capital_quote=500.0)
    assert figures.turnover_ratio is not None
    assert figures.turnover_yearly_ratio is None


def test_costs_are_split_and_put_in_proportion() -> None:
    trade = a_trade(price_close=110.0)
    figures = activity([trade], **FRAME, sessions=1, capital_quote=None)
    assert (figures.fee_quote, figures.slippage_quote) == (trade.gain.fee, trade.gain.slippage)
    costs = trade.gain.fee + trade.gain.slippage
    assert figures.costs_quote == pytest.approx(costs)
    assert figures.costs_of_gross_pct == pytest.approx(costs / 10 * 100)
    assert figures.costs_of_turnover_pct == pytest.approx(costs / 210 * 100)
    assert figures.fee_of_turnover_pct == pytest.approx(trade.gain.fee / 210 * 100)
    assert figures.slippage_of_turnover_pct == pytest.approx(trade.gain.slippage / 210 * 100)


def test_costs_are_no_share_of_a_loss() -> None:
    figures = activity([a_trade(price_close=90.0)], **FRAME, sessions=1, capital_quote=None)
    assert figures.costs_quote is not None
    assert figures.costs_of_gross_pct is None


def test_trading_for_free_costs_nothing() -> None:
    figures = activity([a_trade(costs=FREE)], **FRAME, sessions=1, capital_quote=None)
    assert (figures.costs_quote, figures.costs_of_gross_pct, figures.costs_of_turnover_pct) == (0, 0, 0)
