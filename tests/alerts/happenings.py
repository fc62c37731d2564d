"""Events for tests of alerts, and messages about them."""

from backtestkit_cli.alerts.message import Message, message_of
from backtestkit_cli.events.facts import ErrorOccurred, Event, PositionClosed, PositionOpened
from backtestkit_cli.events.venue_facts import ConnectionLost
from tests.builders import START_MS, a_position, a_trade

NOW_MS = START_MS + 61_000
STRATEGY = "sma_cross"


def opened(symbol: str = "BTCUSDT", at_ms: int = START_MS) -> PositionOpened:
    return PositionOpened(at_ms, STRATEGY, symbol, 100.0, a_position())


def closed(symbol: str = "BTCUSDT") -> PositionClosed:
    return PositionClosed(START_MS, STRATEGY, symbol, a_trade(symbol=symbol))


def lost(symbol: str = "BTCUSDT", reason: str = "timed out") -> ConnectionLost:
    return ConnectionLost(START_MS, STRATEGY, symbol, reason)


def failed(symbol: str = "BTCUSDT", error: str = "ValueError: no") -> ErrorOccurred:
    return ErrorOccurred(START_MS, STRATEGY, symbol, "strategy", error, "Traceback …")


def told(event: Event) -> Message:
    return message_of(event, "live", "binance", NOW_MS)
