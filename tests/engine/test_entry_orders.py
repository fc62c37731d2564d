"""Each kind of entry order in both fill models, both ways up, with foresight and without."""

import ast
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np
import pytest

from backtestkit_cli import (
    Above,
    Below,
    EntryMarket,
    EntryOrder,
    EntryTouch,
    PositionOpened,
    Signal,
    SignalInvalid,
    SignalScheduled,
    Stop,
    StopLimit,
    TickPassed,
    activate,
    add_strategy,
    cancel,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.policies.orders.market import Market
from backtestkit_cli.runs.backtest import run_backtest
from tests.architecture.test_house import PACKAGE
from tests.engine.orders import CANDLE, VWAP, Row, a_long, events_of, story
from tests.markets import at_levels, flat, plan_for, registered, stair, with_candle

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])
PEAK = with_candle(flat(150), 20, high=106.0)
JUMP = with_candle(flat(150), 20, open=107.0, high=108.0, low=106.0, close=107.0)
WAITING = [Limit(95.0), Stop(105.0), StopLimit(105.0, 106.0), StopLimit(105.0, 99.5), Above(105.0), Below(95.0)]


def a_wide_long(entry: EntryOrder) -> Signal:
    return a_long(entry=entry, take_profit=115.0, stop_loss=90.0)


@both_models
def test_a_stop_waits_for_the_high_and_opens_at_its_level(model: FillModelName) -> None:
    rows = story(a_long(entry=Stop(105.0)), PEAK, model)
    assert rows == [(10, "scheduled", 105.0), (21, "opened", 105.0), (31, "time_expired", 100.0)]
    rows = story(a_long(entry=Stop(price=106.0)), PEAK, model)
    assert rows[1] == (21, "opened", 106.0), "a touch is enough"


@pytest.mark.parametrize(("model", "price"), [(VWAP, 105.0), (CANDLE, 107.0)])
def test_a_stop_that_the_candle_opened_beyond_costs_more_where_orders_rest(model: FillModelName, price: float) -> None:
    assert story(a_long(entry=Stop(105.0)), JUMP, model)[1] == (21, "opened", price)


@both_models
def test_a_stop_already_beyond_opens_at_once_at_the_price_of_the_tick(model: FillModelName) -> None:
    assert story(a_long(entry=Stop(99.0)), flat(), model)[0] == (10, "opened", 100.0)
    assert story(a_long(entry=Stop(100.0)), flat(), model)[0] == (10, "opened", 100.0)


def test_a_stop_loss_reached_before_the_breakout_rejects_it_only_where_prices_are_polled() -> None:
    dip_then_peak = with_candle(with_candle(flat(60), 15, low=97.0), 20, high=106.0)
    assert story(a_long(entry=Stop(105.0)), dip_then_peak, VWAP)[1:] == [(16, "price_reject", None)]
    assert story(a_long(entry=Stop(105.0)), dip_then_peak, CANDLE)[1] == (21, "opened", 105.0)


def test_a_candle_that_reaches_breakout_and_stop_loss_is_decided_against_us() -> None:
    wild = with_candle(flat(), 20, high=106.0, low=97.0)
    assert story(a_long(entry=Stop(105.0)), wild, VWAP)[1:] == [(21, "price_reject", None)]
    assert story(a_long(entry=Stop(105.0)), wild, CANDLE)[1:] == [(21, "opened", 105.0), (21, "stop_loss", 98.0)]
    from_below = with_candle(flat(), 20, open=97.0, high=106.0, low=96.0)
    assert story(a_long(entry=Stop(105.0)), from_below, CANDLE)[1:] == [(21, "opened", 105.0), (21, "stop_loss", 97.0)]


@both_models
def test_a_stop_limit_fills_with_the_breakout_while_that_is_within_the_limit(model: FillModelName) -> None:
    rows = story(a_long(entry=StopLimit(stop=105.0, limit=106.0)), PEAK, model)
    assert rows[:2] == [(10, "scheduled", 105.0), (21, "opened", 105.0)]
    assert story(a_long(entry=StopLimit(stop=105.0, limit=105.0)), PEAK, model)[1] == (21, "opened", 105.0)


def test_a_breakout_beyond_the_limit_leaves_a_limit_from_the_next_candle_on() -> None:
    signal = a_long(entry=StopLimit(stop=105.0, limit=106.0))
    assert story(signal, JUMP, CANDLE)[1] == (22, "opened", 106.0)
    assert story(signal, JUMP, VWAP)[1] == (21, "opened", 105.0)


