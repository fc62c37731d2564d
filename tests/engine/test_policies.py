"""Exit policies and the ladder, behaviour by behaviour with numbers computed by hand, in both fill models."""

import asyncio
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    CommandRefused,
    Ladder,
    PositionActive,
    PositionAveraged,
    ProfitLevelReached,
    Signal,
    StopMoved,
    TargetMoved,
    TickPassed,
    add_strategy,
    average_buy,
    move_stop,
    move_take_profit,
    position,
)
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Plan, Trade
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, PartialBasis, Settings
from backtestkit_cli.engine.exits import BuysRung
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.engine.steps import Tick, taken
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.runs.backtest import market_book, run_backtest
from backtestkit_cli.runs.facts import facts_of
from tests.builders import a_position
from tests.engine.manoeuvres import AT, a_signal, lived, minute_of, minute_of_close, only_at, rows, then, told
from tests.engine.orders import CANDLE, VWAP
from tests.laws import tried
from tests.markets import START_MS, plan_for, random_candles, registered, with_candle

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])
approx: Any = pytest.approx


@pytest.mark.parametrize(("model", "booked"), [(VWAP, 102.6), (CANDLE, 102.0)])
def test_a_trailing_stop_follows_the_best_price_and_tells_only_when_it_begins(
    model: FillModelName, booked: float
) -> None:
    signal = a_signal(take_profit=130.0, trailing_stop_pct=5)
    events, trade = told(signal, then(100, 104, 102, 108, 102), model)
    assert rows(events, "stop_loss", "by") == [(1, "stop_moved", 95.0, "trailing")]
    assert (minute_of_close(trade), trade.reason) == (5, "stop_loss")
    assert trade.stop_loss == approx(102.6), "0.95 * 108 is the level in force"
    assert trade.price_close == approx(booked), "where orders rest, a gap fills at the open"


@pytest.mark.parametrize(("model", "booked"), [(VWAP, 96.6), (CANDLE, 97.0)])
def test_a_short_trails_the_lowest_price_from_above(model: FillModelName, booked: float) -> None:
    signal = a_signal(position="short", take_profit=70.0, stop_loss=110.0, trailing_stop_pct=5)
    events, trade = told(signal, then(100, 96, 98, 92, 97), model)
    assert rows(events, "stop_loss", "by") == [(1, "stop_moved", 105.0, "trailing")]
    assert (minute_of_close(trade), trade.reason) == (5, "stop_loss")
    assert trade.stop_loss == approx(96.6)
    assert trade.price_close == approx(booked)


def test_where_orders_rest_a_trailing_stop_fills_inside_the_minute_at_its_level() -> None:
    market = with_candle(then(100, 104, 108, 106), AT + 3, open=107.0, low=102.0)
    _, trade = told(a_signal(take_profit=130.0, trailing_stop_pct=5), market, CANDLE)
    assert (minute_of_close(trade), trade.price_close) == (4, approx(102.6))


def test_a_wick_that_no_tick_saw_does_not_pull_the_stop_along() -> None:
    market = with_candle(then(100, 104, 103), AT + 1, high=120.0)
    _, trade = told(a_signal(take_profit=130.0, trailing_stop_pct=5), market, CANDLE)
    assert trade.stop_loss == approx(98.8)


@both_models
@pytest.mark.parametrize("sign", [1, -1])
def test_trailing_begins_at_the_tick_that_stands_activated_in_profit(model: FillModelName, sign: int) -> None:
    side = "long" if sign > 0 else "short"
    levels: dict[str, Any] = {"take_profit": 100 + 30 * sign, "stop_loss": 100.0 - 10 * sign}
    signal = a_signal(position=side, **levels, trailing_stop_pct=2.0, trailing_activation_pct=3.0)
    prices = [100 + sign * move for move in (1, 2.9, 3, 2, 4, 1.5)]
    events, trade = told(signal, then(*prices), model)
    begun = (100 + 3 * sign) * (1 - 0.02 * sign)
    assert rows(events, "stop_loss", "by") == [(3, "stop_moved", approx(begun), "trailing")]
    assert (minute_of_close(trade), trade.stop_loss) == (6, approx((100 + 4 * sign) * (1 - 0.02 * sign)))


