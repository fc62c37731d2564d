"""Limits across symbols and strategies: the same ones get the places, however the run is driven."""

import asyncio
import random
from datetime import datetime
from typing import Any

import pytest

from backtestkit_cli import MaxOpen, MaxOpenPerStrategy, MaxOpenPerSymbol, RiskCheck, Side, Signal
from backtestkit_cli.runs.backtest import run_backtest
from tests.engine.coordinated import (
    NINE,
    a_long,
    a_plan,
    a_profile,
    at,
    opened,
    ran,
    ran_both_ways,
    refusals,
    trades_of,
)
from tests.markets import flat, random_candles

MARKETS = {symbol: random_candles(seed, 120) for seed, symbol in enumerate(NINE)}


async def slowly(symbol: str, when: datetime, price: float) -> Signal | None:
    """Answer later the earlier the symbol is in the alphabet."""
    await asyncio.sleep((9 - NINE.index(symbol)) / 10_000)
    signal: Signal | None = at([30])(symbol, when, price)
    return signal


def test_of_nine_symbols_that_open_at_one_minute_the_same_three_do_whatever_the_order_of_the_list() -> None:
    """A76, A125: three places, taken in the order of symbols."""
    for seed in range(6):
        listed = random.Random(seed).sample(NINE, 9)
        outcome = ran_both_ways(a_plan(MARKETS, at([30]), a_profile(MaxOpen(3)), symbols=listed))
        assert opened(outcome) == [(30, "A"), (30, "B"), (30, "C")]
        assert [row[:4] for row in refusals(outcome)] == [(30, s, "careful", "max_open") for s in "DEFGHI"]
        assert refusals(outcome)[0][4] == "at most 3 may be open, found 3"


@pytest.mark.parametrize("max_concurrent", range(1, 10))
def test_bounding_the_sessions_at_once_changes_nothing_where_they_share_places(max_concurrent: int) -> None:
    plan = a_plan(MARKETS, at([30, 31, 60]), a_profile(MaxOpen(3)))
    bounded = ran(plan, max_concurrent=max_concurrent)
    assert (bounded.events, bounded.sessions) == ((free := ran(plan)).events, free.sessions)
    assert {symbol for _, symbol in opened(bounded)} == {"A", "B", "C"}


@pytest.mark.parametrize("sees_ahead", [True, False])
def test_answers_that_come_in_another_order_take_the_same_places(sees_ahead: bool) -> None:
    outcome = ran(a_plan(MARKETS, slowly, a_profile(MaxOpen(3))), sees_ahead=sees_ahead)
    assert outcome.events == ran(a_plan(MARKETS, at([30]), a_profile(MaxOpen(3)))).events


def test_a_place_is_free_again_at_the_tick_at_which_its_position_closes_for_sessions_after_it() -> None:
    """A closes at minute 40 and is woken before B and C, so that B takes the place at that very tick."""
    candles = dict.fromkeys("ABC", flat(80))

    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        return a_long(price, minutes=10 if symbol == "A" else 1000)

    outcome = ran_both_ways(a_plan(candles, get_signal, a_profile(MaxOpen(1)), warm_up=30))
    assert opened(outcome) == [(30, "A"), (40, "B")]


def test_three_strategies_see_each_others_positions_in_the_order_they_opened() -> None:
    """A123: the payload of a rule in a run of three strategies on two symbols."""
    seen: list[RiskCheck] = []

    def look(check: RiskCheck) -> None:
        seen.append(check)

    plan = a_plan(
        {"X": flat(60), "Y": flat(60)}, at([20]), a_profile(look), strategies=("one", "two", "three"), warm_up=10
    )
    outcome = ran(plan)
    assert [(check.symbol, check.strategy, check.active_count) for check in seen] == [
        ("X", "one", 0),
        ("X", "three", 1),
        ("X", "two", 2),
        ("Y", "one", 3),
        ("Y", "three", 4),
        ("Y", "two", 5),
    ]
    last = seen[-1]
    assert (last.when.isoformat(), last.price, last.cost, last.side) == (
        "2025-01-01T00:20:00+00:00",
        100.0,
        100.0,
        Side.LONG,
    )
    assert [(p.symbol, p.strategy, p.side, p.cost, p.opened_at) for p in last.positions] == [
        (check.symbol, check.strategy, Side.LONG, 100.0, check.when) for check in seen[:-1]
    ]
    assert [(one.symbol, one.strategy) for one in last.admitted] == [(c.symbol, c.strategy) for c in seen[:-1]]
    assert len(trades_of(outcome)) == 6


def test_what_a_rule_saw_does_not_change_afterwards() -> None:
    """A check is kept in events: history that comes later must not show in it, or a listener could look ahead."""
    seen: list[tuple[RiskCheck, int, int]] = []

    def look(check: RiskCheck) -> None:
        seen.append((check, len(check.admitted), len(check.trades)))

    ran(a_plan({"A": flat(60)}, at(list(range(60)), minutes=5), a_profile(look)))
    assert seen[-1][2] > 5
    for check, admitted, trades in seen:
        assert len(list(check.admitted)) == len(check.admitted) == admitted
        assert len(list(reversed(check.trades))) == len(check.trades[:]) == trades
        assert not hasattr(check.trades, "append")


def test_limits_by_strategy_and_by_symbol_hold_at_the_boundary_in_a_run() -> None:
    """A128: two of a strategy, one of a symbol."""
    plan = a_plan(dict.fromkeys("ABC", flat(60)), at([20]), a_profile(MaxOpenPerStrategy(2)), warm_up=10)
    assert opened(ran(plan)) == [(20, "A"), (20, "B")]
    plan = a_plan(
        dict.fromkeys("AB", flat(60)), at([20]), a_profile(MaxOpenPerSymbol(1)), strategies=("p", "q"), warm_up=10
    )
    outcome = ran(plan)
    assert [(t.symbol, t.strategy) for t in trades_of(outcome)] == [("A", "p"), ("B", "p")]


def test_without_a_portfolio_and_profiles_a_symbol_among_others_trades_as_it_does_alone() -> None:
    """A94: the default couples nothing."""

    def get_signal(_symbol: str, when: datetime, price: float) -> Signal:
        return Signal(position="long", take_profit=price * 1.006, stop_loss=price * 0.994, minutes=30)

    among = ran(a_plan(MARKETS, get_signal))
    for session in among.sessions:
        (alone,) = ran(a_plan({session.symbol: MARKETS[session.symbol]}, get_signal)).sessions
        assert session == alone
        assert session.trades
    assert among.account is None


async def test_two_runs_at_once_do_not_share_their_places() -> None:
    plan = a_plan(MARKETS, slowly, a_profile(MaxOpen(3)))
    outcomes = await asyncio.gather(run_backtest(plan), run_backtest(plan))
    assert [opened(outcome) for outcome in outcomes] == [[(30, "A"), (30, "B"), (30, "C")]] * 2


def test_a_thousand_increments_by_interleaving_async_handlers_give_a_thousand() -> None:
    """A87: handlers of a run are called one at a time, so that read, wait, write is atomic between symbols."""
    count = {"value": 0}

    async def bump(_event: Any) -> None:
        before = count["value"]
        await asyncio.sleep(0)
        count["value"] = before + 1

    candles = dict.fromkeys("ABCDE", flat(206))
    plan = a_plan(candles, at([5]), a_profile(MaxOpen(9)), parts={"on_active": bump})
    outcome = ran(plan)
    assert len(trades_of(outcome)) == 5
    assert count["value"] == 1000
