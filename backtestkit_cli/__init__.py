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
    from backtestkit_cli.api.risk import add_risk
    from backtestkit_cli.api.strategies import add_strategy
    from backtestkit_cli.domain.candle import Candle, Candles
    from backtestkit_cli.domain.command import CommandResult
    from backtestkit_cli.domain.position import Entry, Partial, Position, Trade
    from backtestkit_cli.domain.risk import OpenPosition, RiskCheck
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
    from backtestkit_cli.policies.risk.counts import (
        MaxOpen,
        MaxOpenPerGroup,
        MaxOpenPerGroupSide,
        MaxOpenPerSide,
        MaxOpenPerStrategy,
        MaxOpenPerSymbol,
    )
    from backtestkit_cli.policies.risk.exposure import (
        MaxExposurePct,
        MaxGroupExposurePct,
        MaxPositionPct,
        MaxSymbolExposurePct,
    )
    from backtestkit_cli.policies.risk.hours import TradingHours
    from backtestkit_cli.policies.risk.losses import CoolDown, MinWinRate
    from backtestkit_cli.policies.risk.pace import MaxSignals
    from backtestkit_cli.policies.risk.symbols import AllowSymbols, BlockSymbols

_HOMES = {
    "api.context": (
        "activate average_buy cancel close_position context format_price format_quantity get_average_price "
        "get_candles get_indicator mode now partial_close"
    ),
    "api.listening": "listen",
    "api.markets": "add_exchange add_frame",
    "api.risk": "add_risk",
    "api.strategies": "add_strategy",
    "domain.candle": "Candle Candles",
    "domain.command": "CommandResult",
    "domain.position": "Entry Partial Position Trade",
    "domain.risk": "OpenPosition RiskCheck",
    "domain.signal": "CancelReason CloseReason Side Signal",
    "events.facts": (
        "CommandRefused ErrorOccurred Event PositionActive PositionAveraged PositionClosed PositionOpened "
        "PositionReduced SessionIdle SignalCancelled SignalInvalid SignalScheduled TickPassed"
    ),
    "policies.risk.counts": (
        "MaxOpen MaxOpenPerGroup MaxOpenPerGroupSide MaxOpenPerSide MaxOpenPerStrategy MaxOpenPerSymbol"
    ),
    "policies.risk.exposure": "MaxExposurePct MaxGroupExposurePct MaxPositionPct MaxSymbolExposurePct",
    "policies.risk.hours": "TradingHours",
    "policies.risk.losses": "CoolDown MinWinRate",
    "policies.risk.pace": "MaxSignals",
    "policies.risk.symbols": "AllowSymbols BlockSymbols",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AllowSymbols",
    "BlockSymbols",
    "CancelReason",
    "Candle",
    "Candles",
    "CloseReason",
    "CommandRefused",
    "CommandResult",
    "CoolDown",
    "Entry",
    "ErrorOccurred",
    "Event",
    "MaxExposurePct",
    "MaxGroupExposurePct",
    "MaxOpen",
    "MaxOpenPerGroup",
    "MaxOpenPerGroupSide",
    "MaxOpenPerSide",
    "MaxOpenPerStrategy",
    "MaxOpenPerSymbol",
    "MaxPositionPct",
    "MaxSignals",
    "MaxSymbolExposurePct",
    "MinWinRate",
    "OpenPosition",
    "Partial",
    "Position",
    "PositionActive",
    "PositionAveraged",
    "PositionClosed",
    "PositionOpened",
    "PositionReduced",
    "RiskCheck",
    "SessionIdle",
    "Side",
    "Signal",
    "SignalCancelled",
    "SignalInvalid",
    "SignalScheduled",
    "TickPassed",
    "Trade",
    "TradingHours",
    "activate",
    "add_exchange",
    "add_frame",
    "add_risk",
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
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used: `btk --help` must not wait for numpy."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
