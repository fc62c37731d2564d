"""Runs that their caller drives: in a context of their own, and event by event where it pulls."""

import asyncio
import contextvars
import inspect
import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Generic, NamedTuple, Self, TypeVar

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.context import ambient
from backtestkit_cli.engine.failures import RunClosedError
from backtestkit_cli.engine.time_limits import Untimed
from backtestkit_cli.errors import ContextError

T = TypeVar("T")
R = TypeVar("R")


class _Handed(NamedTuple):
    """What a listener of the run hands to whoever pulls; the run goes on when the next one is asked for."""

    event: Any


def context_of_its_own() -> contextvars.Context:
    """Return a copy of the current context in which no session is ambient, for a run that may start within one."""
    fresh = contextvars.Context()
    for variable, value in contextvars.copy_context().items():
        if variable is not ambient:
            fresh.run(variable.set, value)
    return fresh


@types.coroutine
def driven(
    work: Coroutine[Any, Any, R], inside: contextvars.Context, failure: BaseException | None = None
) -> Generator[Any, Any, R | _Handed]:
    """Go on with *work* in the context *inside* until it ends or hands something over; return that.

    It goes on with *failure*, which is raised where it waits, if there is one.

    A task of its own would do the same, but a run that nobody pulls any more could not end at once then.
    """
    answer = None
    while True:
        try:
            wants = inside.run(work.send, answer) if failure is None else inside.run(work.throw, failure)
        except StopIteration as done:
            ended_with: R = done.value
            return ended_with
        if type(wants) is _Handed:
            return wants
        answer = failure = None
        try:
            answer = yield wants
        except BaseException as error:  # noqa: BLE001 - what was awaited failed, or was cancelled: for the run to know
            failure = error


def hand_over(event: object) -> Untimed:
    """Give *event* to whoever pulls the run, and wait until it asks for more; the handler of a listener."""
    return Untimed(_handed_over(event))


def _handed_over(event: object) -> Generator[_Handed, None, None]:
    yield _Handed(event)


class Pulled(Generic[T]):
    """A run as an async iterator: it goes on only while its caller waits for the next item.

    It ends with the run, or when it is closed, or at once when nobody holds it any more, as after a `break`: then
    what the run has begun can end only as far as it need not wait.
    `outcome` is what the run left behind, None before it has ended by itself.
    """

    def __init__(
        self, work: Coroutine[Any, Any, RunOutcome], inside: contextvars.Context, item_of: Callable[[Any], T]
    ) -> None:
        """Drive *work*, a run that hands over events; *item_of* makes of each what the caller gets."""
        self._work = work
        self._inside = inside
        self._item_of = item_of
        self._is_waiting = self._is_over = False
        self.outcome: RunOutcome | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        self._refuse_a_second()
        if self._is_over:
            raise StopAsyncIteration
        self._is_waiting = self._is_over = True
        try:
            found = await driven(self._work, self._inside)
        finally:
            self._is_waiting = False
        if isinstance(found, _Handed):
            self._is_over = False
            return self._item_of(found.event)
        self.outcome = found
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the run as a cancellation would, and wait until what it holds open is closed. May be called twice."""
        self._refuse_a_second()
        if inspect.getcoroutinestate(self._work) != inspect.CORO_SUSPENDED:
            self._end()
            return
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        self._is_waiting = self._is_over = True
        try:
            with suppress(RunClosedError):
                while isinstance(await driven(self._work, self._inside, RunClosedError()), _Handed):
                    pass
        finally:
            self._is_waiting = False
        if task and task.cancelling() > before:
            raise asyncio.CancelledError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self._inside.run(self._work.close)

    def _refuse_a_second(self) -> None:
        if self._is_waiting:
            raise ContextError("this run is waited for already: one task at a time may pull it")
