"""Cuts off code of the author's that blocks the thread: a timer of asyncio can only end what awaits."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any, TypeAlias

from backtestkit_cli.engine.asking import AskFunction, awaited
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.time_limits import TookTooLongError, answered, called, drive

_Names: TypeAlias = Mapping[str, Any]

# Where the author's code is called and gone on with; of what is no signal, how long it may take, by the names there.
_ASKING = {AskFunction.ask.__code__, awaited.__code__}
_LIMIT_OF: Mapping[CodeType, Callable[[_Names], float]] = {
    Publisher.tell.__code__: lambda names: float(names["self"].handler_seconds),
    Publisher.finish.__code__: lambda names: float(names["self"].handler_seconds),
    **dict.fromkeys((f.__code__ for f in (called, answered, drive)), lambda names: float(names["seconds"])),
}
_LOOP = Session.live.__code__  # it calls handlers too, and outlives every call
_signal_s: ContextVar[float] = ContextVar("btk_signal_s")


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
        """Watch a run whose shortest limit is this one too."""
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
        call, limit_s = _call_under_way(frame, _signal_s.get(max(self._limits_s)))
        now_s = time.perf_counter()
        if call is None or call is not self._seen:
            self._seen, self._since_s = call, now_s
        elif now_s - self._since_s >= limit_s:
            self._seen = None
            raise TookTooLongError


_timer = _Timer()


@contextmanager
def watching(signal_s: float, shortest_s: float) -> Iterator[None]:
    """Within the block, raise `TookTooLongError` into a call of the author's code that has blocked for too long.

    A signal may take *signal_s*, other code what its session or job allows, which is *shortest_s* at least. A
    timer looks at the stack now and then, so a call costs nothing more for being watched. Only the main thread
    of a POSIX system can be interrupted; elsewhere nothing is cut off. Several runs may be watched at once,
    each with its own limits.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    token = _signal_s.set(signal_s)
    limit_s = min(signal_s, shortest_s)
    _timer.add(limit_s)
    try:
        yield
    finally:
        _timer.remove(limit_s)
        _signal_s.reset(token)


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
            return inner, float(frame.f_locals["publisher"].handler_seconds)
        inner, frame = frame, frame.f_back
    return None, signal_s
