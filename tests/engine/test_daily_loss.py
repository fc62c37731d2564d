"""The daily loss stop of an account: until the next midnight, and what is stopped goes on."""

from datetime import datetime

import numpy as np
import pytest

from backtestkit_cli import (
    CloseReason,
    PortfolioStopped,
    Signal,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.settings import FillModelName, Settings
from tests.engine.coordinated import (
    a_long,
    a_plan,
    equity_by_hand,
    minute,
    minute_of,
    of_kind,
    opened,
    ran_both_ways,
    trades_of,
)
from tests.markets import at_levels

both_models = pytest.mark.parametrize("model", list(FillModelName))
both_actions = pytest.mark.parametrize("action", list(StopAction))
DAYS = 3
FALLS_TWICE = np.concatenate(
    [np.full(600, 100.0), np.linspace(100, 94, 300), np.full(1440 - 900, 94.0), np.linspace(94, 88, 1440)]
)


def of_three_days(symbol: str = "A") -> dict[str, Candles]:
    """Return a market that falls 6 % within the first day, stays, and falls 6 % more slowly in the second."""
    third = np.full(1440, 88.0)
    return {symbol: at_levels(np.concatenate([FALLS_TWICE, third]).tolist())}


def always(_symbol: str, _when: datetime, price: float) -> Signal:
    return a_long(price, cost=900.0)


@both_models
@both_actions
def test_a_daily_loss_blocks_until_the_next_midnight_and_then_entries_are_taken_again(
    model: FillModelName, action: StopAction
) -> None:
    """A77: the base is the equity at midnight, what is stopped goes on, and the run ends with 0."""
    candles = of_three_days()
    portfolio = Portfolio(balance=1000.0, max_daily_loss_pct=3.0, on_daily_loss=action)
    outcome = ran_both_ways(
        a_plan(candles, always, interval="5m", portfolio=portfolio, settings=Settings(fill_model=model))
    )
    assert outcome.exit_code == 0
    stops = of_kind(outcome, PortfolioStopped)
    equity = equity_by_hand(outcome, candles, model, 1000.0, DAYS * 1440)
    expected = []
    for day in range(DAYS):
        base = 1000.0 if day == 0 else float(equity[day * 1440])
        span = equity[max(day * 1440, 5) : (day + 1) * 1440]
        hits = np.flatnonzero(span <= base * 0.97)
        if len(hits):
            expected.append((max(day * 1440, 5) + int(hits[0]), base * 0.97))
    assert [minute_of(stop.at_ms) for stop in stops] == [tick for tick, _ in expected]
    assert [stop.limit for stop in stops] == pytest.approx([limit for _, limit in expected])
    assert len(stops) == 2
    for stop in stops:
        assert (stop.rule, stop.action) == ("max_daily_loss", action)
        assert stop.until_ms == stop.at_ms - stop.at_ms % DAY_MS + DAY_MS
        assert not [tick for tick, _ in opened(outcome) if stop.at_ms <= minute(tick) < stop.until_ms]
    closed = [trade for trade in trades_of(outcome) if trade.reason is CloseReason.PORTFOLIO_STOP]
    if action is StopAction.CLOSE_ALL:
        assert [trade.closed_at_ms for trade in closed] == [stop.at_ms for stop in stops]
        assert [tick for tick, _ in opened(outcome)] == [5, 1440, 2880]
    else:
        assert closed == []
    assert outcome.account is not None
    assert (outcome.account.is_stopped, outcome.account.stopped) == (False, stops[-1])


def test_after_a_daily_loss_the_drawdown_can_still_end_the_run() -> None:
    portfolio = Portfolio(
        balance=1000.0, max_daily_loss_pct=3.0, on_daily_loss=StopAction.BLOCK_ENTRIES, max_drawdown_pct=4.0
    )
    outcome = ran_both_ways(a_plan(of_three_days(), always, interval="5m", portfolio=portfolio))
    assert [stop.rule for stop in of_kind(outcome, PortfolioStopped)] == ["max_daily_loss", "max_drawdown"]
    assert outcome.exit_code == 6
    assert [trade.reason for trade in trades_of(outcome)] == [CloseReason.PORTFOLIO_STOP]
