"""What `position()` says of an open position, number by number."""

import asyncio
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    PositionActive,
    PositionClosed,
    PositionOpened,
    PositionView,
    ProfitLevelReached,
    Side,
    Signal,
    TickPassed,
    add_strategy,
    average_buy,
    close_position,
    get_candles,
    partial_close,
    position,
)
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, Settings
from backtestkit_cli.runs.backtest import run_backtest
from tests.engine.manoeuvres import AT, a_signal, lived, minute_of, only_at, then
from tests.engine.orders import CANDLE, VWAP
from tests.laws import tried
from tests.markets import START_MS, plan_for, random_candles, registered, with_candle

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])
approx: Any = pytest.approx


def seen_at(
    minute: int, signal: Signal, market: Any, model: FillModelName, *commands: Any, **chosen: Any
) -> PositionView:
    """Return the view at *minute* after the signal; *commands* are given at minute 1 before."""
    views: list[PositionView | None] = []

    def on_active(ping: PositionActive) -> None:
        only_at(1, *commands)(ping)
        only_at(minute, position, into=views)(ping)

    lived(signal, market, model, on_active=on_active, **chosen)
    (view,) = views
    assert view is not None
    return view


def at(minute: int) -> datetime:
    return datetime.fromtimestamp((START_MS + (AT + minute) * 60_000) / 1000, UTC)


@both_models
def test_every_figure_of_a_long_that_was_averaged_and_reduced(model: FillModelName) -> None:
    buy, sell = (lambda: average_buy(100)), (lambda: partial_close(50))
    signal = a_signal(take_profit=130.0, stop_loss=70.0, note="dip", minutes=60)
    view = seen_at(4, signal, then(80, 120, 75, 90), model, buy, sell)
    effective = 200 / (1 + 100 / 80)
    assert (view.side, view.note, view.price) == (Side.LONG, "dip", 90.0)
    assert [(entry.price, entry.cost) for entry in view.entries] == [(100, 100), (80, 100)]
    assert [(part.price, part.percent, part.cost) for part in view.partials] == [(80, 50, 100)]
    assert (view.take_profit, view.stop_loss, view.price_open) == (130, 70, 100)
    assert view.price_effective == approx(effective)
    assert view.price_breakeven == approx(effective * 1.004008012016)
    assert (view.invested, view.cost_left, view.held_pct) == (200, approx(100), approx(50))
    assert view.quantity_left == approx((1 + 100 / 80) / 2)
    lost = leg(100, effective, 80)
    assert view.pnl_cost == approx(lost + leg(100, effective, 90))
    assert view.pnl_pct == approx(view.pnl_cost / 2)
    assert (view.profit_level, view.loss_level) == (30, 20)
    assert view.opened_at == at(0)
    assert (view.minutes_open, view.minutes_left) == (4, 56)
    assert (view.best.price, view.best.at) == (120, at(2))
    assert (view.worst.price, view.worst.at) == (75, at(3))
    assert view.best.pnl_pct == approx((lost + leg(100, effective, 120)) / 2)
    assert view.worst.pnl_pct == approx((lost + leg(100, effective, 75)) / 2)
    assert view.since_best == timedelta(minutes=2)
    assert view.id == view.position.id


def leg(cost: float, price_in: float, price_out: float, sign: int = 1) -> float:
    """Return the net of one leg at the default costs (design 5)."""
    opened, closed = price_in * (1 + 0.001 * sign), price_out * (1 - 0.001 * sign)
    return sign * cost * (closed - opened) / opened - cost * 0.001 - cost * 0.001 * closed / opened


@both_models
def test_the_best_price_of_a_short_is_the_lowest(model: FillModelName) -> None:
    signal = a_signal(position="short", take_profit=80.0, stop_loss=120.0)
    view = seen_at(4, signal, then(95, 108, 90, 97), model)
    assert (view.best.price, view.best.at) == (90, at(3))
    assert (view.worst.price, view.worst.at) == (108, at(2))
    assert view.pnl_pct == approx(leg(100, 100, 97, -1))
    assert view.best.pnl_pct == approx(leg(100, 100, 90, -1))
    assert view.price_breakeven == approx(99.6007988016)
    assert (view.minutes_left, view.held_pct) == (996, 100)


