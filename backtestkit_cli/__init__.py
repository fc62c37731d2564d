"""btk: backtest, paper-trade and trade strategies written in Python. This is what a strategy author imports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtestkit_cli.api.context import (
        activate,
        average_buy,
        cancel,
        close_position,
        context,
        format_price,
        format_quantity,
        get_average_price,
        get_candles,
        get_indicator,
        mode,
        now,
        partial_close,
    )
    from backtestkit_cli.api.listening import listen
    from backtestkit_cli.api.markets import add_exchange, add_frame
    from backtestkit_cli.api.services import provide, replace_service, service
    from backtestkit_cli.api.strategies import add_strategy
    from backtestkit_cli.domain.candle import Candle, Candles
    from backtestkit_cli.domain.command import CommandResult
    from backtestkit_cli.domain.position import Entry, Partial, Position, Trade
    from backtestkit_cli.domain.signal import CancelReason, CloseReason, Side, Signal
    from backtestkit_cli.events.facts import (
        CommandRefused,
        ErrorOccurred,
        Event,
        PositionActive,
        PositionAveraged,
        PositionClosed,
        PositionOpened,
        PositionReduced,
        SessionIdle,
        SignalCancelled,
        SignalInvalid,
        SignalScheduled,
        TickPassed,
    )

_HOMES = {
    "api.context": (
        "activate average_buy cancel close_position context format_price format_quantity get_average_price "
        "get_candles get_indicator mode now partial_close"
    ),
    "api.listening": "listen",
    "api.markets": "add_exchange add_frame",
    "api.services": "provide replace_service service",
    "api.strategies": "add_strategy",
    "domain.candle": "Candle Candles",
    "domain.command": "CommandResult",
    "domain.position": "Entry Partial Position Trade",
    "domain.signal": "CancelReason CloseReason Side Signal",
    "events.facts": (
        "CommandRefused ErrorOccurred Event PositionActive PositionAveraged PositionClosed PositionOpened "
        "PositionReduced SessionIdle SignalCancelled SignalInvalid SignalScheduled TickPassed"
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "CancelReason",
    "Candle",
    "Candles",
    "CloseReason",
    "CommandRefused",
    "CommandResult",
    "Entry",
    "ErrorOccurred",
    "Event",
    "Partial",
    "Position",
    "PositionActive",
    "PositionAveraged",
    "PositionClosed",
    "PositionOpened",
    "PositionReduced",
    "SessionIdle",
    "Side",
    "Signal",
    "SignalCancelled",
    "SignalInvalid",
    "SignalScheduled",
    "TickPassed",
    "Trade",
    "activate",
    "add_exchange",
    "add_frame",
    "add_strategy",
    "average_buy",
    "cancel",
    "close_position",
    "context",
    "format_price",
    "format_quantity",
    "get_average_price",
    "get_candles",
    "get_indicator",
    "listen",
    "mode",
    "now",
    "partial_close",
    "provide",
    "replace_service",
    "service",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used: `btk --help` must not wait for numpy."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
