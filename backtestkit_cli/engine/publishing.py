"""Who is told what a session does, and the record of it."""

import traceback
from collections import deque
from types import CoroutineType
from typing import Any

from backtestkit_cli.analytics.timings import HANDLER, TimingRecorder
from backtestkit_cli.engine.failures import RunClosedError, as_told, is_from_outside, one_line
from backtestkit_cli.engine.time_limits import Untimed, resume, within
from backtestkit_cli.events.bus import PINGS, Bus, Handler
from backtestkit_cli.events.facts import (
    ErrorOccurred,
    Event,
    SignalAdmitted,
    Told,
)

AUTHORS_FAILURES = (Exception, SystemExit)
"""What the author's code may raise without ending more than itself; a `sys.exit` in a strategy is one of its bugs."""


class Publisher:
    """Records the events of one session and calls their handlers in order, one at a time.

    The handlers of each kind are looked up once and again when a subscription changes.
    """

    def __init__(
        self, bus: Bus, timings: TimingRecorder, *, strategy: str, symbol: str, mode: str, handler_seconds: float
    ) -> None:
        """Publish for the session with these names; a handler that takes longer than *handler_seconds* is cut off."""
        self.bus = bus
        self.handler_seconds = handler_seconds
        self.meter = timings.meter(HANDLER, strategy)
        self._names = (strategy, symbol, mode)
        self._heard: dict[type, tuple[Handler[Any], ...]] = {}
        self.version = -1
        self.record: list[Event] = []
        self.keeps_record = bus.keeps_record
        self.refresh(0)

    def refresh(self, when_ms: int) -> None:
        """Look up again who hears what at *when_ms* if a subscription has changed, or the run has been stopped.

        Pings are told to who was there at the minute before.

        Raises:
            RunClosedError: the run has been stopped.
        """
        if self.version == self.bus.version:
            return
        if self.bus.is_stopped:
            raise RunClosedError
        self.version = self.bus.version if self.bus.newest_ms < when_ms else -1  # else once more the next minute
        self._heard.clear()
        self.active, self.idle, self.tick = (
            self.bus.handlers_for(ping, *self._names, before_ms=when_ms) for ping in PINGS
        )
        self.hears_active_only = bool(self.active) and not self.tick

    def _handlers(self, kind: type) -> tuple[Handler[Any], ...]:
        found = self._heard.get(kind)
        if found is None:
            found = self._heard[kind] = self.bus.handlers_for(kind, *self._names)
        return found

    @property
    def has_listeners(self) -> bool:
        """Say whether anybody hears anything of this session."""
        return self.bus.is_heard(*self._names)

    async def publish(self, event: Told) -> None:
        """Record *event*, unless it is a ping, and tell everyone who listens."""
        if not isinstance(event, SignalAdmitted):
            self._note(event)
        self.refresh(event.at_ms)
        for handler in self._handlers(type(event)):
            await self.tell(handler, event)

    def _note(self, event: Event) -> None:
        if self.keeps_record:
            self.record.append(event)
        self.bus.on_record(event)

    def record_all(self, outbox: deque[Told]) -> None:
        """Record what happened while nobody listened, and empty *outbox*."""
        events: Any = outbox  # pings are for who listens, so it holds none
        self.record += events
        outbox.clear()

    def hears(self, kind: type, when_ms: int) -> bool:
        """Say whether anybody listens for events of *kind* at *when_ms*."""
        self.refresh(when_ms)
        return bool(self._handlers(kind))

    async def ping(self, ping: Any) -> None:  # noqa: ANN401 - any ping
        """Tell everyone who listens, and record nothing."""
        self.refresh(ping.at_ms)
        for handler in self._handlers(type(ping)):
            await self.tell(handler, ping)

    async def tell(self, handler: Handler[Any], event: Any, begun_s: float | None = None) -> None:  # noqa: ANN401 - as above
        """Call *handler*; its failure is an `ErrorOccurred` event and nobody else's.

        Who has asked `meter` already whether the call is due says when it has *begun*.
        """
        meter = self.meter
        if begun_s is None and next(meter.dues):
            begun_s = meter.now()
        try:
            outcome = handler(event)
        except BaseException as error:  # noqa: BLE001 - `report` passes on what is not the handler's
            await self.report(handler, event, error)
        else:
            if outcome is not None:
                await self.finish(handler, event, outcome)
        finally:
            if begun_s is not None:
                meter.ended(begun_s)

    async def finish(self, handler: Handler[Any], event: Any, outcome: Any) -> None:  # noqa: ANN401
        """Await what an async *handler* returned."""
        if type(outcome) is Untimed:
            await outcome
            return
        try:
            if type(outcome) is CoroutineType:
                try:  # stepped by hand: most do not wait, and a timer costs more than the call
                    awaited = outcome.send(None)
                except StopIteration:
                    return
                outcome = resume(outcome, awaited)
            elif not hasattr(outcome, "__await__"):
                return
            await within(outcome, self.handler_seconds)
        except BaseException as error:  # noqa: BLE001 - `report` passes on what is not the handler's
            await self.report(handler, event, error)

    async def report(self, handler: Handler[Any], event: Any, error: BaseException) -> None:  # noqa: ANN401
        """Record that *handler* failed, and tell who listens for that unless they are the ones that failed."""
        if is_from_outside(error):
            raise error
        told = as_told(error, "max_handler_seconds", self.handler_seconds)
        failure = self.failure(
            event.at_ms, f"listener {getattr(handler, '__qualname__', type(handler).__name__)}", told
        )
        if isinstance(event, ErrorOccurred):
            self._note(failure)
        else:
            await self.publish(failure)

    def failure(self, at_ms: int, source: str, error: BaseException) -> ErrorOccurred:
        """Return *error* of the author's code as a fact."""
        strategy, symbol, _ = self._names
        detail = "".join(traceback.format_exception(error))
        return ErrorOccurred(at_ms, strategy, symbol, source, one_line(error), detail)