@both_models
def test_a_limit_before_the_stop_waits_for_the_pullback_after_the_breakout(model: FillModelName) -> None:
    early_dip = with_candle(at_levels([104.0] * 20 + [106.0] * 40), 15, low=102.5)
    pulled_back = with_candle(early_dip, 30, low=102.5)
    signal = a_long(entry=StopLimit(stop=105.0, limit=103.0), stop_loss=95.0)
    rows = story(signal, pulled_back, model)
    assert rows[:2] == [(10, "scheduled", 103.0), (31, "opened", 103.0)]
    deep = with_candle(early_dip, 30, low=94.0)
    expected: dict[FillModelName, list[Row]] = {
        VWAP: [(31, "price_reject", None)],
        CANDLE: [(31, "opened", 103.0), (31, "stop_loss", 95.0)],
    }
    assert story(signal, deep, model)[1:] == expected[model]


@both_models
def test_a_stop_limit_whose_stop_is_touched_where_it_appears_is_a_limit_from_there_on(model: FillModelName) -> None:
    assert story(a_long(entry=StopLimit(99.0, 101.0)), flat(), model)[0] == (10, "opened", 100.0)
    dips = with_candle(flat(), 20, low=98.5)
    rows = story(a_long(entry=StopLimit(99.0, 98.9), stop_loss=95.0), dips, model)
    assert rows[:2] == [(10, "scheduled", 98.9), (21, "opened", 98.9)]
    far_above = with_candle(at_levels([107.0] * 60), 20, low=105.5)
    rows = story(a_long(entry=StopLimit(105.0, 106.0)), far_above, model)
    assert rows[:2] == [(10, "scheduled", 106.0), (21, "opened", 106.0)], "no breakout at 105 comes after it"


def test_a_stop_loss_reached_before_the_stop_of_a_stop_limit_rejects_it_where_prices_are_polled() -> None:
    dips = with_candle(with_candle(flat(), 15, low=97.0), 20, high=106.0)
    signal = a_long(entry=StopLimit(105.0, 106.0))
    assert story(signal, dips, VWAP)[1:] == [(16, "price_reject", None)]
    assert story(signal, dips, CANDLE)[1] == (21, "opened", 105.0)


@pytest.mark.parametrize(("model", "minute", "price"), [(VWAP, 34, 102.4), (CANDLE, 31, 103.0)])
def test_above_opens_at_the_first_tick_priced_there(model: FillModelName, minute: int, price: float) -> None:
    rows = story(a_long(entry=Above(102.0)), stair(), model)
    assert rows[:2] == [(10, "scheduled", 102.0), (minute, "opened", price)]
    rows = story(a_long(entry=Above(price=price)), stair(), model)
    assert rows[1] == (minute, "opened", price), "a touch is enough"


@pytest.mark.parametrize(("model", "minute", "price"), [(VWAP, 94, 97.6), (CANDLE, 91, 97.0)])
def test_below_opens_a_long_on_a_dip(model: FillModelName, minute: int, price: float) -> None:
    rows = story(a_long(entry=Below(98.0), stop_loss=90.0), stair(), model)
    assert rows[:2] == [(10, "scheduled", 98.0), (minute, "opened", price)]


@both_models
def test_a_condition_already_met_opens_at_once(model: FillModelName) -> None:
    assert story(a_long(entry=Above(100.0)), flat(), model)[0] == (10, "opened", 100.0)
    assert story(a_long(entry=Below(101.0)), flat(), model)[0] == (10, "opened", 100.0)


@both_models
def test_a_condition_met_beyond_an_exit_is_rejected(model: FillModelName) -> None:
    up, down = at_levels([100.0] * 20 + [120.0] * 20), at_levels([100.0] * 20 + [60.0] * 20)
    assert story(a_long(entry=Above(102.0), take_profit=104.0), up, model)[1:] == [(21, "price_reject", None)]
    assert story(a_long(entry=Below(98.0), stop_loss=96.0), down, model)[1:] == [(21, "price_reject", None)]
    exactly = at_levels([100.0] * 20 + [120.0 if model is VWAP else 104.0] * 20)
    assert story(a_long(entry=Above(102.0), take_profit=104.0), exactly, model)[1:] == [(21, "price_reject", None)]