@both_models
def test_trailing_waits_until_its_stop_is_the_tighter_one(model: FillModelName) -> None:
    signal = a_signal(stop_loss=98.0, trailing_stop_pct=5)
    events, _ = told(signal, then(103, 103.2), model)
    assert rows(events, "stop_loss") == [(2, "stop_moved", approx(98.04))]
    events, _ = told(a_signal(stop_loss=95.0, trailing_stop_pct=5), then(100, 100, 101), model)
    assert rows(events, "stop_loss") == [(3, "stop_moved", approx(95.95))], "5 % below 100 is where the stop is"


@both_models
def test_every_ping_and_the_view_show_the_stop_that_follows_silently(model: FillModelName) -> None:
    active: list[float] = []
    ticks: list[float] = []
    seen: list[float] = []

    def note(tick: TickPassed) -> None:
        if tick.position is not None:
            ticks.append(tick.position.stop_loss)

    def look(_ping: PositionActive) -> None:
        view = position()
        assert view is not None
        seen.append(view.stop_loss)

    signal = a_signal(take_profit=130.0, trailing_stop_pct=5)
    market = then(100, 104, 102, 108)
    lived(signal, market, model, on_active=lambda ping: active.append(ping.position.stop_loss))
    lived(signal, market, model, on_tick=note)
    lived(signal, market, model, on_active=look)
    expected = [95.0, 98.8, 98.8, *[102.6] * 3]
    assert active[:6] == seen[:6] == approx(expected)
    assert ticks[:7] == approx([90.0, *expected]), "with the tick of the opening"


@both_models
def test_a_level_event_carries_the_stop_that_has_followed_the_price_of_its_tick(model: FillModelName) -> None:
    stops: list[tuple[float, float]] = []

    def on_partial_profit(event: ProfitLevelReached) -> None:
        view = position()
        assert view is not None
        stops.append((event.position.stop_loss, view.stop_loss))

    signal = a_signal(take_profit=130.0, trailing_stop_pct=5)
    lived(signal, then(100, 111, 112), model, on_partial_profit=on_partial_profit)
    assert stops == [(approx(105.45), approx(105.45))]


@both_models
def test_breakeven_is_not_told_where_the_trailing_stop_has_passed_it_at_that_tick(model: FillModelName) -> None:
    signal = a_signal(take_profit=150.0, trailing_stop_pct=2, breakeven_at_pct=10)
    for prices in ((101, 110), (101, 109.9, 111)):  # with a level at the same tick and without
        events, _ = told(signal, then(*prices), model, partial_basis=PartialBasis.PROGRESS)
        assert [event.by for event in events if isinstance(event, StopMoved)] == ["trailing"]


@given(
    seed=st.integers(0, 2**16),
    distance=st.sampled_from([0.1, 0.4, 1.5]),
    activation=st.sampled_from([None, 0.2, 1.0]),
    model=st.sampled_from(list(FillModelName)),
    position_side=st.sampled_from(["long", "short"]),
)
@tried(12, 60)
def test_trailing_is_a_listener_that_moves_the_stop_behind_the_best_price(
    seed: int, distance: float, activation: float | None, model: FillModelName, position_side: str
) -> None:
    sign = 1 if position_side == "long" else -1
    best: dict[str, float] = {}

    def follow(ping: PositionActive) -> None:
        held = ping.position
        if held.id not in best:
            if activation is not None and sign * (ping.price / held.price_open - 1) < activation / 100:
                return
            best[held.id] = ping.price
        best[held.id] = sign * max(sign * best[held.id], sign * ping.price)
        move_stop(best[held.id] * (1 - sign * distance / 100))

    def trades(*, by_policy: bool) -> tuple[Trade, ...]:
        policy: dict[str, Any] = (
            {"trailing_stop_pct": distance, "trailing_activation_pct": activation} if by_policy else {}
        )

        def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
            exits: dict[str, Any] = {"take_profit": price * (1 + 0.04 * sign), "stop_loss": price * (1 - 0.01 * sign)}
            return Signal(position=position_side, minutes=200, **exits, **policy)

        callbacks: dict[str, Any] = {} if by_policy else {"on_active": follow}
        registry = registered(lambda: add_strategy("s", get_signal=get_signal, **callbacks))
        plan = plan_for(registry, {"AAA": random_candles(seed, 400)}, settings=Settings(fill_model=model))
        return asyncio.run(run_backtest(plan)).sessions[0].trades

    assert trades(by_policy=True) == trades(by_policy=False)


