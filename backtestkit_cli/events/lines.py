"""Events as lines of a log: at which level, and in which words."""

import logging

from backtestkit_cli.domain.wording import counted
from backtestkit_cli.events.facts import (
    CommandRefused,
    ErrorOccurred,
    Event,
    JobRan,
    LossLevelReached,
    PortfolioStopped,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    SignalCancelled,
    SignalInvalid,
    SignalRefused,
    SignalScheduled,
    StopMoved,
    TargetMoved,
)
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.venue_facts import (
    ClockJumped,
    ConnectionLost,
    ConnectionRestored,
    EntriesBlocked,
    OrderFilled,
    OrderRejected,
    OrderUnsettled,
    PositionAdjusted,
    PositionRestored,
    SessionRestarted,
)

_ERRORS = (ErrorOccurred, EntriesBlocked)
_WARNINGS = (
    SignalInvalid,
    SignalRefused,
    CommandRefused,
    PortfolioStopped,
    OrderRejected,
    OrderUnsettled,
    PositionAdjusted,
    ConnectionLost,
    ConnectionRestored,
    ClockJumped,
    SessionRestarted,
)


def level_of(event: Event) -> int:
    """Return how grave *event* is, as of `logging`."""
    if isinstance(event, _ERRORS):
        return logging.ERROR
    return logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO


def line_of(event: Event) -> str:
    """Return *event* on one line, without what the context of the line says anyway."""
    what = event_kind(type(event)).replace("_", " ")
    told = _told(event)
    return f"{what}: {told}" if told else what


def _told(event: Event) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a kind of event
    match event:
        case SignalScheduled():
            return f"{event.side.value}, waits for {event.price_open:g}"
        case SignalInvalid():
            return "; ".join(event.problems)
        case SignalRefused():
            return f"{event.profile}.{event.rule}: {event.reason}"
        case SignalCancelled():
            return event.reason.value
        case PositionOpened():
            position = event.position
            levels = f"take profit {position.take_profit:g}, stop loss {position.stop_loss:g}"
            return f"{position.side.value} at {event.price:g} for {position.invested:g}, {levels}"
        case PositionAveraged():
            return f"{event.cost:g} more at {event.price:g}"
        case PositionReduced():
            return f"{event.percent:g} % at {event.price:g}"
        case PositionClosed():
            trade = event.trade
            return f"{trade.reason.value} at {trade.price_close:g}, {trade.pnl_pct:+.3f} %"
        case StopMoved():
            return f"to {event.stop_loss:g} by {event.by.value}"
        case TargetMoved():
            return f"to {event.take_profit:g} by {event.by.value}"
        case ProfitLevelReached() | LossLevelReached():
            return f"{event.level} % at {event.price:g}"
        case PortfolioStopped():
            return f"{event.rule}, equity {event.equity:.2f}, limit {event.limit:.2f}, {event.action.value}"
        case JobRan():
            return event.job
        case CommandRefused():
            return f"{event.command}: {event.problem}"
        case ErrorOccurred():
            return f"{event.source}: {event.error}"
        case _:
            return _told_of_the_venue(event)


def _told_of_the_venue(event: Event) -> str:  # noqa: PLR0911 - one line a kind of event
    match event:
        case OrderFilled():
            side = "bought" if event.is_buy else "sold"
            return f"{_order(event)}, {side} {event.fill.quantity:g} at {event.fill.price:g}"
        case OrderRejected():
            return f"{_order(event)}: {event.reason}"
        case OrderUnsettled():
            end = ", given up" if event.is_given_up else ""
            return f"{_order(event)}: {event.reason}, after {counted(event.attempts, 'attempt')}{end}"
        case PositionRestored():
            position = event.position
            return f"{position.side.value} at {position.price_effective:g} for {position.cost_left:g}"
        case PositionAdjusted():
            return f"from {event.quantity_before:g} to {event.quantity_after:g}: {event.explanation}"
        case EntriesBlocked(explanation=reason) | ConnectionLost(reason=reason) | SessionRestarted(error=reason):
            return reason
        case ConnectionRestored():
            return f"after {event.seconds:.0f} s"
        case ClockJumped():
            return f"{event.seconds:+.0f} s"
        case _:
            return ""


def _order(event: OrderFilled | OrderRejected | OrderUnsettled) -> str:
    return f"{event.leg.name.lower()} {event.client_id}"
