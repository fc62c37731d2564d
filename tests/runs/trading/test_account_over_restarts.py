"""What the sessions of a run share, over kills and restarts: stops, cool-downs, places, the account."""

from collections.abc import Mapping
from typing import Any

import pytest

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.position import Position
from backtestkit_cli.engine.memory import PortfolioMemory
from backtestkit_cli.events.facts import PortfolioStopped, PositionClosed, PositionOpened, SignalRefused
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.policies.risk.counts import MaxOpen
from backtestkit_cli.policies.risk.losses import CoolDown
from backtestkit_cli.policies.risk.pace import MaxSignals
from tests.engine.coordinated import a_plan, a_profile, at
from tests.markets import at_levels, flat
from tests.runs.trading.going_on import Bot, minute_of, of_kind, run_now

FALL = {"A": at_levels([100.0] * 20 + [100.0 - 0.5 * step for step in range(60)])}
"""Flat for 20 minutes, then down by half a percent a minute."""


def falling_bot(action: StopAction = StopAction.CLOSE_ALL, **limits: Any) -> Bot:
    portfolio = Portfolio(balance=1000.0, on_drawdown=action, on_daily_loss=action, **limits)
    return Bot(plan=a_plan(FALL, at(range(10, 80), cost=800.0), interval="1m", portfolio=portfolio), candles=FALL)


def test_a_drawdown_stop_survives_a_restart_with_its_reason_and_ends_the_run() -> None:
    """D36: killed after the stop, a new process opens nothing, says why, and ends with exit code 6 at once."""
    bot = falling_bot(max_drawdown_pct=5.0)
    stopped = bot.outcome(10, 70)
    assert stopped.exit_code == 6
    (told,) = of_kind(bot.heard, PortfolioStopped)
    (trade,) = stopped.sessions[0].trades
    assert (trade.reason.value, trade.closed_at_ms) == ("portfolio_stop", told.at_ms)
    assert minute_of(stopped.facts.end_ms) < 70, "the run ends by itself: nothing is left to look after"
    bot.heard.clear()
    again = bot.outcome(75, 79)
    assert again.exit_code == 6
    assert again.account is not None
    assert again.account.stopped == told
    assert again.account.max_drawdown_pct == pytest.approx(stopped.account.max_drawdown_pct)  # type: ignore[union-attr]
    assert not of_kind(bot.heard, PositionOpened)
    assert not of_kind(bot.heard, PortfolioStopped), "it is told once"


def test_a_stop_that_was_saved_and_not_obeyed_is_obeyed_after_the_restart() -> None:
    """A stop is saved before it is told: killed in between, it is told and all is closed by the next process."""
    bot = falling_bot(max_drawdown_pct=5.0)
    last = bot.dies(10, 70, lambda key, record: "portfolio" in key and record["content"]["stop"])
    assert not of_kind(bot.heard, PortfolioStopped)
    outcome = bot.outcome(last + 2, 75)
    assert outcome.exit_code == 6
    assert [event.rule for event in of_kind(bot.heard, PortfolioStopped)] == ["max_drawdown"]
    (trade,) = outcome.sessions[0].trades
    assert trade.reason.value in {"portfolio_stop", "stop_loss"}
    assert len(of_kind(bot.heard, PositionOpened)) == 1


def test_a_daily_loss_still_blocks_after_a_restart_on_the_same_day() -> None:
    """D36: the base of the day and the stop until midnight go over to the next process."""
    bot = falling_bot(max_daily_loss_pct=5.0)
    bot.lives(10, 50, killed=True)
    (told,) = of_kind(bot.heard, PortfolioStopped)
    assert told.until_ms is not None
    outcome = bot.outcome(52, 60)
    assert len(of_kind(bot.heard, PositionOpened)) == 1
    assert outcome.exit_code == 0, "a daily loss is no end"
    assert outcome.account is not None
    assert outcome.account.stopped == told
    (trade,) = outcome.sessions[0].trades
    assert outcome.account.equity == pytest.approx(1000.0 + trade.gain.net)


