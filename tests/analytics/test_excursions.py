import asyncio
import math
import time
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import Signal, add_strategy
from backtestkit_cli.analytics.equity import ledger_of, position_at
from backtestkit_cli.analytics.excursions import trade_paths
from backtestkit_cli.analytics.outcome import TradePath
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.runs.backtest import run_backtest
from tests.analytics.random_trades import trade_lists
from tests.builders import COSTS, START_MS, Step, a_trade
from tests.laws import tried
from tests.markets import plan_for, random_candles, registered, with_holes

FREE = Costs(0.0, 0.0)


def flat(minutes: int, *, low: dict[int, float] | None = None, high: dict[int, float] | None = None) -> Candles:
    """Return minutes at 100 whose lows and highs differ where it is said."""
    lows, highs = np.full(minutes, 100.0), np.full(minutes, 100.0)
    for column, others in ((lows, low or {}), (highs, high or {})):
        column[list(others)] = list(others.values())
    still = np.full(minutes, 100.0)
    return Candles.frozen(START_MS + np.arange(minutes) * MINUTE_MS, still, highs, lows, still, still)


def path_of(trade: Trade, candles: Candles, costs: Costs = FREE, *, is_touch_model: bool = False) -> TradePath:
    (path,) = trade_paths([trade], candles, costs, is_touch_model=is_touch_model)
    return path


def test_a_long_stood_worst_at_the_lowest_low_and_best_at_the_highest_high() -> None:
    candles = flat(60, low={10: 97.0, 20: 95.0}, high={30: 104.0})
    assert path_of(a_trade(minutes=60, costs=FREE), candles)[:2] == pytest.approx((-5, 4))


def test_a_short_stood_worst_at_the_highest_high() -> None:
    candles = flat(60, low={10: 97.0}, high={30: 104.0})
    trade = a_trade(minutes=60, side=Side.SHORT, price_close=99.0, costs=FREE)
    assert path_of(trade, candles)[:2] == pytest.approx((-4, 3))


def test_costs_are_paid_at_the_worst_and_at_the_best() -> None:
    trade, candles = a_trade(minutes=60), flat(60, low={10: 95.0})
    position = position_at(trade, trade.opened_at_ms, COSTS)
    assert path_of(trade, candles, COSTS).mae_pct == pytest.approx(position.value_at(95.0, COSTS).net)


def test_the_candles_before_the_opening_and_that_of_the_exit_are_not_looked_at() -> None:
    trade = a_trade(opened_at_ms=START_MS + 10 * MINUTE_MS, minutes=20, costs=FREE)
    outside = flat(60, low={9: 1.0, 29: 1.0, 30: 1.0}, high={9: 900.0, 29: 900.0, 30: 900.0})
    assert path_of(trade, outside)[:2] == pytest.approx((0, 1))
    inside = flat(60, low={10: 90.0}, high={28: 120.0})
    assert path_of(trade, inside)[:2] == pytest.approx((-10, 20))


def test_the_result_itself_and_the_opening_are_on_the_path() -> None:
    assert path_of(a_trade(minutes=1, price_close=80.0, costs=FREE), flat(1))[:2] == pytest.approx((-20, 0))
    assert path_of(a_trade(minutes=0, price_close=130.0, costs=FREE), flat(0))[:2] == pytest.approx((0, 30))
    opened = path_of(a_trade(minutes=1, price_close=130.0), flat(1), COSTS).mae_pct
    assert opened == pytest.approx(-0.3996, abs=1e-4)


def test_what_was_bought_and_sold_counts_from_then_on_in_percent_of_all_that_was_put_in() -> None:
    steps: list[Step] = [("buy", 10, 80.0, 80.0), ("sell", 20, 100.0, 50.0)]
    trade = a_trade(minutes=30, price_close=90.0, steps=steps, costs=FREE)
    candles = flat(30, low={5: 70.0, 15: 75.0, 25: 85.0}, high={5: 100.0, 15: 100.0, 25: 100.0})
    # 1 piece at 70: -30; two at 75, of a cost of 180: -30; 10 won by the sale and one, of 90, at 85: 10 - 5.
    assert path_of(trade, candles).mae_pct == pytest.approx(-30 / 180 * 100)
    assert path_of(trade, candles).mfe_pct == pytest.approx(20 / 180 * 100)


def test_a_hole_in_the_candles_is_not_looked_at() -> None:
    whole = flat(60, low={10: 90.0, 20: 95.0})
    candles = whole.chosen(np.arange(60) != 10)
    assert path_of(a_trade(minutes=60, costs=FREE), candles).mae_pct == pytest.approx(-5)
    assert path_of(a_trade(minutes=60, costs=FREE), Candles.empty())[:2] == pytest.approx((0, 1))