@both_models
@pytest.mark.parametrize("entry", WAITING, ids=repr)
def test_every_kind_times_out(entry: EntryOrder, model: FillModelName) -> None:
    rows = story(a_wide_long(entry), flat(150), model)
    assert [row[1] for row in rows] == ["scheduled", "timeout"]
    assert rows[1][0] == 130
    assert story(a_wide_long(entry), flat(150), model, schedule_await_minutes=30)[1][0] == 40


REACHED: list[tuple[EntryOrder, Candles]] = [
    (Limit(95.0), with_candle(flat(21), 20, low=94.0)),
    (Stop(105.0), with_candle(flat(21), 20, high=106.0)),
    (StopLimit(105.0, 106.0), with_candle(flat(21), 20, high=106.0)),
    (Above(100.5), at_levels([100.0] * 20 + [104.0])),
    (Below(99.5), at_levels([100.0] * 20 + [96.0])),
]


@both_models
@pytest.mark.parametrize(("entry", "candles"), REACHED, ids=repr)
def test_nothing_opens_at_the_end_of_the_frame(entry: EntryOrder, candles: Candles, model: FillModelName) -> None:
    assert story(a_wide_long(entry), candles, model)[1:] == [(21, "frame_end", None)]


@pytest.mark.parametrize(("entry", "candles"), REACHED, ids=repr)
def test_at_the_tick_of_the_timeout_time_is_first_only_where_prices_are_polled(
    entry: EntryOrder, candles: Candles
) -> None:
    rest = at_levels([float(candles.close[-1])] * 20)
    longer = Candles.frozen(
        flat(41).timestamp,
        *(np.concatenate([getattr(candles, n), getattr(rest, n)]) for n in ("open", "high", "low", "close", "volume")),
    )
    assert story(a_wide_long(entry), longer, VWAP, schedule_await_minutes=11)[1:] == [(21, "timeout", None)]
    assert story(a_wide_long(entry), longer, CANDLE, schedule_await_minutes=11)[1][:2] == (21, "opened")


@both_models
@pytest.mark.parametrize("entry", WAITING, ids=repr)
def test_every_kind_can_be_cancelled_and_activated(entry: EntryOrder, model: FillModelName) -> None:
    def on_tick(tick: TickPassed) -> None:
        if tick.waiting and tick.when.minute == 12:
            assert cancel()
        if tick.waiting and tick.when.minute == 22:
            assert activate()

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        return a_wide_long(entry) if when.minute in (10, 20) else None

    registry = registered(lambda: add_strategy("s", get_signal=get_signal, on_tick=on_tick))
    plan = plan_for(registry, {"AAA": flat()}, settings=Settings(fill_model=model))
    events = asyncio.run(run_backtest(plan)).events
    kinds = ["SignalScheduled", "SignalCancelled", "SignalScheduled", "PositionOpened", "PositionClosed"]
    assert [type(event).__name__ for event in events] == kinds
    assert [event.price for event in events if isinstance(event, PositionOpened)] == [100.0]


@dataclass(frozen=True, slots=True)
class Rush:
    """An order kind of an author's own: at the close of the first minute that trades more than `volume`."""

    volume: float
    kind: ClassVar[str] = "rush"

    def levels(self) -> Mapping[str, float]:
        return {"volume": self.volume}

    def placement(self, _sign: int, price: float) -> tuple[bool, float]:
        return False, price

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        found = np.flatnonzero(market.candles.volume[start:stop] > self.volume)
        return (
            EntryTouch(start + int(found[0]), market.candles.close.item(start + int(found[0]))) if len(found) else None
        )


