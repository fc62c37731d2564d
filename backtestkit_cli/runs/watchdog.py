"""Cuts off a `get_signal` that blocks the thread: a timer of asyncio can only end one that awaits."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from backtestkit_cli.engine.asking import AskFunction, TookTooLongError, resume

_ASKING = {AskFunction.ask.__code__, resume.__code__}  # where the author's code is called, and gone on with


@contextmanager
def watching(limit_s: float) -> Iterator[None]:
    """Within the block, raise `TookTooLongError` into a call of `get_signal` that has blocked for *limit_s*.

    A timer looks at the stack now and then, so a call costs nothing more for being watched. Only the
    main thread of a POSIX system can be interrupted; elsewhere nothing is cut off.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    seen: FrameType | None = None
    since_s = 0.0

    def look(_number: int, frame: FrameType | None) -> None:
        nonlocal seen, since_s
        while frame is not None and frame.f_code not in _ASKING:
            frame = frame.f_back
        now_s = time.perf_counter()
        if frame is None or frame is not seen:
            seen, since_s = frame, now_s
        elif now_s - since_s >= limit_s:
            seen = None
            raise TookTooLongError

    period_s = min(1.0, limit_s / 4)
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, period_s, period_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
