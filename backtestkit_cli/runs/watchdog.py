"""Cuts off code of the author's that blocks the thread: a timer of asyncio can only end what awaits."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypeAlias

from backtestkit_cli.engine.asking import AskFunction, TookTooLongError, called
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.vetoes import ask_validator

_Names: TypeAlias = Mapping[str, Any]

# Where the author's code is called and gone on with; of what is no signal, how long it may take, by the names there.
_ASKING = {AskFunction.ask.__code__, Session._answer.__code__}  # noqa: SLF001 - the frames to look for
_LIMIT_OF: Mapping[CodeType, Callable[[_Names], float]] = {
    Publisher.tell.__code__: lambda names: float(names["self"].handler_seconds),
    Publisher.finish.__code__: lambda names: float(names["self"].handler_seconds),
    ask_validator.__code__: lambda names: float(names["handler_seconds"]),
    called.__code__: lambda names: float(names["seconds"]),
}
_LOOP = Session._live.__code__  # noqa: SLF001 - it calls handlers too, and outlives every call


@contextmanager
def watching(signal_s: float, handler_s: float) -> Iterator[None]:
    """Within the block, raise `TookTooLongError` into a call of the author's code that has blocked for too long.

    A signal may take *signal_s*, other code what its session allows, which is *handler_s* at least. A timer
    looks at the stack now and then, so a call costs nothing more for being watched. Only the main thread of a
    POSIX system can be interrupted; elsewhere nothing is cut off.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    seen: FrameType | None = None
    since_s = 0.0

    def look(_number: int, frame: FrameType | None) -> None:
        nonlocal seen, since_s
        call, limit_s = _call_under_way(frame, signal_s)
        now_s = time.perf_counter()
        if call is None or call is not seen:
            seen, since_s = call, now_s
        elif now_s - since_s >= limit_s:
            seen = None
            raise TookTooLongError

    period_s = min(1.0, signal_s / 4, handler_s / 4)
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, period_s, period_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _call_under_way(frame: FrameType | None, signal_s: float) -> tuple[FrameType | None, float]:
    """Return the frame that stands for the innermost call of the author's code above *frame*, and its limit."""
    inner = None
    while frame is not None:
        code = frame.f_code
        if code in _ASKING:
            return frame, signal_s
        if code in _LIMIT_OF:
            return frame, _LIMIT_OF[code](frame.f_locals)
        if code is _LOOP and inner is not None and inner.f_code.co_filename != code.co_filename:
            return inner, float(frame.f_locals["self"].handler_seconds)
        inner, frame = frame, frame.f_back
    return None, signal_s