@both_models
def test_a74_an_order_kind_of_ones_own_needs_nothing_but_itself(model: FillModelName) -> None:
    rushing = with_candle(at_levels([100.0] * 20 + [101.0] * 40), 25, volume=9.0)
    expected: list[Row] = [(10, "scheduled", 100.0), (26, "opened", 101.0), (36, "time_expired", 101.0)]
    assert story(a_long(entry=Rush(5.0)), rushing, model) == expected
    assert story(a_long(entry=Rush(50.0)), rushing, model)[1:] == [(60, "frame_end", None)]
    assert [row[1] for row in story(a_long(entry=Rush(-1.0)), rushing, model)] == ["invalid"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """An order kind that answers what cannot be."""

    expected: float
    touch: EntryTouch
    kind: ClassVar[str] = "wrong"

    def levels(self) -> Mapping[str, float]:
        return {}

    def placement(self, _sign: int, _price: float) -> tuple[bool, float]:
        return False, self.expected

    def first_touch(self, _market: EntryMarket, _start: int, _stop: int) -> EntryTouch | None:
        return self.touch


@pytest.mark.parametrize("touch", [EntryTouch(3, 100.0), EntryTouch(9, 100.0), EntryTouch(500, None)])
@pytest.mark.parametrize("sees_ahead", [True, False])
def test_an_order_that_points_outside_its_rows_ends_its_session(touch: EntryTouch, *, sees_ahead: bool) -> None:
    signal = a_long(entry=Wrong(100.0, touch))
    registry = registered(lambda: add_strategy("s", get_signal=lambda _s, w, _p: signal if w.minute == 10 else None))
    (session,) = asyncio.run(run_backtest(plan_for(registry, {"AAA": flat()}), sees_ahead=sees_ahead)).sessions
    assert "entry order 'wrong': first_touch: expected a row from 10 to " in str(session.error)


@pytest.mark.parametrize("price", [float("nan"), 0.0, -1.0, float("inf")])
def test_an_order_that_opens_at_no_price_ends_its_session_or_is_invalid(price: float) -> None:
    registry = registered(
        lambda: add_strategy("s", get_signal=lambda *_: a_long(entry=Wrong(100.0, EntryTouch(5, price))))
    )
    (session,) = asyncio.run(run_backtest(plan_for(registry, {"AAA": flat()}))).sessions
    assert "and a price above 0, found EntryTouch(row=5" in str(session.error)
    (event,) = events_of(a_long(entry=Wrong(price, EntryTouch(5, 100.0))), flat(), VWAP)
    assert isinstance(event, SignalInvalid)
    assert event.problems == (f"the wrong entry must expect a finite price above 0, was {price!r}",)


def test_a74_the_engine_and_the_domain_know_no_kind_of_order() -> None:
    kinds = {path.stem for path in (PACKAGE / "policies" / "orders").glob("*.py")} - {"__init__", "choose", "view"}
    assert kinds == {"market", "limit", "stop", "stop_limit", "conditional", "at_venue"}
    imported = {
        node.module.rpartition(".")[2]
        for folder in ("engine", "domain", "events", "api")
        for path in (PACKAGE / folder).rglob("*.py")
        if path.parent.name != "dealing"  # which knows what can rest at a venue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and ".policies.orders" in node.module
    }
    assert imported == {"choose", "view"}


@both_models
def test_a74_the_long_form_of_market_and_limit_is_the_short_one(model: FillModelName) -> None:
    dips = with_candle(flat(), 20, low=94.9)
    limit = a_long(price_open=95.0, stop_loss=90.0)
    assert story(a_long(entry=Limit(95.0), stop_loss=90.0), dips, model) == story(limit, dips, model)
    assert story(a_long(entry=Market()), dips, model) == story(a_long(), dips, model)


@both_models
def test_a74_a_post_only_limit_rests_or_is_refused(model: FillModelName) -> None:
    resting = a_long(price_open=95.0, stop_loss=90.0, post_only=True)
    assert story(resting, with_candle(flat(), 20, low=94.9), model)[1] == (21, "opened", 95.0)
    taken = a_long(price_open=100.5, post_only=True)
    (event,) = events_of(taken, flat(), model)
    assert isinstance(event, SignalInvalid)
    assert event.problems == ("a post_only long must be below price 100.0, was 100.5",)


@both_models
def test_a74_the_flags_reach_whoever_hears_of_the_order(model: FillModelName) -> None:
    flagged = a_long(price_open=95.0, stop_loss=90.0, post_only=True, reduce_only=True)
    scheduled, opened, *_ = events_of(flagged, with_candle(flat(), 20, low=94.9), model)
    assert isinstance(scheduled, SignalScheduled)
    assert (scheduled.signal.post_only, scheduled.signal.reduce_only) == (True, True)
    assert isinstance(opened, PositionOpened)
    assert opened.flags == ("post_only", "reduce_only")
    plain = story(a_long(), flat(), model)
    assert story(a_long(reduce_only=True), flat(), model) == plain
