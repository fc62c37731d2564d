"""Cuts off author's code that blocks the thread: a timer of asyncio can only end what awaits."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from backtestkit_cli.engine.asking import AskFunction, TookTooLongError, resume
from backtestkit_cli.engine.cutting_off import drive
from backtestkit_cli.engine.jobs import JobRunner, call_job

# Where the author's code is called, and gone on with.
_ASKING = {AskFunction.ask.__code__, resume.__code__}
_CALLING_A_JOB = {call_job.__code__, drive.__code__}
_WATCHED = _ASKING | _CALLING_A_JOB
_ASKING = {AskFunction.ask.__code__, resume.__code__}  # where the author's code is called, and gone on with
_limit_s: ContextVar[float] = ContextVar("btk_limit_s")


class _Timer:
    """The one timer of the process, shared by all runs of the main thread.

    A signal arrives within the context of whatever session it interrupts, so that the limit found there is
    that of its run.
    """

    def __init__(self) -> None:
        self._limits_s: list[float] = []
        self._seen: FrameType | None = None
        self._since_s = 0.0
        self._begun_s = 0.0
        self._handler_before: Callable[[int, FrameType | None], Any] | int | None = None
        self._timer_before = (0.0, 0.0)

    def add(self, limit_s: float) -> None:
        """Watch a run with this limit too."""
        self._limits_s.append(limit_s)
        if len(self._limits_s) == 1:
            self._handler_before = signal.signal(signal.SIGALRM, self._look)
            self._begun_s = time.perf_counter()
            self._timer_before = self._set()
        else:
            self._set()

    def remove(self, limit_s: float) -> None:
        """Watch one run with this limit less; after the last one an alarm of somebody else goes on."""
        self._limits_s.remove(limit_s)
        if threading.current_thread() is not threading.main_thread():
            return  # a run that is dropped elsewhere cannot change signals; the next one to look does
        if self._limits_s:
            self._set()
        else:
            self._give_back()

    def _set(self) -> tuple[float, float]:
        period_s = min(1.0, min(self._limits_s) / 4)
        return signal.setitimer(signal.ITIMER_REAL, period_s, period_s)

    def _give_back(self) -> None:
        self._seen = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler_before)
        left_s, period_s = self._timer_before
        if left_s:
            left_s -= time.perf_counter() - self._begun_s
            signal.setitimer(signal.ITIMER_REAL, max(left_s, 0.001), period_s)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        if not self._limits_s:
            self._give_back()
            return
        while frame is not None and frame.f_code not in _ASKING:
            frame = frame.f_back
        now_s = time.perf_counter()
        if frame is None or frame is not self._seen:
            self._seen, self._since_s = frame, now_s
        elif now_s - self._since_s >= _limit_s.get(max(self._limits_s)):
            self._seen = None
            raise TookTooLongError


_timer = _Timer()


@contextmanager
def watching(limit_s: float, jobs: JobRunner | None = None) -> Iterator[None]:
    """Within the block, raise `TookTooLongError` into a call that has blocked for as long as it may take.

    That is *limit_s* for `get_signal`, and what *jobs* says for a job. A timer looks at the stack now and then,
    so a call costs nothing more for being watched. Only the main thread of a POSIX system can be interrupted;
    elsewhere nothing is cut off.
    A timer looks at the stack now and then, so a call costs nothing more for being watched. Only the
    main thread of a POSIX system can be interrupted; elsewhere nothing is cut off. Several runs may be
    watched at once, each with its own limit.
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
    token = _limit_s.set(limit_s)
    _timer.add(limit_s)
    try:
        yield
    finally:
        _timer.remove(limit_s)
        _limit_s.reset(token)
