"""btk: backtest, paper-trade and trade strategies written in Python. This is what a strategy author imports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtestkit_cli.analytics.outcome import RunOutcome
    from backtestkit_cli.api.bracket import bracket
    from backtestkit_cli.api.context import (
        activate,
        average_buy,
        breakeven,
        cancel,
        close_position,
        context,
        format_price,
        format_quantity,
        get_average_price,
        get_candles,
        get_indicator,
        mode,
        move_stop,
        move_take_profit,
        now,
        partial_close,
        position,
    )
    from backtestkit_cli.api.jobs import add_job
    from backtestkit_cli.api.listening import listen
    from backtestkit_cli.api.listing import (
        list_exchanges,
        list_frames,
        list_jobs,
        list_risks,
        list_sizings,
        list_strategies,
    )
    from backtestkit_cli.api.logger import set_logger
    from backtestkit_cli.api.markets import add_exchange, add_frame
    from backtestkit_cli.api.mock_context import MockContext, mock_context
    from backtestkit_cli.api.risk import add_risk
    from backtestkit_cli.api.services import provide, replace_service, service
    from backtestkit_cli.api.settings import set_config
    from backtestkit_cli.api.sizing import add_sizing
    from backtestkit_cli.api.strategies import add_strategy
    from backtestkit_cli.domain.candle import Candle, Candles
    from backtestkit_cli.domain.command import CommandResult
    from backtestkit_cli.domain.job import JobCall
    from backtestkit_cli.domain.ladder import Ladder
    from backtestkit_cli.domain.order import EntryMarket, EntryOrder, EntryTouch
    from backtestkit_cli.domain.portfolio import StopAction
    from backtestkit_cli.domain.position import Entry, Partial, Position, Trade
    from backtestkit_cli.domain.position_view import Extreme, PositionView
    from backtestkit_cli.domain.risk import Account, Admitted, ClosedTrade, OpenPosition, RiskCheck, Stage
    from backtestkit_cli.domain.scale_out import SL_LEVEL1, SL_LEVEL2, TP_LEVEL1, TP_LEVEL2, TP_LEVEL3
    from backtestkit_cli.domain.signal import CancelReason, CloseReason, Side, Signal
    from backtestkit_cli.domain.sizing import Size, SizingCheck
    from backtestkit_cli.events.facts import (
        CommandRefused,
        ErrorOccurred,
        Event,
        JobRan,
        LossLevelReached,
        MovedBy,
        PortfolioStopped,
        PositionActive,
        PositionAveraged,
        PositionClosed,
        PositionOpened,
        PositionReduced,
        ProfitLevelReached,
        SessionEnded,
        SessionIdle,
        SignalAdmitted,
        SignalCancelled,
        SignalInvalid,
        SignalRefused,
        SignalScheduled,
        StopMoved,
        TargetMoved,
        TickPassed,
    )
    from backtestkit_cli.events.venue_facts import (
        ClockJumped,
        ConnectionLost,
        ConnectionRestored,
        EntriesAllowed,
        EntriesBlocked,
        OrderFilled,
        OrderRejected,
        OrderUnsettled,
        PositionAdjusted,
        PositionRestored,
        SessionRestarted,
    )
    from backtestkit_cli.persistence.notebook import Notebook
    from backtestkit_cli.persistence.opening import open_store
    from backtestkit_cli.policies.orders.conditional import Above, Below
    from backtestkit_cli.policies.orders.limit import Limit
    from backtestkit_cli.policies.orders.stop import Stop
    from backtestkit_cli.policies.orders.stop_limit import StopLimit
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
    from backtestkit_cli.policies.sizing.correlation import Correlation
    from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly
    from backtestkit_cli.reports.markdown.kinds import report
    from backtestkit_cli.reports.saved.record import RunRecord
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run
    from backtestkit_cli.runs.background import BackgroundRun
    from backtestkit_cli.runs.programs import backtest

_HOMES = {
    "analytics.outcome": "RunOutcome",
    "api.bracket": "bracket",
    "api.context": (
        "activate average_buy breakeven cancel close_position context format_price format_quantity "
        "get_average_price get_candles get_indicator mode move_stop move_take_profit now partial_close "
        "position"
    ),
    "api.jobs": "add_job",
    "api.listening": "listen",
    "api.listing": "list_exchanges list_frames list_jobs list_risks list_sizings list_strategies",
    "api.logger": "set_logger",
    "api.markets": "add_exchange add_frame",
    "api.mock_context": "MockContext mock_context",
    "api.risk": "add_risk",
    "api.services": "provide replace_service service",
    "api.settings": "set_config",
    "api.sizing": "add_sizing",
    "api.strategies": "add_strategy",
    "domain.candle": "Candle Candles",
    "domain.command": "CommandResult",
    "domain.job": "JobCall",
    "domain.ladder": "Ladder",
    "domain.order": "EntryMarket EntryOrder EntryTouch",
    "domain.portfolio": "StopAction",
    "domain.position": "Entry Partial Position Trade",
    "domain.position_view": "Extreme PositionView",
    "domain.risk": "Account Admitted ClosedTrade OpenPosition RiskCheck Stage",
    "domain.scale_out": "SL_LEVEL1 SL_LEVEL2 TP_LEVEL1 TP_LEVEL2 TP_LEVEL3",
    "domain.signal": "CancelReason CloseReason Side Signal",
    "domain.sizing": "Size SizingCheck",
    "events.facts": (
        "CommandRefused ErrorOccurred Event JobRan LossLevelReached MovedBy PortfolioStopped PositionActive "
        "PositionAveraged PositionClosed PositionOpened PositionReduced ProfitLevelReached SessionEnded "
        "SessionIdle SignalAdmitted SignalCancelled SignalInvalid SignalRefused SignalScheduled StopMoved "
        "TargetMoved TickPassed"
    ),
    "events.venue_facts": (
        "ClockJumped ConnectionLost ConnectionRestored EntriesAllowed EntriesBlocked OrderFilled OrderRejected "
        "OrderUnsettled PositionAdjusted PositionRestored SessionRestarted"
    ),
    "persistence.notebook": "Notebook",
    "persistence.opening": "open_store",
    "policies.orders.conditional": "Above Below",
    "policies.orders.limit": "Limit",
    "policies.orders.stop": "Stop",
    "policies.orders.stop_limit": "StopLimit",
    "policies.risk.counts": (
        "MaxOpen MaxOpenPerGroup MaxOpenPerGroupSide MaxOpenPerSide MaxOpenPerStrategy MaxOpenPerSymbol"
    ),
    "policies.risk.exposure": "MaxExposurePct MaxGroupExposurePct MaxPositionPct MaxSymbolExposurePct",
    "policies.risk.hours": "TradingHours",
    "policies.risk.losses": "CoolDown MinWinRate",
    "policies.risk.pace": "MaxSignals",
    "policies.risk.symbols": "AllowSymbols BlockSymbols",
    "policies.sizing.correlation": "Correlation",
    "policies.sizing.methods": "Atr FixedPct Kelly",
    "reports.markdown.kinds": "report",
    "reports.saved.record": "RunRecord",
    "reports.saved.run_reading": "find_run load_run",
    "runs.background": "BackgroundRun",
    "runs.programs": "backtest",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "SL_LEVEL1",
    "SL_LEVEL2",
    "TP_LEVEL1",
    "TP_LEVEL2",
    "TP_LEVEL3",
    "Above",
    "Account",
    "Admitted",
    "AllowSymbols",
    "Atr",
    "BackgroundRun",
    "Below",
    "BlockSymbols",
    "CancelReason",
    "Candle",
    "Candles",
    "ClockJumped",
    "CloseReason",
    "ClosedTrade",
    "CommandRefused",
    "CommandResult",
    "ConnectionLost",
    "ConnectionRestored",
    "CoolDown",
    "Correlation",
    "EntriesAllowed",
    "EntriesBlocked",
    "Entry",
    "EntryMarket",
    "EntryOrder",
    "EntryTouch",
    "ErrorOccurred",
    "Event",
    "Extreme",
    "FixedPct",
    "JobCall",
    "JobRan",
    "Kelly",
    "Ladder",
    "Limit",
    "LossLevelReached",
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
    "MockContext",
    "MovedBy",
    "Notebook",
    "OpenPosition",
    "OrderFilled",
    "OrderRejected",
    "OrderUnsettled",
    "Partial",
    "PortfolioStopped",
    "Position",
    "PositionActive",
    "PositionAdjusted",
    "PositionAveraged",
    "PositionClosed",
    "PositionOpened",
    "PositionReduced",
    "PositionRestored",
    "PositionView",
    "ProfitLevelReached",
    "RiskCheck",
    "RunOutcome",
    "RunRecord",
    "SessionEnded",
    "SessionIdle",
    "SessionRestarted",
    "Side",
    "Signal",
    "SignalAdmitted",
    "SignalCancelled",
    "SignalInvalid",
    "SignalRefused",
    "SignalScheduled",
    "Size",
    "SizingCheck",
    "Stage",
    "Stop",
    "StopAction",
    "StopLimit",
    "StopMoved",
    "TargetMoved",
    "TickPassed",
    "Trade",
    "TradingHours",
    "activate",
    "add_exchange",
    "add_frame",
    "add_job",
    "add_risk",
    "add_sizing",
    "add_strategy",
    "average_buy",
    "backtest",
    "bracket",
    "breakeven",
    "cancel",
    "close_position",
    "context",
    "find_run",
    "format_price",
    "format_quantity",
    "get_average_price",
    "get_candles",
    "get_indicator",
    "list_exchanges",
    "list_frames",
    "list_jobs",
    "list_risks",
    "list_sizings",
    "list_strategies",
    "listen",
    "load_run",
    "mock_context",
    "mode",
    "move_stop",
    "move_take_profit",
    "now",
    "open_store",
    "partial_close",
    "position",
    "provide",
    "replace_service",
    "report",
    "service",
    "set_config",
    "set_logger",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used: `btk --help` must not wait for numpy."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
