"""The drawdown stop of an account: at the right tick and within it, in both fill models, with foresight and without."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import (
    CloseReason,
    CommandRefused,
    PortfolioStopped,
    PositionActive,
    PositionClosed,
    Signal,
    SignalCancelled,
    add_strategy,
    average_buy,
    listen,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.domain.signal import CancelReason
from tests.engine.coordinated import (
    a_long,
    a_plan,
    at,
    equity_by_hand,
    minute,
    minute_of,
    of_kind,
    opened,
    prices_at,
    ran,
    ran_both_ways,
    trades_of,
)
from tests.engine.falls import FALLING, MINUTES, a_stop, breach_by_hand, falling
from tests.markets import at_levels, plan_for, registered

both_models = pytest.mark.parametrize("model", list(FillModelName))
both_actions = pytest.mark.parametrize("action", list(StopAction))


@both_models
@both_actions
def test_a_feed_that_loses_11_percent_stops_all_symbols_within_one_tick(
    model: FillModelName, action: StopAction
) -> None:
    """A77, A78: the first tick at -10 % of the peak, recomputed from candles; with the stated policy; exit code 6."""
    outcome = ran_both_ways(a_stop(model, action))
    (stopped,) = of_kind(outcome, PortfolioStopped)
    equity = equity_by_hand(outcome, FALLING, model, 1000.0, MINUTES)
    tick = breach_by_hand(equity, 5)
    assert minute_of(stopped.at_ms) == tick
    assert 200 < tick < 390
    assert stopped.equity == pytest.approx(equity[tick], abs=1e-9)
    peak = max(1000.0, float(equity[5 : tick + 1].max()))
    assert stopped.limit == pytest.approx(0.9 * peak)
    assert (stopped.rule, stopped.action, stopped.until_ms) == ("max_drawdown", action, None)
    assert opened(outcome) == [(5, symbol) for symbol in "ABCDE"]
    (cancelled,) = of_kind(outcome, SignalCancelled)
    assert (cancelled.symbol, cancelled.reason, cancelled.at_ms) == ("W", CancelReason.RISK, stopped.at_ms)
    for trade in trades_of(outcome):
        if action is StopAction.CLOSE_ALL:
            price = prices_at(FALLING[trade.symbol], model, MINUTES)[tick]
            assert (trade.reason, trade.closed_at_ms) == (CloseReason.PORTFOLIO_STOP, stopped.at_ms)
            assert trade.price_close == pytest.approx(price, rel=1e-12)
        else:
            assert (trade.reason, minute_of(trade.closed_at_ms)) == (CloseReason.FRAME_END, MINUTES)
    assert len(trades_of(outcome)) == 5
    assert outcome.exit_code == 6
    assert {session.error for session in outcome.sessions} == {None}
    assert outcome.counts["portfolio_stopped"] == 1
    account = outcome.account
    assert account is not None
    assert (account.is_stopped, account.stopped) == (True, stopped)
    net = sum(trade.gain.net for trade in trades_of(outcome))
    assert account.cash == account.equity == pytest.approx(1000.0 + net)
    assert account.return_pct == pytest.approx(net / 10)


@both_models
def test_the_deepest_drawdown_is_that_of_the_whole_run_also_after_a_stop_that_keeps_positions(
    model: FillModelName,
) -> None:
    outcome = ran_both_ways(a_stop(model, StopAction.BLOCK_ENTRIES))
    equity = equity_by_hand(outcome, FALLING, model, 1000.0, MINUTES + 1)[5:]
    peaks = np.maximum.accumulate(np.maximum(equity, 1000.0))
    assert outcome.account is not None
    assert outcome.account.max_drawdown_pct == pytest.approx(float(((1 - equity / peaks) * 100).max()), abs=1e-9)
    assert outcome.account.max_drawdown_pct > 12


def test_a_fall_in_the_last_minute_is_a_stop_too() -> None:
    """At the end of the frame all closes anyway, and the account must not show less drawdown than it lost."""
    candles = {"A": at_levels([100.0] * 59 + [80.0])}
    outcome = ran_both_ways(
        a_plan(
            candles,
            at([10], cost=900.0),
            portfolio=Portfolio(balance=1000.0, max_drawdown_pct=10.0),
            settings=Settings(fill_model=FillModelName.CANDLE),
        )
    )
    account = outcome.account
    assert account is not None
    assert account.stopped is not None
    assert (outcome.exit_code, account.stopped.at_ms) == (6, outcome.facts.end_ms)
    assert outcome.events[-1] == account.stopped
    assert account.max_drawdown_pct == pytest.approx(-account.return_pct)
    assert account.return_pct < -15


@both_actions
def test_the_stop_happens_while_sleepers_watch_every_minute_and_each_ping_comes_once(action: StopAction) -> None:
    """Sessions that had ticked at the instant of the stop are woken again at it, and tell nobody twice."""
    heard: list[tuple[str, str, int]] = []

    def hear(event: Any) -> None:
        heard.append((type(event).__name__, event.symbol, event.at_ms))

    parts = {"on_active": hear, "on_tick": hear, "on_idle": hear}
    plan = a_stop(FillModelName.VWAP, action, parts=parts)
    watched = ran(plan)
    skipped_heard, heard[:] = list(heard), []
    stepped = ran(plan, sees_ahead=False)
    assert heard == skipped_heard
    assert len(set(heard)) == len(heard)
    quiet = ran(a_stop(FillModelName.VWAP, action))
    assert watched.events == stepped.events == quiet.events
    ticks = {(symbol, at_ms) for kind, symbol, at_ms in heard if kind == "TickPassed"}
    assert ticks == {(symbol, minute(count)) for symbol in FALLING for count in range(5, MINUTES + 1)}


def test_listeners_hear_of_the_stop_once_and_before_the_positions_that_it_closes() -> None:
    heard: list[str] = []
    candles = {"A": falling(1), "B": falling(2)}

    def register() -> None:
        def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
            return a_long(price, cost=490.0)

        add_strategy("s", interval="1h", get_signal=get_signal)
        listen(PortfolioStopped, lambda event: heard.append(event.rule))
        listen(PositionClosed, lambda event: heard.append(event.trade.reason))

    plan = plan_for(registered(register), candles, portfolio=Portfolio(balance=1000.0, max_drawdown_pct=5.0))
    ran(plan)
    assert heard == ["max_drawdown", CloseReason.PORTFOLIO_STOP, CloseReason.PORTFOLIO_STOP]


def test_a_run_that_stays_above_the_limit_is_not_stopped_and_one_a_hair_below_it_is() -> None:
    candles = {"A": at_levels([100.0] * 20 + [90.0] * 20)}
    model = Settings(fill_model=FillModelName.CANDLE)
    lost_pct = -_net_of_a_fall(candles, model) / 10
    for limit, code in ((lost_pct + 1e-6, 0), (lost_pct - 1e-6, 6)):
        portfolio = Portfolio(balance=1000.0, max_drawdown_pct=limit)
        outcome = ran_both_ways(a_plan(candles, at([10], cost=500.0), portfolio=portfolio, settings=model))
        assert outcome.exit_code == code


def _net_of_a_fall(candles: Mapping[str, Candles], settings: Settings) -> float:
    plan = a_plan(candles, at([10], cost=500.0), portfolio=Portfolio(balance=1000.0), settings=settings)
    (trade,) = trades_of(ran(plan))
    return trade.gain.net


def test_averaging_is_refused_while_entries_are_blocked() -> None:
    def buy(ping: PositionActive) -> None:
        if minute_of(ping.at_ms) % 50 == 0:
            average_buy(10.0)

    candles = {"A": falling(3, 80.0)}
    portfolio = Portfolio(balance=1000.0, max_drawdown_pct=5.0, on_drawdown=StopAction.BLOCK_ENTRIES)
    outcome = ran_both_ways(
        a_plan(candles, at([5], cost=900.0), portfolio=portfolio, parts={"on_active": buy}, interval="1m")
    )
    (stopped,) = of_kind(outcome, PortfolioStopped)
    late = [event for event in of_kind(outcome, CommandRefused) if event.at_ms > stopped.at_ms]
    assert late
    numbers = f"equity {stopped.equity:.2f} is at or below {stopped.limit:.2f}"
    assert {event.problem for event in late} == {f"drawdown from the highest equity: {numbers}, entries are blocked"}
    (trade,) = trades_of(outcome)
    assert all(entry.at_ms <= stopped.at_ms for entry in trade.entries)
