"""Listening to what happens in a run."""

from collections.abc import Callable
from typing import TypeVar

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.registry import registry
from backtestkit_cli.events.bus import Audience, Handler, Listener

E = TypeVar("E")


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

    In a strategy module it holds for every run of the module, inside a run for that run. An error in
    a handler is an `ErrorOccurred` event and ends nothing.
    """
    listener = Listener(kind, handler, Audience(strategy=strategy, symbol=symbol, mode=mode), where, once)
    running = ambient.get(None)
    if running is not None:
        return running.bus.subscribe(listener)
    listeners = registry().listeners
    listeners.append(listener)

    def unsubscribe() -> None:
        if listener in listeners:
            listeners.remove(listener)
        inside = ambient.get(None)
        if inside is not None:
            inside.bus.drop(listener)

    return unsubscribe
