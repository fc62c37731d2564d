import asyncio
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given

from backtestkit_cli import Signal, add_strategy, average_buy, partial_close
from backtestkit_cli.analytics.capital import CashFlows, Sale, fills_from, required_capital, session_flows
from backtestkit_cli.analytics.equity import ledger_of
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.account import cash_effect
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.position import Entry, Trade
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.reports.saved.frames import trades_frame
from backtestkit_cli.runs.backtest import run_backtest
from tests.analytics.random_trades import trade_lists
from tests.builders import COSTS, START_MS, a_session, a_trade, an_outcome
from tests.laws import tried
from tests.markets import plan_for, random_candles, registered
from tests.trades_as_columns import fills_of

FREE = Costs(0.0, 0.0)


def needed(*sessions: list[Trade], costs: Costs = COSTS) -> float | None:
    return required_capital(CashFlows.joined(session_flows(map(fills_of, one), costs) for one in sessions))


def test_without_trades_nothing_is_known_of_the_money_they_would_need() -> None:
    assert needed() is None
    assert needed([], []) is None


def test_one_trade_needs_its_cost_and_the_fee_of_its_entry() -> None:
    assert needed([a_trade()]) == pytest.approx(100.1)
    assert needed([a_trade(side=Side.SHORT)]) == pytest.approx(100.1)


def test_what_was_lost_must_be_paid_again_and_what_was_won_pays() -> None:
    later = START_MS + 100 * MINUTE_MS
    assert needed([a_trade(price_close=90.0), a_trade(opened_at_ms=later)], costs=FREE) == pytest.approx(110)
    assert needed([a_trade(price_close=150.0), a_trade(opened_at_ms=later, cost=140.0)], costs=FREE) == 100


def test_positions_open_at_once_are_paid_at_once() -> None:
    assert needed([a_trade(minutes=60)], [a_trade(opened_at_ms=START_MS + 59 * MINUTE_MS)], costs=FREE) == 200


def test_at_one_instant_another_session_pays_before_money_comes_in_but_a_session_pays_from_its_own() -> None:
    first, second = a_trade(minutes=60), a_trade(opened_at_ms=START_MS + 60 * MINUTE_MS)
    assert needed([first], [second], costs=FREE) == 200
    assert needed([first, second], costs=FREE) == 100


def test_a_short_that_loses_more_than_was_put_in_takes_money_at_its_close() -> None:
    assert needed([a_trade(side=Side.SHORT, price_close=250.0, costs=FREE)], costs=FREE) == pytest.approx(150)


def test_money_beyond_all_doubles_is_unknown() -> None:
    at_ms = np.array([START_MS, START_MS + 1])
    assert required_capital(CashFlows(at_ms, np.array([-1.5e308, -1.5e308]))) is None
    assert required_capital(CashFlows(at_ms, np.array([math.nan, -1.0]))) is None


def replayed_cash(trades: list[Trade], balance: float) -> list[float]:
    """Return the cash after every fill of *trades*, by the ledger of the domain."""
    cash, closed_net = [], 0.0
    for trade in trades:
        cash += [balance + closed_net + cash_effect(position, COSTS) for _, _, position in ledger_of(trade, COSTS)]
        closed_net += trade.gain.net
        cash.append(balance + closed_net)
    return cash


@given(trade_lists())
def test_with_the_required_balance_cash_just_suffices(trades: list[Trade]) -> None:
    balance = needed(trades)
    if balance is None:
        assert trades == []
        return
    lowest = min(replayed_cash(trades, balance))
    assert lowest == pytest.approx(0, abs=1e-9 * max(1.0, balance))


@tried(10, 25)
@given(trade_lists(), trade_lists())
def test_two_sessions_need_no_more_than_both_alone(one: list[Trade], other: list[Trade]) -> None:
    together = needed(one, other) or 0.0
    alone = [needed(one) or 0.0, needed(other) or 0.0]
    assert together <= sum(alone) * (1 + 1e-12)


@tried(10, 25)
@given(trade_lists())
def test_a_saved_trade_moves_the_same_money(trades: list[Trade]) -> None:
    frame = trades_frame(an_outcome(a_session(*trades)))
    flows = session_flows(map(fills_of, trades), COSTS)
    rows = sorted(zip(frame["opened_at"], frame["side"], frame["fills"], strict=True), key=lambda row: row[0])
    saved = []
    for _, side, text in rows:
        fills = orjson.loads(text)
        buys = [Entry(buy["at"], buy["price"], buy["cost"]) for buy in fills["buys"]]
        sells = [Sale(sale["at"], sale["price"], sale["percent"], sale["cost"]) for sale in fills["sells"]]
        saved.append(fills_from(side, buys, sells))
    for trade, fills in zip(trades, saved, strict=True):
        assert [sale.entries_before for sale in fills.sales[:-1]] == [one.entries_before for one in trade.partials]
    loaded = session_flows(saved, COSTS)
    assert loaded.at_ms.tolist() == flows.at_ms.tolist()
    assert loaded.amount_quote.tolist() == flows.amount_quote.tolist()


def a_run(portfolio: Portfolio | None) -> RunOutcome:
    def get_signal(_symbol: str, when: Any, price: float) -> Signal:
        sign = 1 if when.hour % 2 else -1
        return Signal(
            position="long" if sign > 0 else "short",
            take_profit=price * (1 + 0.03 * sign),
            stop_loss=price * (1 - 0.03 * sign),
            minutes=600,
        )

    def manage(ping: Any) -> None:
        minute = ping.at_ms // MINUTE_MS
        if minute % 97 == 0:
            average_buy()
        if minute % 131 == 0:
            partial_close(30)

    registry = registered(lambda: add_strategy("busy", interval="15m", get_signal=get_signal, on_active=manage))
    candles = {f"S{seed}": random_candles(seed, 2000) for seed in (1, 2, 3)}
    return asyncio.run(run_backtest(plan_for(registry, candles, portfolio=portfolio)))


def test_an_account_with_the_required_balance_makes_every_trade_of_the_run_without_one() -> None:
    free = a_run(None)
    capital = needed(*(list(session.trades) for session in free.sessions))
    assert capital is not None
    paid = a_run(Portfolio(balance=capital * (1 + 1e-9)))
    assert sum(len(session.trades) for session in free.sessions) > 20
    assert [session.trades for session in paid.sessions] == [session.trades for session in free.sessions]
    refused = a_run(Portfolio(balance=capital - 50))
    assert [session.trades for session in refused.sessions] != [session.trades for session in free.sessions]
