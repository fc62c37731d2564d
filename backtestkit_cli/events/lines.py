"""Events as lines of a log: at which level, and in which words."""

import logging

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


def level_of(event: Event) -> int:
    """Return how grave *event* is, as of `logging`."""
    if isinstance(event, ErrorOccurred):
        return logging.ERROR
    is_warning = isinstance(event, SignalInvalid | SignalRefused | CommandRefused | PortfolioStopped)
    return logging.WARNING if is_warning else logging.INFO


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
            return ""
