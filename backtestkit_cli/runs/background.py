"""A run in the background of the calling program, held by its handle."""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.errors import ConfigError, ContextError
from backtestkit_cli.events.bus import Bus

_under_way: set[asyncio.Task[RunOutcome]] = set()  # the event loop alone does not keep a task alive


class BackgroundRun:
    """A run under way. It ends once: finished, failed or cancelled, and `on_done` is told."""

    def __init__(
        self,
        work: Coroutine[Any, Any, RunOutcome],
        inside: contextvars.Context,
        buses: Sequence[Bus],
        on_done: "OnDone | None",
    ) -> None:
        """Start *work* in the context *inside*; *buses* are those its events go over, as soon as there are any."""
        self._buses = buses
        self._on_done = on_done
        self._task = asyncio.get_running_loop().create_task(work, context=inside)
        _under_way.add(self._task)
        self._task.add_done_callback(self._tell, context=inside)

    def cancel(self) -> None:
        """End the run at its next safe point, which is before its next event; any thread may call this.

        Code of the author's that waits has a second to clean up, or until this is called again.
        """
        loop = self._task.get_loop()
        if _running_loop() is loop:
            self._stop()
        else:
            with suppress(RuntimeError):  # the loop is closed, and with it the run is over
                loop.call_soon_threadsafe(self._stop)

    async def wait(self) -> RunOutcome | None:
        """Return what the run left behind, None if it was cancelled; who stops waiting does not end the run.

        Raises:
            Exception: what the run raised.
            ContextError: a listener of the run itself waits for it.
        """
        if asyncio.current_task() is self._task:
            raise ContextError("a run cannot wait for its own end: wait outside its listeners")
        await asyncio.wait([self._task])
        return None if self._task.cancelled() else self._task.result()

    @property
    def is_done(self) -> bool:
        """Say whether the run has ended, in whatever way."""
        return self._task.done()

    @property
    def is_cancelled(self) -> bool:
        """Say whether the run has ended because it was cancelled."""
        return self._task.cancelled()

    @property
    def outcome(self) -> RunOutcome | None:
        """Return what the run left behind, None unless it has finished."""
        if not self.is_done or self.is_cancelled or self._task.exception() is not None:
            return None
        return self._task.result()

    @property
    def error(self) -> BaseException | None:
        """Return what the run raised, None unless it has failed."""
        return self._task.exception() if self.is_done and not self.is_cancelled else None

    def _stop(self) -> None:
        for bus in self._buses:  # for a listener of the run itself, which no cancellation reaches before it awaits
            bus.stop()
        self._task.cancel()

    def _tell(self, task: asyncio.Task[RunOutcome]) -> None:
        _under_way.discard(task)
        if self._on_done is not None:
            self._on_done(self)


OnDone: TypeAlias = Callable[[BackgroundRun], object]
"""Called once with the handle of a run that has ended; what it raises goes to the event loop's exception handler."""


def check_background(on_done: object) -> None:
    """Refuse to start a run in the background where nothing could run it, or tell of its end.

    Raises:
        ContextError: no event loop runs.
        ConfigError: *on_done* is no plain function.
    """
    if _running_loop() is None:
        raise ContextError(
            "background(...) needs a running event loop: call it in an async function that asyncio.run(...) started"
        )
    if on_done is not None and (not callable(on_done) or inspect.iscoroutinefunction(on_done)):
        kind = "an async one" if callable(on_done) else f"{on_done!r}"
        raise ConfigError(f"on_done: expected a plain function of the handle, found {kind}")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