BOTH = {"low": {59: 97.9}, "high": {59: 102.1}}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("reason", "is_touch_model", "reached", "expected"),
    [
        (CloseReason.STOP_LOSS, True, BOTH, True),
        (CloseReason.TAKE_PROFIT, True, BOTH, True),
        (CloseReason.TIME_EXPIRED, True, BOTH, False),
        (CloseReason.STOP_LOSS, False, BOTH, False),
        (CloseReason.STOP_LOSS, True, {"low": {59: 97.9}}, False),
        (CloseReason.STOP_LOSS, True, {"low": {58: 97.9, 60: 97.9}, "high": {58: 102.1, 60: 102.1}}, False),
        (CloseReason.STOP_LOSS, True, {"low": {59: 98.0}, "high": {59: 102.0}}, True),
    ],
)
def test_an_exit_is_ambiguous_where_a_touched_candle_reached_stop_and_target(
    side: Side, reason: CloseReason, *, is_touch_model: bool, reached: dict[str, dict[int, float]], expected: bool
) -> None:
    trade = a_trade(side=side, minutes=60, reason=reason)
    assert path_of(trade, flat(70, **reached), is_touch_model=is_touch_model).is_ambiguous is expected


def test_an_exit_whose_candle_is_missing_is_not_ambiguous() -> None:
    trade = a_trade(minutes=60, reason=CloseReason.STOP_LOSS)
    for candles in (flat(70, **BOTH).chosen(np.arange(70) != 59), flat(59), Candles.empty()):
        assert not path_of(trade, candles, is_touch_model=True).is_ambiguous


def test_in_a_run_doubt_is_decided_against_us_so_only_stops_are_ambiguous_with_or_without_trailing() -> None:
    def get_signal(_symbol: str, when: datetime, price: float) -> Signal:
        return Signal(
            position="long",
            take_profit=price * 1.008,
            stop_loss=price * 0.992,
            minutes=600,
            trailing_stop_pct=0.7 if when.hour % 3 == 0 else None,
        )

    registry = registered(lambda: add_strategy("busy", interval="15m", get_signal=get_signal))
    candles = random_candles(5, 3000)
    plan = plan_for(registry, {"A": candles}, settings=Settings(fill_model=FillModelName.CANDLE))
    (session,) = asyncio.run(run_backtest(plan)).sessions
    paths = trade_paths(session.trades, candles, COSTS, is_touch_model=True)
    doubtful = [trade for trade, path in zip(session.trades, paths, strict=True) if path.is_ambiguous]
    assert {trade.reason for trade in doubtful} == {CloseReason.STOP_LOSS}
    assert 3 < len(doubtful) < len(session.trades) / 2
    for trade in session.trades:
        last = candles.between(trade.closed_at_ms - MINUTE_MS, trade.closed_at_ms)[0]
        if trade.reason is CloseReason.STOP_LOSS:  # the level is the one it ended with, trailed or not
            assert trade.price_close == min(trade.stop_loss, last.open)
            assert (trade in doubtful) == (last.high >= trade.take_profit)


def test_without_trades_there_are_no_paths() -> None:
    assert trade_paths([], flat(5), COSTS, is_touch_model=True) == ()


def slow_path(trade: Trade, candles: Candles) -> tuple[float, float]:
    """Return worst and best of *trade* minute by minute, with the ledger of the domain."""
    results = [trade.gain.net]
    results += [position.value_at(price, COSTS).net for _, price, position in ledger_of(trade, COSTS)]
    for candle in candles:
        if trade.opened_at_ms <= candle.timestamp < trade.closed_at_ms - MINUTE_MS:
            position = position_at(trade, candle.timestamp, COSTS)
            results += [position.value_at(price, COSTS).net for price in (candle.low, candle.high)]
    return min(results) / trade.invested * 100, max(results) / trade.invested * 100


MARKET = random_candles(3, 600)
MARKET = Candles.frozen(
    START_MS + np.arange(600) * MINUTE_MS, MARKET.open, MARKET.high, MARKET.low, MARKET.close, MARKET.volume
)
HOLES = with_holes(MARKET, 4, 0.3)


@tried(10, 30)
@given(trade_lists(max_wait=60, max_minutes=60), st.sampled_from([MARKET, HOLES]))
def test_paths_are_those_of_a_replay_minute_by_minute(trades: list[Trade], candles: Candles) -> None:
    paths = trade_paths(trades, candles, COSTS, is_touch_model=True)
    for trade, path in zip(trades, paths, strict=True):
        assert path.mae_pct <= trade.pnl_pct <= path.mfe_pct
        assert path[:2] == pytest.approx(slow_path(trade, candles), rel=1e-9, abs=1e-9)


def fastest_ms(trades: Sequence[Trade], candles: Candles) -> float:
    def once() -> float:
        began = time.process_time()
        trade_paths(trades, candles, COSTS, is_touch_model=True)
        return (time.process_time() - began) * 1000

    return min(once() for _ in range(3))


def test_two_thousand_trades_on_forty_thousand_candles_take_a_moment() -> None:
    candles = flat(40_000)
    trades = [a_trade(opened_at_ms=START_MS + n * 20 * MINUTE_MS, minutes=15) for n in range(2000)]
    assert fastest_ms(trades, candles) < 100  # 25 ms where it was written
    assert math.isfinite(trade_paths(trades, candles, COSTS, is_touch_model=True)[-1].mae_pct)
