"""Calling and awaiting the author's code for a limited time, also where it will not be cancelled.

What blocks the thread is cut off by who watches the stack: the frames of `called`, `answered` and `drive` say in
`seconds` how long their call may take.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_CLEANING_UP_S = 1.0


class TookTooLongError(BaseException):
    """Code of the author's took longer than it may. Not an `Exception`, because it may be raised into that code."""


class Untimed:
    """What a handler of ours returns to wait for who drives the run: without a limit, and what is raised ends it."""

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        """Go through *steps* when this is awaited."""
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps


async def called(function: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401 - whatever it returns
    """Return what *function* returns; an awaitable is awaited, as `within` does.

    Raises:
        TookTooLongError: it took longer.
    """
    outcome = function()
    return await within(outcome, seconds) if hasattr(outcome, "__await__") else outcome


def answered(function: Callable[[], T], seconds: float) -> T:  # noqa: ARG001 - for who watches the stack
    """Return what *function* returns.

    Raises:
        TookTooLongError: it blocked for longer than *seconds*.
    """
    return function()


def called_at_once(function: Callable[[], Any], seconds: float) -> bool:
    """Call *function* where nothing can wait; say whether what it returns ended all the same, or was dropped.

    Raises:
        TookTooLongError: it blocked for longer than *seconds*.
    """
    outcome = answered(function, seconds)
    if not hasattr(outcome, "__await__"):
        return True
    rest = _awaited(outcome)
    try:
        answered(partial(rest.send, None), seconds)
    except StopIteration:
        return True
    _drop(rest)
    return False


async def within(answer: Awaitable[Any], seconds: float) -> Any:  # noqa: ANN401
    """Await *answer* for at most *seconds*, and a second more for what it does once it has been cancelled.

    Raises:
        TookTooLongError: it took longer, a TimeoutError of its own stays what it is; where it goes on waiting all
            the same, it is dropped as it stands.
        asyncio.CancelledError: whoever awaits it has been cancelled, whatever it made of that.
    """
    return await _timed(drive(_awaited(answer), seconds), seconds)


async def _timed(answer: Awaitable[Any], seconds: float) -> Any:  # noqa: ANN401
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await answer
    except TimeoutError as error:
        if limit.expired():
            raise TookTooLongError from error
        raise


async def _awaited(answer: Awaitable[Any]) -> Any:  # noqa: ANN401
    return await answer


@types.coroutine
def drive(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:  # noqa: ARG001
    """Go through *coroutine* until it ends, at most a second after whoever awaits it has been cancelled.

    A second cancellation does not wait for that. Code that has swallowed the first has not undone it.
    """
    cancelled = _Cancelled()
    step: Callable[[], Any] = partial(coroutine.send, None)
    try:
        while True:
            try:
                awaited = step()
            except StopIteration as done:
                cancelled.check()
                return done.value
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                cancelled.check(error)
                raise
            try:
                step = partial(coroutine.send, (yield awaited))
            except BaseException as error:
                if isinstance(error, GeneratorExit) or cancelled.ends(error):
                    _drop(coroutine)
                    raise
                step = partial(coroutine.throw, error)
            else:
                cancelled.ends(None)
    finally:
        cancelled.forget()


class _Cancelled:
    """How often the current task was cancelled since code of the author's began to wait in it.

    The timers within that code count for as long as they have not taken their cancellation back.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        self._task = task
        self._before = task.cancelling()
        self._deadline: asyncio.TimerHandle | None = None
        self._is_ours = False
        self._is_first = True
        self._owed = 0

    def ends(self, error: BaseException | None) -> bool:
        """Take *error*, which came up where the code waits; say whether the code is to be dropped at once."""
        is_first, self._is_first = self._is_first, False
        if not isinstance(error, asyncio.CancelledError):
            return False
        if is_first and self._count == 0 < self._before:
            self._owed = 1  # it was cancelled before, and is told only now
        count = self._count + self._owed
        is_second = self._deadline is not None and count > 1
        self.forget()
        if count and not is_second:
            self._deadline = self._task.get_loop().call_later(_CLEANING_UP_S, self._cancel_again)
        return is_second

    def check(self, error: BaseException | None = None) -> None:
        """Raise the cancellation that the code, which has ended with *error*, was told of and has not passed on.

        Raises:
            asyncio.CancelledError: there was one.
        """
        if self._deadline is not None and self._count and not isinstance(error, asyncio.CancelledError):
            raise asyncio.CancelledError from error

    def forget(self) -> None:
        """Leave the task as cancelled as others have made it."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._is_ours:
            self._is_ours = False
            self._task.uncancel()

    @property
    def _count(self) -> int:
        return self._task.cancelling() - self._before

    def _cancel_again(self) -> None:
        if self._count + self._owed:
            self._is_ours = True
            self._task.cancel()


def _drop(coroutine: Coroutine[Any, Any, Any]) -> None:
    try:
        coroutine.close()
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001, S110 - it may wait on or fail as it likes, nobody waits for it
        pass


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, Any], awaited: object) -> Generator[Any, Any, Any]:
    """Go on with *coroutine*, which waits for *awaited* already; only `within` tells whether it was cancelled."""
    while True:
        failure: BaseException | None = None
        answer = None
        try:
            answer = yield awaited
        except GeneratorExit:
            _drop(coroutine)
            raise
        except BaseException as error:  # noqa: BLE001 - a cancellation belongs to the coroutine
            failure = error
        try:
            awaited = coroutine.send(answer) if failure is None else coroutine.throw(failure)
        except StopIteration as done:
            return done.value
