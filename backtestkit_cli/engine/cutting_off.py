"""Awaiting the author's code for a limited time, also where it will not be cancelled."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any

from backtestkit_cli.engine.asking import within

_CLEANING_UP_S = 1.0


async def awaited_within(answer: Awaitable[Any], seconds: float) -> Any:  # noqa: ANN401 - whatever it returns
    """Await *answer* for at most *seconds*, and a second more for what it does once it has been cancelled.

    Raises:
        TookTooLongError: it took longer; where it goes on waiting all the same, it is dropped as it stands.
    """
    return await within(within(drive(_awaited(answer), seconds), seconds), seconds + _CLEANING_UP_S)


async def _awaited(answer: Awaitable[Any]) -> Any:  # noqa: ANN401
    return await answer


@types.coroutine
def drive(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:  # noqa: ARG001
    """Go through *coroutine* until it ends, or until whoever awaits it has been cancelled a second time.

    *seconds* is for who looks at the stack: how long it may block.
    """
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
