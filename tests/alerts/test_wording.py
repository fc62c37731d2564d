import math

import pytest

from backtestkit_cli.alerts.wording import dropped_text, price_text, sentence
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.events.facts import (
    ErrorOccurred,
    Event,
    PortfolioStopped,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
)
from backtestkit_cli.events.venue_facts import ConnectionRestored
from tests.alerts.happenings import lost
from tests.builders import START_MS, a_position, a_trade

STAMP = (START_MS, "sma_cross", "BTCUSDT")
POSITION = a_position(price_open=64_250.1)._replace(stop_loss=62_000.0, take_profit=66_000.0)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            PositionOpened(*STAMP, 64_250.1, POSITION),
            "BTCUSDT long opened at 64,250.10 for 100.00, stop 62,000, target 66,000 (sma_cross, live, binance)",
        ),
        (
            PositionAveraged(*STAMP, 95.0, 50.0, a_position(steps=[("buy", 5, 95.0, 50.0)])),
            "BTCUSDT long averaged at 95 for 50.00, now at 98.275862 (sma_cross, live, binance)",
        ),
        (
            PositionReduced(*STAMP, 105.0, 40.0, a_position(steps=[("sell", 5, 105.0, 40.0)])),
            "BTCUSDT long reduced by 40 % at 105, 60.00 left (sma_cross, live, binance)",
        ),
        (
            PositionClosed(*STAMP, a_trade(minutes=200)),
            "BTCUSDT long closed at 101, +0.60 % (+0.60) after 3 h 20 min: take profit (sma_cross, live, binance)",
        ),
        (lost(), "BTCUSDT connection lost: timed out (sma_cross, live, binance)"),
        (ConnectionRestored(*STAMP, 75.0), "BTCUSDT connection restored: after 75 s (sma_cross, live, binance)"),
        (
            ErrorOccurred(*STAMP, "strategy", "ValueError:\n no", ""),
            "BTCUSDT error occurred: strategy: ValueError: no (sma_cross, live, binance)",
        ),
        (
            PortfolioStopped(START_MS, "", "", "max_drawdown", StopAction.CLOSE_ALL, 899.994, 900.0, None),
            "portfolio stopped: max_drawdown, equity 899.99, limit 900.00, close_all (live, binance)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_an_event_is_one_line_that_needs_no_context(event: Event, text: str) -> None:
    assert sentence(event, "live", "binance") == text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (64_250.1, "64,250.10"),
        (62_000.0, "62,000"),
        (0.000_012_34, "0.00001234"),
        (1.5, "1.50"),
        (123_456_789.25, "123,456,789.25"),
        (0.1 + 0.2, "0.30"),
        (0.0, "0"),
        (math.nan, "N/A"),
        (math.inf, "N/A"),
    ],
)
def test_a_price_has_the_digits_that_count(price: float, text: str) -> None:
    assert price_text(price) == text


def test_one_message_was_dropped_and_two_were() -> None:
    assert dropped_text(1) == "(1 message before this was dropped)"
    assert dropped_text(1200) == "(1,200 messages before this were dropped)"