LONG_EVEN, SHORT_EVEN = 100.4008012016, 99.6007988016
"""`100 · 1.001/0.999 · 1.001/0.999` and its inverse: both slippages and both fees of 0.1 %."""


@both_models
@pytest.mark.parametrize(("side", "sign", "level"), [("long", 1, LONG_EVEN), ("short", -1, SHORT_EVEN)])
def test_breakeven_moves_the_stop_once_to_where_nothing_is_lost(
    model: FillModelName, side: str, sign: int, level: float
) -> None:
    levels: dict[str, Any] = {"take_profit": 100 + 10 * sign, "stop_loss": 100.0 - 10 * sign}
    prices = [100 + sign * move for move in (0.9, 1, 3, 0.5, 0.45, 2, 0.41)]
    through = with_candle(then(*prices, 100 + sign * 0.5), AT + 7, **{"low" if sign > 0 else "high": 100.0})
    market = through if model is CANDLE else then(*prices, 100.0)
    events, trade = told(a_signal(position=side, **levels, breakeven_at_pct=1), market, model)
    assert rows(events, "stop_loss", "by") == [(2, "stop_moved", approx(level), "breakeven")]
    assert (minute_of_close(trade), trade.reason, trade.price_close) == (8, "stop_loss", approx(level))
    assert trade.pnl_cost == approx(0, abs=1e-9)


@both_models
def test_breakeven_leaves_a_tighter_stop_alone(model: FillModelName) -> None:
    move = only_at(1, lambda: move_stop(100.6))
    events, trade = told(a_signal(breakeven_at_pct=1), then(100.9, 102, 103), model, on_active=move)
    assert rows(events, "stop_loss", "by") == [(1, "stop_moved", 100.6, "command")]
    assert trade.stop_loss == 100.6


@both_models
def test_breakeven_closer_than_the_costs_waits_until_the_price_is_beyond_them(model: FillModelName) -> None:
    events, _ = told(a_signal(breakeven_at_pct=0.1), then(100.2, 100.4, 100.41), model)
    assert rows(events, "stop_loss") == [(3, "stop_moved", approx(LONG_EVEN))]


@both_models
def test_breakeven_is_that_of_the_effective_price(model: FillModelName) -> None:
    buy = only_at(1, lambda: average_buy(100))
    events, _ = told(a_signal(breakeven_at_pct=1), then(98, 99.5, 100, 101), model, on_active=buy)
    effective = 200 / (1 + 100 / 98)
    assert effective == approx(98.989899)
    moved = [row for row in rows(events, "stop_loss") if row[1] == "stop_moved"]
    assert moved == [(3, "stop_moved", approx(effective * 1.004008012016))], "99.98 is 1 % above it"


