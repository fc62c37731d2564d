"""The life of market and limit entries on the small markets of the acceptance list, both ways up."""

import pytest

from backtestkit_cli.domain.settings import FillModelName
from tests.engine.orders import CANDLE, VWAP, a_long, story
from tests.markets import at_levels, both, flat, gap, ramp, stair, wick

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])


def test_a61_a_market_entry_opens_at_the_average_of_the_five_candles_before() -> None:
    typical = [(2 * (100 + 0.1 * k) + 100 + 0.1 * (k - 1)) / 3 for k in range(25, 30)]
    rows = story(a_long(stop_loss=95.0), ramp(), VWAP, at=30)
    assert rows[0] == (30, "opened", round(sum(typical) / 5, 9)) == (30, "opened", 102.666666667)


@both_models
def test_a62_a_limit_waits_and_a_wick_fills_it_at_its_price(model: FillModelName) -> None:
    rows = story(a_long(price_open=95.0, stop_loss=90.0), wick(), model)
    assert rows[:2] == [(10, "scheduled", 95.0), (21, "opened", 95.0)]
    assert story(a_long(price_open=94.8, stop_loss=90.0), wick(150), model)[1] == (130, "timeout", None)


@both_models
def test_a63_a_limit_already_reached_opens_at_once_at_its_price(model: FillModelName) -> None:
    rows = story(a_long(price_open=95.0, stop_loss=90.0), at_levels([94.0] * 60), model)
    assert rows == [(10, "opened", 95.0), (20, "time_expired", 94.0)]


def test_a64_one_exit_ends_both_and_a_candle_that_touches_both_is_a_stop() -> None:
    signal = a_long(take_profit=105.0, stop_loss=95.0, minutes=30)
    assert story(signal, both(), CANDLE) == [(10, "opened", 100.0), (21, "stop_loss", 95.0)]
    assert story(signal, both(), VWAP) == [(10, "opened", 100.0), (40, "time_expired", 100.0)]


@both_models
def test_a65_a_waiting_entry_is_cancelled_at_its_timeout(model: FillModelName) -> None:
    signal = a_long(price_open=90.0, stop_loss=85.0)
    assert story(signal, flat(150), model) == [(10, "scheduled", 90.0), (130, "timeout", None)]
    assert story(signal, flat(150), model, schedule_await_minutes=90)[1] == (100, "timeout", None)


def test_a65_the_stop_is_judged_before_the_entry_where_prices_are_polled() -> None:
    signal = a_long(price_open=98.0, stop_loss=95.0)
    assert story(signal, wick(), VWAP) == [(10, "scheduled", 98.0), (21, "price_reject", None)]
    assert story(signal, wick(), CANDLE)[1:] == [(21, "opened", 98.0), (21, "stop_loss", 95.0)]


@both_models
def test_a66_a_position_closes_at_market_when_its_minutes_are_over(model: FillModelName) -> None:
    noon = 12 * 60
    rows = story(a_long(minutes=60), flat(noon + 120), model, at=noon)
    assert rows == [(noon, "opened", 100.0), (noon + 60, "time_expired", 100.0)]


@both_models
def test_a67_each_reason_to_close_has_its_market(model: FillModelName) -> None:
    signal = a_long(take_profit=102.0, stop_loss=95.0, minutes=40)
    assert story(signal, stair(), model)[1][1:] == ("take_profit", 102.0)
    assert story(signal, gap(), model)[1][1:] == ("stop_loss", 80.0 if model is CANDLE else 95.0)
    assert story(signal, flat(), model)[1][1:] == ("time_expired", 100.0)
