"""Calling and awaiting the author's code for a limited time, also where it will not be cancelled.

What blocks the thread is cut off by who watches the stack: the frames of `called`, `answered` and `drive` say in
`seconds` how long their call may take.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_CLEANING_UP_S = 1.0


class TookTooLongError(BaseException):
    """Code of the author's took longer than it may. Not an `Exception`, because it may be raised into that code."""


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


async def within(answer: Awaitable[Any], seconds: float) -> Any:  # noqa: ANN401
    """Await *answer* for at most *seconds*, and a second more for what it does once it has been cancelled.

    Raises:
        TookTooLongError: it took longer, a TimeoutError of its own stays what it is; where it goes on waiting all
            the same, it is dropped as it stands.
    """
    return await _timed(_timed(drive(_awaited(answer), seconds), seconds), seconds + _CLEANING_UP_S)


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
    """Go through *coroutine* until it ends, or until whoever awaits it has been cancelled a second time."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that runs is in a task
    before = task.cancelling()
    step: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        try:
            awaited = step()
        except StopIteration as done:
            return done.value
        try:
            step = partial(coroutine.send, (yield awaited))
        except BaseException as error:
            if isinstance(error, GeneratorExit) or task.cancelling() - before > 1:
                with suppress(RuntimeError):  # "coroutine ignored GeneratorExit"
                    coroutine.close()
                raise
            step = partial(coroutine.throw, error)


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, Any], awaited: object) -> Generator[Any, Any, Any]:
    """Go on with *coroutine*, which waits for *awaited* already."""
    while True:
        failure: BaseException | None = None
        answer = None
        try:
            answer = yield awaited
        except BaseException as error:  # noqa: BLE001 - a cancellation belongs to the coroutine
            failure = error
        try:
            awaited = coroutine.send(answer) if failure is None else coroutine.throw(failure)
        except StopIteration as done:
            return done.value