@both_models
def test_a_flat_round_trip_costs_what_the_design_says(model: FillModelName) -> None:
    assert seen_at(1, a_signal(), then(100, 100), model).pnl_pct == approx(-0.39960, abs=1e-5)
    short = a_signal(position="short", take_profit=90.0, stop_loss=110.0)
    assert seen_at(1, short, then(100, 100), model).pnl_pct == approx(-0.40040, abs=1e-5)


@both_models
def test_of_equal_prices_the_earliest_is_the_best(model: FillModelName) -> None:
    view = seen_at(4, a_signal(), then(100, 105, 103, 105), model)
    assert (view.best.at, view.worst.at) == (at(2), at(0)), "the opening counts"
    assert view.since_best == timedelta(minutes=2)


@both_models
def test_nothing_is_open_before_between_and_after(model: FillModelName) -> None:
    found: dict[int, bool] = {}

    def on_tick(tick: TickPassed) -> None:
        assert (position() is None) == (tick.position is None)
        found[minute_of(tick)] = position() is not None

    lived(a_signal(price_open=98.0, minutes=3), then(99, 98, 99, 99, 99, 99), model, on_tick=on_tick)
    assert [minute for minute, is_open in found.items() if is_open] == [2, 3, 4]
    assert {-1, 0, 1, 5} <= set(found)


@both_models
def test_a_limit_counts_its_own_price_and_that_of_the_tick_it_opened_at(model: FillModelName) -> None:
    views: list[PositionView] = []

    def on_open(_event: PositionOpened) -> None:
        view = position()
        assert view is not None
        views.append(view)

    market = with_candle(then(101, 97, 99, 99), AT + 1, low=96.9)
    lived(a_signal(price_open=98.0), market, model, on_open=on_open)
    (view,) = views
    assert (view.price, view.price_open) == (97, 98)
    assert (view.best.price, view.worst.price) == (98, 97)
    assert view.worst.pnl_pct == approx(view.pnl_pct)
    assert view.best.at == view.worst.at == view.opened_at
    assert (view.minutes_open, view.since_best) == (0, timedelta(0))


@both_models
def test_without_a_limit_of_time_no_minutes_are_left(model: FillModelName) -> None:
    view = seen_at(3, a_signal(minutes=None), then(101, 102, 103), model, max_minutes=None)
    assert (view.minutes_open, view.minutes_left) == (3, None)


@both_models
def test_overlaps_are_within_a_tolerance_of_an_earlier_fill(model: FillModelName) -> None:
    buy, sell = (lambda: average_buy(100)), (lambda: partial_close(50))
    signal = a_signal(take_profit=130.0, stop_loss=70.0)
    near = seen_at(2, signal, then(80, 81.19), model, buy, sell)
    assert (near.overlaps_entry(), near.overlaps_partial()) == (True, True)
    beyond = seen_at(2, signal, then(80, 81.21), model, buy, sell)
    assert (beyond.overlaps_entry(), beyond.overlaps_partial()) == (False, False)
    assert (beyond.overlaps_entry(2), beyond.overlaps_partial(2)) == (True, True)
    first = seen_at(2, signal, then(80, 98.5), model, buy, sell)
    assert (first.overlaps_entry(), first.overlaps_partial()) == (True, False), "the first entry counts too"
    assert (first.overlaps_entry(1.4), first.overlaps_partial(25)) == (False, True)
    alone = seen_at(1, signal, then(100, 100), model)
    assert (alone.overlaps_entry(), alone.overlaps_partial()) == (True, False)


@both_models
def test_the_view_cannot_be_changed_and_does_not_change_by_itself(model: FillModelName) -> None:
    views: list[Any] = []
    lived(a_signal(), then(101, 102, 103), model, on_active=lambda _: views.append(position()))
    for name in ("price", "stop_loss", "pnl_pct", "invented"):
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(views[0], name, 1.0)
    with pytest.raises(AttributeError):
        views[0].position.stop_loss = 1.0
    assert [view.price for view in views[:3]] == [101, 102, 103]
    assert [view.best.price for view in views[:3]] == [101, 102, 103]


