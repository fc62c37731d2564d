"""Who hears which event: typed listeners, filtered once per session, called in the order of subscription."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from backtestkit_cli.events.facts import Event, PositionActive, SessionIdle, TickPassed

E = TypeVar("E")
PINGS = (PositionActive, SessionIdle, TickPassed)
"""What is told every minute of a state, and only made when somebody listens."""
Handler: TypeAlias = Callable[[E], Any]
"""A sync or async function of one event; what it returns is ignored, an awaitable is awaited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Which sessions a listener hears; None hears all of them, and BTC/USDT is BTCUSDT."""

    strategy: str | None = None
    symbol: str | None = None
    mode: str | None = None

    def includes(self, strategy: str, symbol: str, mode: str) -> bool:
        """Say whether a session with these names is heard."""
        if self.strategy not in (None, strategy) or self.mode not in (None, mode):
            return False
        return self.symbol is None or self.symbol.replace("/", "") == symbol.replace("/", "")


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """One subscription; equal only to itself."""

    kind: type
    handler: Handler[Any]
    audience: Audience
    where: Callable[[Any], bool] | None
    once: bool
    after_ms: int = -1
    """The instant it was subscribed at, within a run: pings are told from the next minute on."""


class Bus:
    """The listeners of one run, and all that was recorded while they could hear it, in order.

    `version` changes with every subscription, so that sessions may cache theirs. `on_new_listener` is called when
    somebody begins to hear pings during the run. After `stop` nobody hears anything any more: the run ends at its
    next tick or event.

    A run without an end keeps no record in memory: with `keeps_record` off nobody keeps one of a session either, and
    `on_record` is given every event instead.
    """

    def __init__(self) -> None:
        """Start without listeners."""
        self._listeners: list[Listener] = []
        self.version = 0
        self.newest_ms = -1
        self.record: list[Event] = []
        self.keeps_record = True
        self.on_record: Callable[[Event], None] = self.record.append
        self.is_stopped = False
        self.on_new_listener: Callable[[], None] = lambda: None

    def stop(self) -> None:
        """Let the run end; may be called twice."""
        self.is_stopped = True
        self.version += 1

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add *listener*; the function returned takes it away and may be called twice.

        One of pings that comes during the run may have to wake sessions that nobody heard before.
        """
        self._listeners.append(listener)
        self.version += 1
        if listener.after_ms >= 0 and any(issubclass(ping, listener.kind) for ping in PINGS):
            self.newest_ms = listener.after_ms
            self.on_new_listener()

        return lambda: self.drop(listener)

    def touch(self) -> None:
        """Let every session look up again what it has looked up once."""
        self.version += 1

    def drop(self, listener: Listener) -> None:
        """Take *listener* away if it is there."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            self.version += 1

    def handlers_for(
        self, kind: type[E], strategy: str, symbol: str, mode: str, *, before_ms: float = math.inf
    ) -> tuple[Handler[E], ...]:
        """Return what to call for an event of *kind* in that session, filters included, in order.

        Who was subscribed at *before_ms* or later is left out.
        """
        return tuple(
            self._bound(listener)
            for listener in self._listeners
            if listener.after_ms < before_ms
            and issubclass(kind, listener.kind)
            and listener.audience.includes(strategy, symbol, mode)
        )

    def is_heard(self, strategy: str, symbol: str, mode: str) -> bool:
        """Say whether any listener hears that session."""
        return any(listener.audience.includes(strategy, symbol, mode) for listener in self._listeners)

    def _bound(self, listener: Listener) -> Handler[Any]:
        where, handler = listener.where, listener.handler
        if listener.once:
            return _named_like(self._once(listener), handler)
        if where is None:
            return handler
        return _named_like(lambda event: handler(event) if where(event) else None, handler)

    def _once(self, listener: Listener) -> Handler[Any]:
        def call(event: object) -> object:
            if listener not in self._listeners or (listener.where and not listener.where(event)):
                return None
            self.drop(listener)
            return listener.handler(event)

        return call


def _named_like(call: Handler[Any], handler: Handler[Any]) -> Handler[Any]:
    """Return *call* under the name of *handler*, which is what an error of it is reported by."""
    call.__qualname__ = getattr(handler, "__qualname__", type(handler).__name__)
    return call
