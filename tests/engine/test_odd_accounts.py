"""The account of a run with gaps, without candles, with jobs, and with a session that fails."""

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import (
    CloseReason,
    JobCall,
    PortfolioStopped,
    Side,
    Signal,
    add_job,
    add_strategy,
    listen,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.settings import FillModelName, GapPolicy, Settings
from backtestkit_cli.events.facts import ErrorOccurred
from tests.engine.coordinated import (
    a_long,
    a_plan,
    at,
    equity_by_hand,
    minute,
    minute_of,
    of_kind,
    prices_at,
    ran,
    ran_both_ways,
    trades_of,
)
from tests.engine.falls import FALLING, MINUTES, a_stop, breach_by_hand, falling, five_longs_and_one_that_waits
from tests.markets import candles_of, flat, plan_for, random_candles, registered, with_holes

both_models = pytest.mark.parametrize("model", list(FillModelName))
both_actions = pytest.mark.parametrize("action", list(StopAction))


@both_models
def test_a_symbol_with_missing_minutes_is_valued_and_closed_at_its_last_price(model: FillModelName) -> None:
    """Gaps are skipped: B has no tick at the minute at which A takes the account down."""
    holey = with_holes(falling(2), 5, 0.4)
    candles = {"A": falling(1), "B": holey, "C": with_holes(falling(3), 6, 0.4)}
    settings = Settings(fill_model=model, gaps=GapPolicy.SKIP)
    plan = a_plan(
        candles,
        at([20, 21, 22, 23, 24, 25, 26], cost=320.0),
        portfolio=Portfolio(balance=1000.0, max_drawdown_pct=6.0),
        settings=settings,
    )
    outcome = ran_both_ways(plan)
    (stopped,) = of_kind(outcome, PortfolioStopped)
    equity = equity_by_hand(outcome, candles, model, 1000.0, MINUTES)
    peaks = np.maximum.accumulate(np.maximum(equity, 1000.0))
    assert minute_of(stopped.at_ms) == int(np.flatnonzero(equity <= peaks * 0.94)[0])
    assert stopped.equity == pytest.approx(equity[minute_of(stopped.at_ms)], abs=1e-9)
    assert [trade.symbol for trade in trades_of(outcome)] == ["A", "B", "C"]
    for trade in trades_of(outcome):
        tick = minute_of(stopped.at_ms)
        assert trade.closed_at_ms == stopped.at_ms
        assert trade.price_close == pytest.approx(prices_at(candles[trade.symbol], model, tick + 1)[tick], rel=1e-12)


def test_a_symbol_without_candles_fails_alone_and_the_others_are_stopped_all_the_same() -> None:
    plan = a_stop(FillModelName.VWAP, StopAction.CLOSE_ALL, symbols=[*FALLING, "NONE"])
    outcome = ran_both_ways(plan)
    failed = [session for session in outcome.sessions if session.error]
    assert [session.symbol for session in failed] == ["NONE"]
    assert of_kind(outcome, PortfolioStopped) == of_kind(
        ran(a_stop(FillModelName.VWAP, StopAction.CLOSE_ALL)), PortfolioStopped
    )
    assert outcome.exit_code == 6


def test_shorts_take_an_account_down_as_well() -> None:
    candles = {"A": candles_of(np.linspace(100, 118, MINUTES).tolist())}

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        return Signal(position="short", take_profit=price * 0.5, stop_loss=price * 1.19, cost=900.0, minutes=1440)

    outcome = ran_both_ways(
        a_plan(candles, get_signal, portfolio=Portfolio(balance=1000.0, max_drawdown_pct=10.0), interval="1h")
    )
    (stopped,), (trade,) = of_kind(outcome, PortfolioStopped), trades_of(outcome)
    equity = equity_by_hand(outcome, candles, FillModelName.VWAP, 1000.0, MINUTES)
    assert minute_of(stopped.at_ms) == breach_by_hand(equity, 5)
    assert (trade.side, trade.reason) == (Side.SHORT, CloseReason.PORTFOLIO_STOP)


def test_a_stop_between_two_boundaries_does_not_make_a_job_run_early() -> None:
    order: list[int | str] = []
    late: list[tuple[int, str]] = []

    def register() -> None:
        add_strategy(
            "s",
            interval="1h",
            get_signal=five_longs_and_one_that_waits,
            on_end=lambda e: late.append((e.at_ms, e.symbol)),
        )
        add_job("hourly", every="1h", handler=lambda call: order.append(_at(call)))
        listen(PortfolioStopped, lambda _: order.append("stop"))

    def _at(call: JobCall) -> int:
        return minute_of(to_ms(call.when))

    plan = plan_for(registered(register), {"A": falling(1)}, portfolio=Portfolio(balance=1000.0, max_drawdown_pct=1.0))
    outcome = ran_both_ways(plan)
    (stopped,) = of_kind(outcome, PortfolioStopped)
    tick = minute_of(stopped.at_ms)
    assert tick % 60
    hours = [60, 120, 180, 240, 300, 360]
    before, after = [hour for hour in hours if hour < tick], [hour for hour in hours if hour > tick]
    assert before
    assert order == [*before, "stop", *after] * 2
    assert late == [(minute(MINUTES), "A")] * 2


def test_a_session_that_sleeps_through_the_rest_is_over_at_the_end_of_the_frame_and_not_at_a_stop() -> None:
    """A batch strategy without further entries is done long before; the stop wakes its session all the same."""
    ended: list[tuple[str, int]] = []

    def entries(candles: Candles) -> Any:
        is_first = np.arange(len(candles)) == 9
        return {"side": is_first, "take_profit": candles.close * 1.5, "stop_loss": candles.close * 0.81,
                "minutes": np.where(candles.close == 100.0, 5, 1440), "cost": 450.0}  # fmt: skip

    def register() -> None:
        add_strategy("s", entries=entries, on_end=lambda e: ended.append((e.symbol, minute_of(e.at_ms))))

    candles = {"A": falling(1), "B": falling(2), "W": flat(MINUTES)}
    portfolio = Portfolio(balance=1400.0, max_drawdown_pct=5.0)
    outcome = ran_both_ways(plan_for(registered(register), candles, portfolio=portfolio))
    assert len(of_kind(outcome, PortfolioStopped)) == 1
    assert ended == [("A", MINUTES), ("B", MINUTES), ("W", MINUTES)] * 2, "in the order of the end"


def a_failure_while_open(monkeypatch: pytest.MonkeyPatch) -> tuple[RunOutcome, RunOutcome]:
    """Run twice, the second time with the session of A failing at minute 60 while its position is open.

    An author's code runs only while nothing is open, or where its failures are events, so that it takes a bug of ours.
    """
    from backtestkit_cli.engine.session import Session

    candles = {"A": random_candles(1, 200, volatility=0.001), "B": random_candles(2, 200, volatility=0.001)}

    def get_signal(_symbol: str, when: datetime, price: float) -> Signal | None:
        return a_long(price, cost=100.0) if minute_of(to_ms(when)) >= 10 else None

    plan = a_plan(candles, get_signal, portfolio=Portfolio(balance=1000.0), parts={"on_tick": lambda _: None})
    whole = ran(plan)
    ping = Session._ping_tick

    async def failing(self: Any) -> None:
        await ping(self)
        if (self._plan.symbol, minute_of(self._desk.when_ms)) == ("A", 60):
            raise LookupError("broken")

    monkeypatch.setattr(Session, "_ping_tick", failing)
    return whole, ran_both_ways(plan)


def test_a_position_of_a_failed_session_counts_as_sold_at_that_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = a_failure_while_open(monkeypatch)
    assert {s.symbol: s.error is None for s in broken.sessions} == {"A": False, "B": True}
    assert {s.symbol: len(s.trades) for s in broken.sessions} == {"A": 0, "B": 1}
    (lost,) = [trade for trade in trades_of(whole) if trade.symbol == "A"]
    price = prices_at(random_candles(1, 200, volatility=0.001), FillModelName.VWAP, 61)[60]
    rate = (1 - 0.001) / (1 + 0.001) * price / lost.price_open
    expected = 100.0 * (rate * (1 - 0.001) - (1 + 0.001))
    account = broken.account
    assert account is not None
    assert account.abandoned_net == pytest.approx(expected)
    net = sum(trade.gain.net for trade in trades_of(broken))
    assert account.equity == account.cash == pytest.approx(1000.0 + net + account.abandoned_net)
    assert broken.exit_code == 4
    assert len(of_kind(broken, ErrorOccurred)) == 1