@both_models
def test_the_view_follows_the_commands_of_its_tick(model: FillModelName) -> None:
    held: list[Any] = []

    def on_active(ping: PositionActive) -> None:
        if minute_of(ping) == 1:
            commands: list[Callable[[], object]] = [lambda: average_buy(100), lambda: partial_close(25), close_position]
            for command in commands:
                before = position()
                assert before is not None
                assert command()
                after = position()
                held.append((before.cost_left, None if after is None else after.cost_left))

    lived(a_signal(), then(98, 99), model, on_active=on_active)
    assert held == [(100, 200), (200, 150), (150, None)]


@both_models
def test_the_view_inside_a_callback_is_that_of_its_tick(model: FillModelName) -> None:
    seen: list[tuple[int, float, int]] = []

    def on_partial_profit(event: ProfitLevelReached) -> None:
        view = position()
        assert view is not None
        seen.append((minute_of(event), view.price, view.profit_level))
        assert view.best.price == view.price == float(get_candles("AAA", "1m", 1).close[-1])

    lived(a_signal(take_profit=150.0), then(105, 111, 105, 125), model, on_partial_profit=on_partial_profit)
    assert seen == [(2, 111, 10), (4, 125, 20)]


@given(
    seed=st.integers(0, 2**16),
    model=st.sampled_from(list(FillModelName)),
    side=st.sampled_from(["long", "short"]),
    every=st.sampled_from([2, 7, 31]),
    trailing=st.sampled_from([None, 1.0]),
)
@tried(5, 25)
def test_looking_every_minute_or_now_and_then_shows_the_same_and_the_last_look_is_the_trade(
    seed: int, model: FillModelName, side: str, every: int, trailing: float | None
) -> None:
    sign = 1 if side == "long" else -1

    def views(step: int, *, sees_ahead: bool) -> tuple[dict[int, PositionView], Any]:
        found: dict[int, PositionView] = {}

        def on_active(ping: PositionActive) -> None:
            minute = ping.at_ms // 60_000
            rng = np.random.default_rng([seed, minute])
            if rng.random() < 0.05:
                average_buy(float(rng.uniform(10, 200)))
            if rng.random() < 0.05:
                partial_close(float(rng.uniform(5, 60)))
            closes = rng.random() < 0.03
            if minute % step == 0 or closes:
                view = position()
                assert view is not None
                found[ping.at_ms] = view
                assert sign * view.worst.price <= sign * view.price <= sign * view.best.price
                assert view.worst.pnl_pct - 1e-9 <= view.pnl_pct <= view.best.pnl_pct + 1e-9
                assert view.stop_loss == view.position.stop_loss
            if closes:
                close_position()

        def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
            return Signal(
                position=side,
                price_open=price * (1 - 0.003 * sign) if seed % 2 else None,
                take_profit=price * (1 + sign * 0.04),
                stop_loss=price * (1 - sign * 0.04),
                minutes=90,
                trailing_stop_pct=trailing,
            )

        registry = registered(lambda: add_strategy("s", get_signal=get_signal, on_active=on_active))
        chosen = Settings(fill_model=model, averaging=AveragingPolicy.ANY)
        plan = plan_for(registry, {"AAA": random_candles(seed, 300)}, settings=chosen)
        outcome = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))
        assert [session.error for session in outcome.sessions] == [None]
        assert not [event for event in outcome.events if type(event).__name__ == "ErrorOccurred"]
        return found, outcome.events

    (always, events), (sometimes, others) = views(1, sees_ahead=True), views(every, sees_ahead=False)
    assert events == others
    assert sometimes.items() <= always.items()
    for event in events:
        if isinstance(event, PositionClosed) and event.trade.reason == "closed":
            assert always[event.at_ms].pnl_pct == approx(event.trade.pnl_pct, rel=1e-12, abs=1e-12)
            assert always[event.at_ms].price == event.trade.price_close
    assert len(always) > 10
