"""Asking a strategy for its signal: by its function, or by the table of a batch strategy."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any, Protocol

from backtestkit_cli.api.specs import GetSignal
from backtestkit_cli.domain.interval import to_datetime


class SignalSource(Protocol):
    """Where the signals of a session come from."""

    def ask(self, when_ms: int, price: float) -> Any:  # noqa: ANN401 - whatever the author's code returns
        """Return what the strategy says at *when_ms*, or something that awaits it."""
        ...

    def next_ms(self, when_ms: int) -> int | None:
        """Return the first tick from *when_ms* on at which asking may bring a signal, None for never."""
        ...


class AskFunction:
    """A `get_signal` function, which may have something to say at any slot."""

    def __init__(self, get_signal: GetSignal, symbol: str) -> None:
        """Ask *get_signal* about *symbol*."""
        self._get_signal = get_signal
        self._symbol = symbol

    def ask(self, when_ms: int, price: float) -> Any:  # noqa: ANN401
        """Call the function; of an async one, the value where it did not have to wait, else what awaits the rest."""
        answer = self._get_signal(self._symbol, to_datetime(when_ms), price)
        if type(answer) is not CoroutineType:
            return answer
        # Stepped by hand: a strategy on history hardly ever waits, and a timer costs more than the call.
        try:
            awaited = answer.send(None)
        except StopIteration as done:
            return done.value
        return _rest(answer, awaited)

    def next_ms(self, when_ms: int) -> int:
        """Return *when_ms*: only the function knows."""
        return when_ms


class TookTooLongError(BaseException):
    """Code of the author's took longer than it may. Not an `Exception`, because it may be raised into that code."""


async def within(answer: Awaitable[Any], seconds: float) -> Any:  # noqa: ANN401
    """Await *answer* for at most *seconds*.

    Raises:
        TookTooLongError: it took longer; a TimeoutError of its own stays what it is.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await answer
    except TimeoutError as error:
        if limit.expired():
            raise TookTooLongError from error
        raise


async def called(function: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401
    """Return what *function* returns; an awaitable is awaited for at most *seconds*.

    Raises:
        TookTooLongError: it took longer.
    """
    outcome = function()
    return await within(outcome, seconds) if hasattr(outcome, "__await__") else outcome


async def _rest(coroutine: Coroutine[Any, Any, Any], awaited: object) -> Any:  # noqa: ANN401
    return await resume(coroutine, awaited)


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