def test_a_drawdown_counts_from_the_peak_of_an_earlier_process() -> None:
    """A restart at the bottom does not make the bottom the peak."""
    bot = falling_bot(StopAction.BLOCK_ENTRIES, max_drawdown_pct=14.0)
    bot.lives(10, 30, killed=True)
    bot.lives(31, 60, killed=True)
    (told,) = of_kind(bot.heard, PortfolioStopped)
    assert told.limit == pytest.approx(1000.0 * 0.86)


@pytest.mark.parametrize("action", list(StopAction))
def test_a_restarted_account_stops_where_the_uninterrupted_one_does(action: StopAction) -> None:
    whole, parts = falling_bot(action, max_drawdown_pct=5.0), falling_bot(action, max_drawdown_pct=5.0)
    whole.lives(10, 79)
    for start in range(10, 79, 8):
        parts.lives(start, start + 7, killed=True)
    expected, found = (of_kind(bot.heard, PortfolioStopped) for bot in (whole, parts))
    assert found == expected
    trades = [[event.trade for event in of_kind(bot.heard, PositionClosed)] for bot in (whole, parts)]
    assert trades[0] == trades[1]


def test_a_cool_down_after_losses_survives_a_restart() -> None:
    """A79: two losses close entries for an hour, and go on to do so in the next process."""
    candles = {"A": at_levels([100.0] * 20 + [95.0] * 100)}
    profile = a_profile(CoolDown(losses=1, within_minutes=60, minutes=60))
    bot = Bot(plan=a_plan(candles, at(range(10, 115), stop_loss=98.0, take_profit=150.0), profile), candles=candles)
    bot.plan = a_plan(candles, at([10], stop_loss=98.0), profile)
    bot.lives(10, 30, killed=True)
    (closed,) = of_kind(bot.heard, PositionClosed)
    assert closed.trade.gain.net < 0
    bot.plan = a_plan(candles, at(range(30, 115)), profile)
    bot.outcome(31, 110)
    refused = of_kind(bot.heard, SignalRefused)
    assert {one.rule for one in refused} == {"cool_down"}
    again = of_kind(bot.heard, PositionOpened)[1]
    assert again.at_ms == closed.at_ms + 60 * 60_000


def test_signals_let_through_before_a_kill_count_for_the_pace_after_it() -> None:
    candles = {"A": flat(120)}
    profile = a_profile(MaxSignals(count=1, minutes=60))
    bot = Bot(plan=a_plan(candles, at(range(10, 110), minutes=5), profile), candles=candles)
    bot.lives(10, 20, killed=True)
    bot.lives(21, 100, killed=True)
    assert [minute_of(event.at_ms) for event in of_kind(bot.heard, PositionOpened)] == [10, 70]


def two_of_many(candles: Mapping[str, Candles]) -> Bot:
    profile = a_profile(MaxOpen(2))
    portfolio = Portfolio(balance=10_000.0)
    signals = at(range(10, 110, 3), minutes=7, cost=100.0)
    return Bot(plan=a_plan(candles, signals, profile, portfolio=portfolio), candles=candles)


def saved(bot: Bot, kind: Any) -> Any:
    return run_now(RunJournal(bot.store, "paper", "held").recall(kind))


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("write", [2, 5, 7, 11])
def test_killed_at_any_write_places_are_those_of_open_positions(write: int, is_written: bool) -> None:
    """A88, A129, A93: after the restart as many places are taken as positions are open, and none is left reserved."""
    candles = {symbol: flat(120) for symbol in "ABCD"}
    bot, count = two_of_many(candles), iter(range(1, 10_000))
    last = bot.dies(10, 40, lambda _key, _record: next(count) == write, is_written=is_written)
    portfolio = saved(bot, PortfolioMemory)
    assert portfolio is None or portfolio.peak_equity > 0, "the old record or the new one, never half of one"
    most: list[int] = []
    bot.on_look = lambda status: most.append(sum(isinstance(one.state, Position) for one in status.sessions))
    outcome = bot.outcome(last + 2, last + 30)
    assert max(most) == 2, "all places are in use again, and never more"
    held = most[-1]
    assert outcome.account is not None
    net = sum(trade.gain.net for one in outcome.sessions for trade in one.trades)
    assert outcome.account.cash == pytest.approx(10_000.0 + net - held * 100.0 * 1.001)
    ids = [trade.id for one in outcome.sessions for trade in one.trades]
    assert len(ids) == len(set(ids)) >= 4
