"""The callbacks there are: the one table that says which name hears which event."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, get_args

from backtestkit_cli.api.arguments import check_function
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.events.bus import Handler
from backtestkit_cli.events.facts import (
    ErrorOccurred,
    LossLevelReached,
    PositionActive,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    SessionEnded,
    SessionIdle,
    SignalCancelled,
    SignalRefused,
    SignalScheduled,
    StopMoved,
    TargetMoved,
    TickPassed,
)


class Callbacks(TypedDict, total=False):
    """What `add_strategy` takes as keywords and a plug-in has as methods; a new callback is a line here."""

    on_schedule: Handler[SignalScheduled] | None
    on_open: Handler[PositionOpened] | None
    on_active: Handler[PositionActive] | None
    on_close: Handler[PositionClosed] | None
    on_cancel: Handler[SignalCancelled] | None
    on_refused: Handler[SignalRefused] | None
    on_average: Handler[PositionAveraged] | None
    on_reduce: Handler[PositionReduced] | None
    on_stop_moved: Handler[StopMoved] | None
    on_target_moved: Handler[TargetMoved] | None
    on_partial_profit: Handler[ProfitLevelReached] | None
    on_partial_loss: Handler[LossLevelReached] | None
    on_tick: Handler[TickPassed] | None
    on_idle: Handler[SessionIdle] | None
    on_error: Handler[ErrorOccurred] | None
    on_end: Handler[SessionEnded] | None


def _heard(annotation: object) -> type:
    """Return the event of a handler's *annotation*, `Handler[event] | None`."""
    handler = get_args(annotation)[0]
    (event,) = get_args(handler)[0]
    kind: type = event
    return kind


EVENT_OF: Mapping[str, type] = {name: _heard(annotation) for name, annotation in Callbacks.__annotations__.items()}
"""The kind of event that each callback hears, by the name of the callback."""


def by_event(callbacks: Callbacks, known: Mapping[str, object], where: str) -> dict[type, Callable[[Any], Any]]:
    """Return those of *callbacks* that are given, by the kind of event; *known* are the names beside them.

    Raises:
        ConfigError: there is no such keyword; the message starts with *where*.
    """
    for name in callbacks:
        if name not in EVENT_OF:
            raise UnknownNameError("keyword of add_strategy", name, {*EVENT_OF, *known}, where=where)
    given: Mapping[str, Any] = callbacks
    for name, handler in given.items():
        if handler is not None:
            check_function(handler, 1, f"{name}, a function of one event", where)
    return {EVENT_OF[name]: handler for name, handler in given.items() if handler is not None}
