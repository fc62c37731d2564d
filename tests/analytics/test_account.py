import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import RiskCheck, Signal, add_risk, add_strategy, average_buy, partial_close
from backtestkit_cli.analytics.account import account_curve
from backtestkit_cli.analytics.equity import equity_of
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.events.facts import PortfolioStopped
from backtestkit_cli.runs.backtest import run_backtest
from tests.builders import a_session, an_outcome
from tests.coordinated_run import coordinated_run
from tests.laws import tried
from tests.markets import START_MS, plan_for, random_candles, registered

FRAME_END_MS = START_MS + 3000 * 60_000


def get_signal(_symbol: str, when: Any, price: float) -> Signal:
    if when.hour % 2:
        return Signal(position="long", take_profit=price * 1.03, stop_loss=price * 0.97, minutes=600)
    return Signal(position="short", take_profit=price * 0.97, stop_loss=price * 1.03, minutes=600)


def a_run(
    *, seeds: tuple[int, ...] = (1, 2), on_active: Any = None, signal: Any = get_signal, **portfolio: Any
) -> RunOutcome:
    registry = registered(lambda: add_strategy("busy", interval="15m", get_signal=signal, on_active=on_active))
    candles = {f"S{seed}": random_candles(seed, 3000) for seed in seeds}
    plan = plan_for(registry, candles, portfolio=Portfolio(**({"balance": 1000.0} | portfolio)))
    return asyncio.run(run_backtest(plan))


def managed(ping: Any) -> None:
    minute = ping.at_ms // 60_000
    if minute % 97 == 0:
        average_buy()
    if minute % 131 == 0:
        partial_close(30)


def test_without_a_portfolio_there_is_no_account() -> None:
    assert account_curve(an_outcome(a_session())) == []


def test_the_account_has_a_row_at_each_midnight_and_at_the_end() -> None:
    rows = account_curve(a_run())
    assert [row.timestamp for row in rows] == [START_MS + DAY_MS, START_MS + 2 * DAY_MS, FRAME_END_MS]


@tried(4, 10)
@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
    st.sampled_from([None, 1.0, 3.0]),
    st.sampled_from(StopAction),
)
def test_in_the_end_the_curve_is_where_the_account_is(
    seeds: list[int], drawdown_pct: float | None, action: StopAction
) -> None:
    outcome = a_run(seeds=tuple(seeds), on_active=managed, max_drawdown_pct=drawdown_pct, on_drawdown=action)
    assert outcome.account is not None
    rows = account_curve(outcome)
    assert all(session.trades for session in outcome.sessions)
    assert rows[-1].equity_quote == pytest.approx(outcome.account.equity, abs=1e-9)
    assert rows[-1].cash_quote == pytest.approx(outcome.account.cash, abs=1e-9)
    for row in rows:
        sessions = math.fsum(one.equity_quote for one in equity_of(outcome) if one.timestamp == row.timestamp)
        assert row.equity_quote == pytest.approx(1000 + sessions, abs=1e-9)
        assert row.equity_quote == row.cash_quote + row.positions_quote


def test_at_midnight_the_curve_is_what_a_rule_saw_then() -> None:
    seen: dict[int, tuple[float, float]] = {}

    def watch(check: RiskCheck) -> str:
        assert check.account is not None
        seen[check.at_ms] = check.account.cash, check.account.equity
        return "only watching"

    def register() -> None:
        add_strategy("busy", interval="15m", get_signal=get_signal, on_active=managed)
        add_strategy("zz", interval="1d", get_signal=get_signal)  # the last at each instant
        add_risk("watch", rules=[watch])

    registry = registered(register)
    candles = {name: random_candles(seed, 3000) for seed, name in enumerate("ABC")}
    risks = {"zz": (registry.risks["watch"],)}
    outcome = asyncio.run(run_backtest(plan_for(registry, candles, risks=risks, portfolio=Portfolio(balance=1000.0))))
    rows = {row.timestamp: row for row in account_curve(outcome)}
    midnights = [at_ms for at_ms in rows if at_ms % DAY_MS == 0]
    assert len(midnights) == 2
    for at_ms in midnights:
        assert (rows[at_ms].cash_quote, rows[at_ms].equity_quote) == pytest.approx(seen[at_ms], abs=1e-9)
    assert any(rows[at_ms].positions_quote > 0 for at_ms in midnights)


def test_a_strategy_that_fails_leaves_what_it_had_won_in_the_account() -> None:
    def fails_on_the_second_day(symbol: str, when: Any, price: float) -> Signal:
        if when.day == 2 and symbol == "S1":
            raise ValueError("no more")
        return get_signal(symbol, when, price)

    outcome = a_run(signal=fails_on_the_second_day)
    assert [session.error is None for session in outcome.sessions] == [False, True]
    assert outcome.sessions[0].trades
    assert outcome.account is not None
    assert account_curve(outcome)[-1].equity_quote == pytest.approx(outcome.account.equity, abs=1e-9)


def test_an_account_without_any_session_keeps_its_balance() -> None:
    registry = registered(lambda: add_strategy("busy", interval="15m", get_signal=get_signal))
    plan = plan_for(registry, {"A": random_candles(1, 100)}, symbols=["B"], portfolio=Portfolio(balance=500.0))
    outcome = asyncio.run(run_backtest(plan))
    assert outcome.sessions[0].candles is None
    assert account_curve(outcome) == [(outcome.facts.end_ms, 500.0, 0.0, 500.0)]


def test_a_session_that_the_portfolio_stopped_has_all_its_trades() -> None:
    outcome = coordinated_run()
    for session in outcome.sessions:
        assert session.counts["position_opened"] == session.counts["position_closed"] == len(session.trades)
    stopped = [trade for one in outcome.sessions for trade in one.trades if trade.reason is CloseReason.PORTFOLIO_STOP]
    (stop,) = (event for event in outcome.events if isinstance(event, PortfolioStopped))
    assert stopped
    assert {trade.closed_at_ms for trade in stopped} == {stop.at_ms}
    assert outcome.account is not None
    assert account_curve(outcome)[-1].equity_quote == pytest.approx(outcome.account.equity, abs=1e-9)
    ends = {row.symbol: row.equity_quote for row in equity_of(outcome)}
    assert 1000 + sum(ends.values()) == pytest.approx(outcome.account.equity, abs=1e-9)
