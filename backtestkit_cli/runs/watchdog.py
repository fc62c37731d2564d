"""Cuts off author's code that blocks the thread: a timer of asyncio can only end what awaits."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from backtestkit_cli.engine.asking import AskFunction, TookTooLongError, resume
from backtestkit_cli.engine.cutting_off import drive
from backtestkit_cli.engine.jobs import JobRunner, call_job

# Where the author's code is called, and gone on with.
_ASKING = {AskFunction.ask.__code__, resume.__code__}
_CALLING_A_JOB = {call_job.__code__, drive.__code__}
_WATCHED = _ASKING | _CALLING_A_JOB


@contextmanager
def watching(limit_s: float, jobs: JobRunner | None = None) -> Iterator[None]:
    """Within the block, raise `TookTooLongError` into a call that has blocked for as long as it may take.

    That is *limit_s* for `get_signal`, and what *jobs* says for a job. A timer looks at the stack now and then,
    so a call costs nothing more for being watched. Only the main thread of a POSIX system can be interrupted;
    elsewhere nothing is cut off.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    seen: FrameType | None = None
    since_s = 0.0

    def look(_number: int, frame: FrameType | None) -> None:
        nonlocal seen, since_s
        while frame is not None and frame.f_code not in _WATCHED:
            frame = frame.f_back
        now_s = time.perf_counter()
        if frame is None or frame is not seen:
            seen, since_s = frame, now_s
        elif now_s - since_s >= (limit_s if jobs is None or frame.f_code in _ASKING else jobs.limit_s):
            seen = None
            raise TookTooLongError

    shortest_s = limit_s if jobs is None else min(limit_s, jobs.limit_s)
    period_s = min(1.0, shortest_s / 4)
    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, period_s, period_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