@both_models
def test_a_ladder_buys_below_its_lowest_entry_and_takes_its_target_along(model: FillModelName) -> None:
    ladder = Ladder(step_pct=1, entries=4, cost=50, take_profit_pct=1)
    prices = (99.5, 99, 98.02, 98, 97.5, 97, 96, 95, 98.9)
    events, trade = told(a_signal(ladder=ladder), then(*prices), model)
    averages = [event for event in events if isinstance(event, PositionAveraged)]
    assert [(minute_of(e), e.price, e.cost) for e in averages] == [(2, 99, 50), (4, 98, 50), (6, 97, 50)]
    effective = [99.664430, 99.243044, 98.786175]
    assert [event.position.price_effective for event in averages] == approx(effective, abs=1e-6)
    targets = [event for event in events if isinstance(event, TargetMoved)]
    assert [(minute_of(e), e.by) for e in targets] == [(2, "ladder"), (4, "ladder"), (6, "ladder")]
    assert [event.take_profit for event in targets] == approx([e * 1.01 for e in effective], abs=1e-6)
    assert (trade.reason, trade.invested, len(trade.entries)) == ("frame_end", 250.0, 4)
    _, trade = told(a_signal(ladder=ladder), then(*prices, 99.8), model)
    assert (trade.reason, trade.price_close) == ("take_profit", approx(98.786175 * 1.01, abs=1e-6))


@both_models
def test_a_ladder_of_a_short_climbs_and_costs_as_much_as_the_first_entry_unless_told(model: FillModelName) -> None:
    signal = a_signal(
        position="short", take_profit=90.0, stop_loss=115.0, cost=70, ladder=Ladder(step_pct=2, entries=3)
    )
    events, trade = told(signal, then(101.9, 102, 104, 104.05, 110), model)
    assert [row for row in rows(events, "price", "cost") if row[1] != "loss_level_reached"] == [
        (2, "position_averaged", 102, 70),
        (4, "position_averaged", 104.05, 70),
    ]
    assert trade.take_profit == 90.0


@both_models
def test_a_price_that_falls_past_several_rungs_buys_one(model: FillModelName) -> None:
    events, _ = told(a_signal(ladder=Ladder(step_pct=1, entries=4)), then(95, 95, 94.05), model)
    assert rows(events, "price", "cost") == [(1, "position_averaged", 95, 100), (3, "position_averaged", 94.05, 100)]


@both_models
@pytest.mark.parametrize("side", ["long", "short"])
def test_a_step_too_small_for_a_float_still_buys_one_rung_a_tick(model: FillModelName, side: str) -> None:
    sign = 1 if side == "long" else -1
    levels: dict[str, Any] = {"take_profit": 100 + 10 * sign, "stop_loss": 100 - 10 * sign}
    signal = a_signal(position=side, **levels, ladder=Ladder(step_pct=1e-17, entries=10**9))
    events, _ = told(signal, then(100, 100 - sign, 100 - sign, 100 - 2 * sign), model)
    assert [row[0] for row in rows(events) if row[1] == "position_averaged"] == [2, 4]


@both_models
def test_a_refused_rung_ends_the_ladder_with_one_event(model: FillModelName) -> None:
    signal = a_signal(ladder=Ladder(step_pct=1, entries=4, cost=1e-15))
    events, trade = told(signal, then(99, 98, 97), model)
    assert rows(events, "command", "argument") == [(1, "command_refused", "ladder", 1e-15)]
    assert len(trade.entries) == 1


def test_a_rung_the_account_cannot_pay_is_refused_with_its_words() -> None:
    held = a_position(price_open=100.0)
    held = held._replace(plan=held.plan._replace(ladder=Ladder(step_pct=1, entries=3, cost=40)))
    tick = Tick(START_MS, "s", "AAA", 98.0)
    after, (event,) = taken(
        BuysRung(9), held, tick, Costs(0, 0), PartialBasis.REVENUE, lambda cost: f"{cost:g} is not there"
    )
    assert isinstance(event, CommandRefused)
    assert (event.command, event.argument, event.problem) == ("ladder", 40, "40 is not there")
    assert after.entries == held.entries
    assert after.progress.is_ladder_over


