"""Partial levels: each once a signal, on both bases, long and short, and what is told of them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    LossLevelReached,
    PositionActive,
    ProfitLevelReached,
    Side,
    Signal,
    add_strategy,
    average_buy,
    listen,
    move_take_profit,
)
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position, Progress
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, PartialBasis, Settings
from backtestkit_cli.engine.exits import ReachesLevels
from backtestkit_cli.engine.steps import Tick, taken
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.policies.exits.partial_levels import level_price, levels_reached, next_band, reached_pct
from backtestkit_cli.runs.backtest import run_backtest
from tests.builders import a_position
from tests.engine.manoeuvres import AT, a_signal, lived, minute_of, only_at, then, told
from tests.engine.orders import CANDLE, VWAP
from tests.laws import tried
from tests.markets import START_MS, plan_for, random_candles, registered

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])
approx: Any = pytest.approx
REVENUE, PROGRESS = PartialBasis.REVENUE, PartialBasis.PROGRESS
WIDE: dict[str, Any] = {"take_profit": 250.0, "stop_loss": 10.0}
WIDE_SHORT: dict[str, Any] = {"position": "short", "take_profit": 20.0, "stop_loss": 190.0}


def levels(signal: Signal, prices: Sequence[float], model: FillModelName, **others: Any) -> list[tuple[int, int]]:
    """Return minute and level of each level event, those in loss negative."""
    events, _ = told(signal, then(*prices), model, **others)
    return [
        (minute_of(event), event.level if isinstance(event, ProfitLevelReached) else -event.level)
        for event in events
        if isinstance(event, ProfitLevelReached | LossLevelReached)
    ]


@both_models
@pytest.mark.parametrize("sign", [1, -1])
def test_a136_a_path_that_crosses_10_and_20_twice_emits_two(model: FillModelName, sign: int) -> None:
    signal = a_signal(**(WIDE if sign > 0 else WIDE_SHORT))
    path = [100 + sign * move for move in (5, 10, 15, 20, 12, 8, 11, 21, 3, 29)]
    assert levels(signal, path, model) == [(2, 10), (4, 20)]


@both_models
def test_a136_profit_and_loss_are_counted_apart_from_10_to_100(model: FillModelName) -> None:
    path = [100.0 + move for move in (-15, 15, -35, 25, 100, -80, 120)]
    reached = levels(a_signal(**WIDE), path, model)
    assert reached[:4] == [(1, -10), (2, 10), (3, -20), (3, -30)]
    assert [level for _, level in reached if level > 0] == list(range(10, 101, 10))
    assert [level for _, level in reached if level < 0] == list(range(-10, -81, -10))


@both_models
def test_a137_by_revenue_61000_from_50000_is_10_and_20_and_22_percent(model: FillModelName) -> None:
    signal = a_signal(take_profit=70_000.0, stop_loss=40_000.0)
    events, _ = told(signal, then(61_000, before=50_000), model)
    assert [(e.level, e.percent) for e in events if isinstance(e, ProfitLevelReached)] == [(10, 22.0), (20, 22.0)]


@both_models
def test_a137_by_progress_55000_on_the_way_from_50000_to_60000_is_10_to_50(model: FillModelName) -> None:
    signal = a_signal(take_profit=60_000.0, stop_loss=40_000.0)
    events, _ = told(signal, then(55_000, before=50_000), model, partial_basis=PROGRESS)
    found = [(event.level, event.percent) for event in events if isinstance(event, ProfitLevelReached)]
    assert found == [(level, 50.0) for level in (10, 20, 30, 40, 50)]


@both_models
@pytest.mark.parametrize("side", ["long", "short"])
def test_a137_progress_in_loss_is_the_way_to_the_first_stop(model: FillModelName, side: str) -> None:
    sign = 1 if side == "long" else -1
    signal = a_signal(position=side, take_profit=100 + 10.0 * sign, stop_loss=100 - 20.0 * sign)
    path = [100 + sign * move for move in (-1.9, -2, -7, 1, 9, 9.9)]
    assert levels(signal, path, model, partial_basis=PROGRESS) == [
        *((2, -10), (3, -20), (3, -30), (4, 10)),
        *((5, level) for level in range(20, 91, 10)),
    ]


@both_models
def test_a138_a_level_event_has_symbol_price_level_percent_signal_and_time(model: FillModelName) -> None:
    heard: list[ProfitLevelReached] = []
    outcome = lived(a_signal(**WIDE), then(112.5), model, on_partial_profit=heard.append)
    (event,) = heard
    assert (event.strategy, event.symbol, event.price, event.level) == ("s", "AAA", 112.5, 10)
    assert event.percent == 12.5
    assert event.at_ms == START_MS + (AT + 1) * 60_000
    assert event.position.id == outcome.sessions[0].trades[0].id
    assert event.position.progress.profit_level == 10
    row = event_row(event)
    assert row["event"] == "profit_level_reached"
    assert (row["signal_id"], row["symbol"], row["price"], row["level"], row["percent"]) == (
        event.position.id,
        "AAA",
        112.5,
        10,
        12.5,
    )


@both_models
@pytest.mark.parametrize("basis", [REVENUE, PROGRESS])
def test_a139_a_jump_from_0_to_35_emits_10_20_and_30_in_order(model: FillModelName, basis: PartialBasis) -> None:
    jump = a_signal(take_profit=200.0, stop_loss=10.0)
    assert levels(jump, [135.0], model, partial_basis=basis) == [(1, 10), (1, 20), (1, 30)]
    fall = a_signal(take_profit=200.0, stop_loss=10.0 if basis is REVENUE else 50.0)
    price = 65.0 if basis is REVENUE else 82.5
    assert levels(fall, [price], model, partial_basis=basis) == [(1, -10), (1, -20), (1, -30)]


@both_models
def test_a_level_is_reached_exactly_at_its_price_and_not_a_hair_before(model: FillModelName) -> None:
    assert levels(a_signal(**WIDE), [109.99999999999999, 110.0, 129.99999999999997, 130.0], model) == [
        (2, 10),
        (3, 20),
        (4, 30),
    ]
    assert levels(a_signal(**WIDE_SHORT), [90.00000000000001, 90.0], model) == [(2, 10)]


@both_models
def test_the_tick_that_reaches_the_target_tells_no_level(model: FillModelName) -> None:
    assert levels(a_signal(take_profit=120.0), [105.0, 125.0], model) == []
    assert levels(a_signal(take_profit=120.0), [119.9, 125.0], model, partial_basis=PROGRESS)[-1] == (1, 90)


@both_models
def test_100_percent_of_progress_is_told_where_the_target_was_moved_away(model: FillModelName) -> None:
    give = only_at(1, lambda: move_take_profit(150))
    found = levels(a_signal(), [105.0, 110.0, 111.0], model, partial_basis=PROGRESS, on_active=give)
    assert found == [(1, level) for level in range(10, 51, 10)] + [(2, level) for level in range(60, 101, 10)]


@both_models
def test_after_averaging_levels_count_from_the_effective_price_and_none_comes_again(model: FillModelName) -> None:
    buy = only_at(1, lambda: average_buy(100))
    path = [80.0, 85.0, 97.7, 97.8, 79.0, 62.3, 62.2]
    effective = 200 / (1 + 100 / 80)
    assert effective == approx(88.888889)
    assert levels(a_signal(**WIDE), path, model, on_active=buy) == [(1, -10), (1, -20), (4, 10), (7, -30)]


def with_progress(progress: Progress, side: Side = Side.LONG) -> Position:
    position = a_position(side=side)._replace(progress=progress)
    wide = (200.0, 20.0) if side is Side.LONG else (20.0, 200.0)
    return position._replace(take_profit=wide[0], stop_loss=wide[1])


@pytest.mark.parametrize("side", list(Side))
def test_a140_a_position_that_has_told_20_tells_only_30_next(side: Side) -> None:
    held = with_progress(Progress(profit_level=20, loss_level=40), side)
    price = 100 + 31 * side.sign
    assert levels_reached(held, REVENUE, price) == ([30], [])
    assert levels_reached(held, REVENUE, 100 + 25 * side.sign) == ([], [])
    assert levels_reached(held, REVENUE, 100 - 45 * side.sign) == ([], [])
    assert next_band(held, REVENUE) == (approx(100 - 50 * side.sign), approx(100 + 30 * side.sign))
    tick = Tick(START_MS, "s", "AAA", price)
    after, (event,) = taken(ReachesLevels(0), held, tick, Costs(0, 0), REVENUE, lambda _: None)
    assert isinstance(event, ProfitLevelReached)
    assert (event.level, after.progress.profit_level, after.progress.loss_level) == (30, 30, 40)


def test_after_the_last_level_no_price_is_looked_for() -> None:
    assert next_band(with_progress(Progress(profit_level=100, loss_level=100)), REVENUE) == (None, None)


@both_models
def test_a73_callbacks_hear_the_percent_measured_at_that_tick(model: FillModelName) -> None:
    profit: list[tuple[int, float]] = []
    loss: list[tuple[int, float]] = []
    hears: dict[str, Any] = {
        "on_partial_profit": lambda event: profit.append((event.level, event.percent)),
        "on_partial_loss": lambda event: loss.append((event.level, event.percent)),
    }
    lived(a_signal(**WIDE), then(114, 85.5), model, **hears)
    assert profit == [(10, approx(14))]
    assert loss == [(10, approx(14.5))]
    profit.clear()
    loss.clear()
    lived(a_signal(take_profit=140.0, stop_loss=50.0), then(106, 92), model, partial_basis=PROGRESS, **hears)
    assert profit == [(10, approx(15))]
    assert loss == [(10, approx(16))]


@pytest.mark.parametrize("kind", [ProfitLevelReached, LossLevelReached])
def test_a141_a_listener_that_hears_one_level_that_passes_its_filter_is_gone_then(kind: type[Any]) -> None:
    heard: list[tuple[str, int]] = []
    asked: list[int] = []
    sign = 1 if kind is ProfitLevelReached else -1

    def is_20_or_more(event: Any) -> bool:
        asked.append(event.level)
        return bool(event.level >= 20)

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        return a_signal(**WIDE) if to_ms(when) == START_MS + AT * 60_000 else None

    def register() -> None:
        add_strategy("s", get_signal=get_signal)
        listen(kind, lambda event: heard.append((event.symbol, event.level)), once=True, where=is_20_or_more)

    path = then(*[100 + sign * move for move in (11, 22, 33, 44)])
    plan = plan_for(
        registered(register),
        {"AAA": path, "BBB": path},
        settings=Settings(avg_price_candles=1, max_stop_loss_pct=95),
    )
    outcome = asyncio.run(run_backtest(plan))
    assert heard == [("AAA", 20)]
    assert asked == [10, 10, 20], "both symbols at 10, then the first at 20: nobody is asked after that"
    assert sum(isinstance(event, kind) for event in outcome.events) == 8


@given(
    seed=st.integers(0, 2**16),
    basis=st.sampled_from([REVENUE, PROGRESS]),
    model=st.sampled_from(list(FillModelName)),
    side=st.sampled_from(["long", "short"]),
)
@tried(12, 40)
def test_levels_come_in_order_without_a_gap_and_once_whatever_is_bought_meanwhile(
    seed: int, basis: PartialBasis, model: FillModelName, side: str
) -> None:
    sign = 1 if side == "long" else -1

    def on_active(ping: PositionActive) -> None:
        if ping.at_ms // 60_000 % 7 == seed % 7:
            average_buy(30)

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        return Signal(position=side, take_profit=price * (1 + 0.3 * sign), stop_loss=price * (1 - 0.3 * sign))

    registry = registered(lambda: add_strategy("s", get_signal=get_signal, on_active=on_active))
    chosen = Settings(
        fill_model=model,
        partial_basis=basis,
        averaging=AveragingPolicy.ANY,
        max_minutes=None,
        max_stop_loss_pct=50,
    )
    market = random_candles(seed, 300, volatility=0.03)
    outcome = asyncio.run(run_backtest(plan_for(registry, {"AAA": market}, settings=chosen)))
    told_of: dict[tuple[str, type], list[int]] = {}
    for event in outcome.events:
        if isinstance(event, ProfitLevelReached | LossLevelReached):
            told_of.setdefault((event.position.id, type(event)), []).append(event.level)
            in_profit = isinstance(event, ProfitLevelReached)
            way = sign if in_profit else -sign
            at = level_price(event.position, basis, event.level, in_profit=in_profit)
            assert way * event.price >= way * at
            assert event.percent == reached_pct(event.position, basis, event.price, in_profit=in_profit)
            assert event.percent >= event.level * (1 - 1e-12)
    for found in told_of.values():
        assert found == list(range(10, found[-1] + 1, 10))
