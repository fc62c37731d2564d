"""Listening to what happens in a run."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from backtestkit_cli.api.arguments import check_function
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.errors import ConfigError, UnknownNameError, suggestion
from backtestkit_cli.events import facts
from backtestkit_cli.events.bus import Audience, Handler, Listener

E = TypeVar("E")
MODES = ("backtest", "paper", "live")


def listen(
    kind: type[E],
    handler: Handler[E],
    *,
    strategy: str | None = None,
    symbol: str | None = None,
    mode: str | None = None,
    where: Callable[[E], bool] | None = None,
    once: bool = False,
) -> Callable[[], None]:
    """Call *handler* (sync or async) for every event of *kind* that passes the filters; return how to stop it.

    In a strategy module it holds for every run of the module, in a program for every run that the program starts
    from then on, inside a run for that run: of events from this moment on, of what is told every minute from the
    next one. An error in a handler is an `ErrorOccurred` event and ends nothing.

    Raises:
        ConfigError: *kind* is no class of events, *handler* no function of one event, *where* none that answers
            at once, or a filter names what cannot be.
    """
    place = caller()
    check_listener(kind, handler, where, place)
    check_audience(strategy, symbol, mode, place)
    audience = Audience(strategy=strategy, symbol=symbol, mode=mode)
    running = ambient.get(None)
    if running is not None:
        return running.bus.subscribe(Listener(kind, handler, audience, where, once, after_ms=running.when_ms))
    listener = Listener(kind, handler, audience, where, once)
    listeners = registry().listeners
    listeners.append(listener)

    def unsubscribe() -> None:
        if listener in listeners:
            listeners.remove(listener)
        inside = ambient.get(None)
        if inside is not None:
            inside.bus.drop(listener)

    return unsubscribe


def check_listener(kind: object, handler: object, where: object, place: str) -> None:
    """Refuse a subscription that could not work; messages start with *place*.

    Raises:
        ConfigError: *kind* is no class of events (the message names the nearest), *handler* no function, or
            *where* none that answers at once.
    """
    check_kind(kind, place)
    check_function(handler, 1, "a handler, a function of one event", place)
    if where is not None and (not callable(where) or inspect.iscoroutinefunction(where)):
        kind_of_it = "an async one" if callable(where) else repr(where)
        raise ConfigError(f"{place}: expected where to be a function that answers at once, found {kind_of_it}")


def check_audience(strategy: object, symbol: object, mode: object, place: str) -> None:
    """Refuse names that no session can have; messages start with *place*.

    Raises:
        ConfigError: one is no text, or there is no such mode.
    """
    for name, value in (("strategy", strategy), ("symbol", symbol), ("mode", mode)):
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{place}: expected {name} to be a text, found {value!r}")
    if isinstance(mode, str) and mode not in MODES:
        raise UnknownNameError("mode", mode, MODES, where=place)


def check_kind(kind: object, place: str) -> None:
    """Refuse *kind* unless it is a class of events or pings.

    Raises:
        ConfigError: it is none; the message starts with *place* and names the nearest.
    """
    ours = (value for value in vars(facts).values() if isinstance(value, type) and value.__module__ == facts.__name__)
    known = {value.__name__: value for value in ours if hasattr(value, "at_ms")}
    if not isinstance(kind, str | type):
        meant = type(kind).__name__
        raise ConfigError(f"{place}: expected a class of events, found a {meant}{suggestion(meant, known)}")
    if isinstance(kind, str) or not (kind in known.values() or issubclass(kind, facts.Event)):
        name = kind if isinstance(kind, str) else kind.__name__
        raise UnknownNameError("class of events", name, known, where=place)
