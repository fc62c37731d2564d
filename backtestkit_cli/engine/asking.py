"""Asking a strategy for its signal: by its function, or by the table of a batch strategy."""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, Protocol

from backtestkit_cli.api.registry import GetSignal
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
        """Call the function."""
        return self._get_signal(self._symbol, to_datetime(when_ms), price)

    def next_ms(self, when_ms: int) -> int:
        """Return *when_ms*: only the function knows."""
        return when_ms


NOT_STEPPED = object()


class TookTooLongError(BaseException):
    """A signal took longer than it may. Not an `Exception`, because it may be raised into the author's own code."""


async def within(answer: Any, awaited: object, seconds: float) -> Any:  # noqa: ANN401
    """Await *answer* for at most *seconds*; it waits for *awaited* unless that is `NOT_STEPPED`.

    Raises:
        TookTooLongError: it took longer; a TimeoutError of its own stays what it is.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await (answer if awaited is NOT_STEPPED else _resume(answer, awaited))
    except TimeoutError as error:
        if limit.expired():
            raise TookTooLongError from error
        raise


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, Any], awaited: object) -> Generator[Any, Any, Any]:
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