@given(
    seed=st.integers(0, 2**16),
    step=st.sampled_from([0.1, 0.5, 1.0]),
    target=st.sampled_from([None, 0.4, 3.0]),
    model=st.sampled_from(list(FillModelName)),
    averaging=st.sampled_from(list(AveragingPolicy)),
)
@tried(12, 60)
def test_a_ladder_is_a_listener_that_averages_and_moves_the_target(
    seed: int, step: float, target: float | None, model: FillModelName, averaging: AveragingPolicy
) -> None:
    def climb(ping: PositionActive) -> None:
        held = ping.position
        if len(held.entries) < 4 and ping.price <= held.price_lowest * (1 - step / 100):
            assert average_buy(40)
            view = position()
            assert view is not None
            if target is not None:
                move_take_profit(view.price_effective * (1 + target / 100))

    def trades(*, by_policy: bool) -> tuple[Trade, ...]:
        ladder = Ladder(step_pct=step, entries=4, cost=40, take_profit_pct=target) if by_policy else None

        def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
            return Signal(position="long", take_profit=price * 1.03, stop_loss=price * 0.96, minutes=200, ladder=ladder)

        callbacks: dict[str, Any] = {} if by_policy else {"on_active": climb}
        registry = registered(lambda: add_strategy("s", get_signal=get_signal, **callbacks))
        chosen = Settings(fill_model=model, averaging=averaging)
        plan = plan_for(registry, {"AAA": random_candles(seed, 400)}, settings=chosen)
        return asyncio.run(run_backtest(plan)).sessions[0].trades

    assert trades(by_policy=True) == trades(by_policy=False)


def test_policies_hold_plain_numbers_whatever_kinds_of_numbers_were_given() -> None:
    odd = np.float32(0.1)
    ladder = Ladder(step_pct=odd, entries=np.int64(3), cost=odd, take_profit_pct=odd)  # type: ignore[arg-type]
    policies: dict[str, Any] = dict.fromkeys(("trailing_stop_pct", "trailing_activation_pct", "breakeven_at_pct"), odd)
    plan = Plan.of(a_signal(**policies, ladder=ladder))
    assert plan.ladder is not None
    numbers = [plan.trailing_stop_pct, plan.trailing_activation_pct, plan.breakeven_at_pct, plan.ladder.step_pct]
    numbers += [plan.ladder.cost, plan.ladder.take_profit_pct]
    assert [type(number) for number in numbers] == [float] * 6
    assert type(plan.ladder.entries) is int


class CountingClock:
    """Counts how often a session asks to be woken."""

    takes_instants = False
    now_ms = 2**62
    wakings = 0

    async def sleep_until(self, _at_ms: int) -> None:
        """Count."""
        self.wakings += 1


@both_models
def test_policies_do_not_wake_the_session_every_minute(model: FillModelName) -> None:
    minutes = 27 * 1440
    candles = random_candles(3, minutes, volatility=0.0004)
    policies: dict[str, Any] = {
        "trailing_stop_pct": 2.0,
        "trailing_activation_pct": 0.5,
        "breakeven_at_pct": 1.0,
        "ladder": Ladder(step_pct=1.0, entries=6, take_profit_pct=3.0),
    }

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        return Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, **policies)

    registry = registered(lambda: add_strategy("s", interval="1h", get_signal=get_signal))
    plan = plan_for(registry, {"AAA": candles}, settings=Settings(fill_model=model, max_minutes=None))
    part = SessionPlan(
        run_id=facts_of(plan).run_id,
        mode=plan.mode,
        exchange=plan.exchange,
        frame=plan.frame,
        symbol="AAA",
        strategy=plan.strategies[0],
        settings=plan.settings["s"],
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        sees_ahead=True,
    )
    clock = CountingClock()

    async def drive() -> Session:
        book = market_book(plan)
        await book.load("AAA")
        session = Session(part, book, Bus())
        await session.run(clock)
        return session

    session = asyncio.run(drive())
    assert session.error is None
    assert any(event.by == "trailing" for event in session.events if isinstance(event, StopMoved))
    acts = len(session.events)
    assert acts < 500
    assert clock.wakings <= 2 * acts + 10
