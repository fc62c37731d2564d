import math

import pytest
from hypothesis import given

from backtestkit_cli.analytics.equity import equity_of, position_at, session_equity
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.position import Trade
from tests.analytics.random_trades import prices, trade_lists
from tests.builders import COSTS, START_MS, Step, a_position, a_session, a_trade, an_outcome

DAY_MINUTES = 1440


def test_a_session_without_trades_stays_at_nothing() -> None:
    rows = list(session_equity(a_session(days=3), COSTS))
    assert [row.timestamp for row in rows] == [START_MS + day * DAY_MS for day in (1, 2, 3)]
    assert {row[3:] for row in rows} == {(0.0, 0.0, 0.0)}


def test_a_closed_trade_is_realised_from_its_close_on() -> None:
    trade = a_trade(minutes=DAY_MINUTES)
    rows = list(session_equity(a_session(trade), COSTS))
    assert [row.realised_quote for row in rows] == [trade.gain.net] * 2
    assert [row.unrealised_quote for row in rows] == [0, 0]


def test_an_open_position_is_worth_what_it_would_sell_for_at_the_mark() -> None:
    trade = a_trade(minutes=2 * DAY_MINUTES, price_open=90.0, price_close=95.0)
    first, last = session_equity(a_session(trade), COSTS)
    assert first.realised_quote == 0
    assert first.unrealised_quote == a_position(price_open=90.0).value_at(100.0, COSTS).net
    assert (last.realised_quote, last.unrealised_quote) == (trade.gain.net, 0)


def test_a_position_opened_at_the_mark_already_owes_its_costs() -> None:
    trade = a_trade(opened_at_ms=START_MS + DAY_MS, minutes=5)
    first, _ = session_equity(a_session(trade), COSTS)
    assert first.unrealised_quote == pytest.approx(-0.3996, abs=1e-4)


def test_parts_already_sold_are_realised_and_later_fills_are_not_known_yet() -> None:
    known: list[Step] = [("buy", 10, 95.0, 50.0), ("sell", 20, 110.0, 25.0)]
    later: list[Step] = [("buy", DAY_MINUTES + 1, 80.0, 300.0), ("sell", DAY_MINUTES + 2, 120.0, 50.0)]
    trade = a_trade(minutes=2 * DAY_MINUTES, steps=[*known, *later])
    first, last = session_equity(a_session(trade), COSTS)
    position = a_position(steps=known)
    assert first.realised_quote == position.realised.net
    assert first.realised_quote + first.unrealised_quote == pytest.approx(position.value_at(100.0, COSTS).net)
    assert last.equity_quote == trade.gain.net


def test_the_rows_of_a_run_follow_its_sessions() -> None:
    rows = equity_of(an_outcome(a_session(symbol="A"), a_session(symbol="B", strategy="dca")))
    assert [(row.strategy, row.symbol) for row in rows] == [("sma_cross", "A")] * 2 + [("dca", "B")] * 2


@pytest.mark.parametrize(
    "steps",
    [
        [("buy", 7, 90.0, 100.0), ("sell", 7, 90.0, 50.0)],
        [("sell", 7, 90.0, 50.0), ("buy", 7, 90.0, 100.0)],
        [("buy", 7, 90.0, 100.0), ("sell", 7, 90.0, 50.0), ("buy", 7, 90.0, 30.0)],
        [("buy", 7, 90.0, 100.0), ("buy", 7, 90.0, 10.0), ("sell", 7, 90.0, 50.0), ("sell", 7, 90.0, 10.0)],
    ],
)
def test_buys_and_sells_of_one_tick_are_replayed_in_the_order_they_happened(steps: list[Step]) -> None:
    trade = a_trade(steps=steps)
    replayed = position_at(trade, trade.closed_at_ms, COSTS)
    assert replayed == a_position(steps=steps)


@given(trade_lists(), prices)
def test_in_the_end_equity_is_the_sum_of_all_trades(trades: list[Trade], price: float) -> None:
    marks = tuple((START_MS + hour * 60 * MINUTE_MS, price) for hour in (1, 7, 24, 200))
    rows = list(session_equity(a_session(*trades, marks=marks), COSTS))
    assert rows[-1].equity_quote == pytest.approx(math.fsum(trade.gain.net for trade in trades), rel=1e-9, abs=1e-9)
    assert rows[-1].unrealised_quote == 0
    for row in rows:
        assert row.equity_quote == row.realised_quote + row.unrealised_quote


@given(trade_lists())
def test_a_whole_replay_ends_with_the_gain_that_was_booked(trades: list[Trade]) -> None:
    for trade in trades:
        position = position_at(trade, trade.closed_at_ms, COSTS)
        assert (position.entries, position.partials) == (trade.entries, trade.partials)
        assert position.value_at(trade.price_close, COSTS) == trade.gain
