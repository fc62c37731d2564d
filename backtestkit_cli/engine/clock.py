"""The clock of a replay: it wakes the sessions of a run in one order, as fast as they return."""

import bisect
import contextvars
import heapq
import sys
import time
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Protocol

from backtestkit_cli.analytics.timings import TimingRecorder
from backtestkit_cli.ports import Clock

SessionBody = Callable[[Clock], Coroutine[Any, Any, None]]

_REPORTS_PER_RUN = 200
_BREATH_S = 0.05


def new_timings() -> TimingRecorder:
    """Return a recorder of how long things really take, which no figure of a replay depends on."""
    return TimingRecorder(time.perf_counter)


class Alarm(Protocol):
    """Something that may have to wake every sleeper before its time."""

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        """Return the first instant of `[from_ms, until_ms)` at which all must wake, None for none of them.

        All that happens at the instants before *until_ms* has happened.
        """
        ...


class _Sleeper:
    """One session: its coroutine, driven within a context of its own; `wake` goes on with it until it waits again."""

    __slots__ = ("body", "index", "resume", "wake")

    def __init__(self, index: int, body: Coroutine[Any, Any, None]) -> None:
        self.index = index
        self.body = body
        self.resume = contextvars.copy_context().run
        self.wake: Callable[[], Any] = partial(self.resume, body.send, None)


class VirtualClock:
    """Replays history: sleepers wake in order of (time, session index), one at a time.

    Sessions are coroutines of one asyncio task and not tasks of their own: only one may ever run, and
    handing over by a future costs ten times what a tick may cost. What they await besides the clock
    (a model, a database) goes to the event loop as in any coroutine, and the run waits for it, because
    the next session must see its effects.
    """

    def __init__(
        self,
        *,
        on_progress: Callable[[int], None] | None = None,
        span_ms: tuple[int, int] = (0, 0),
        alarm: Alarm | None = None,
        on_wake_all: Callable[[], None] = lambda: None,
    ) -> None:
        """Report the virtual time to *on_progress* some two hundred times within *span_ms*; *alarm* may wake all.

        *on_wake_all* is called before `wake_all` does so: sleepers must know that their time has not come.
        """
        self.now_ms = -1
        self._alarm = alarm
        self._must_wake_all = False
        self._on_wake_all = on_wake_all
        self._on_progress = on_progress
        self._report_at, self._breathe_at = 0, 0.0
        self._step_ms = max(1, (span_ms[1] - span_ms[0]) // _REPORTS_PER_RUN)

    takes_instants = True

    @types.coroutine
    def sleep_until(self, at_ms: int) -> Generator[int, None, None]:
        """Return at *at_ms*, or before it when the alarm rings; only a session that this clock runs may wait for it.

        The bare number is what reaches `_drive`: asyncio's own awaitables hand over futures, or None.
        """
        yield at_ms

    async def run(self, sessions: list[SessionBody]) -> None:
        """Run *sessions* to their end; their position in the list is their index. They must not raise."""
        await self._drive([_Sleeper(i, body(self)) for i, body in enumerate(sessions)])

    @types.coroutine
    def _drive(  # noqa: C901 - every branch runs millions of times, a call for one costs more than all of them
        self, sleepers: list[_Sleeper]
    ) -> Generator[Any, Any, None]:
        """Wake whoever is due, earliest first; a bucket holds the sleepers of one instant, by index."""
        buckets: dict[int, list[_Sleeper]] = {}
        instants: list[int] = []
        due = sleepers
        try:
            while True:
                newest_ms, newest = -1, due  # the bucket begun last: who woke together mostly sleeps until one instant
                for sleeper in due:
                    try:
                        at_ms = sleeper.wake()
                    except StopIteration:
                        continue
                    if at_ms == newest_ms:
                        newest.append(sleeper)
                        continue
                    if type(at_ms) is not int:
                        at_ms = yield from self._wait_for(sleeper, at_ms)
                        if at_ms is None:
                            continue
                    if at_ms in buckets:
                        bisect.insort(buckets[at_ms], sleeper, key=_index)
                        continue
                    newest_ms, newest = at_ms, [sleeper]
                    buckets[at_ms] = newest
                    heapq.heappush(instants, at_ms)
                if not instants:
                    return
                if (self._must_wake_all or self._alarm is not None) and self._rings(instants):
                    due = sorted((sleeper for bucket in buckets.values() for sleeper in bucket), key=_index)
                    buckets.clear()
                    instants.clear()
                    continue
                self.now_ms = now_ms = heapq.heappop(instants)
                due = buckets.pop(now_ms)
                if now_ms >= self._report_at and self._report(now_ms):
                    yield  # lets the event loop see a cancellation
        finally:
            _close(sleepers)

    def wake_all(self) -> None:
        """Wake all sleepers once more at the instant under way: what they sleep until may have changed."""
        self._must_wake_all = True

    def _rings(self, instants: list[int]) -> bool:
        """Say whether all sleepers must wake before the next instant; when that is becomes now."""
        if self.now_ms < 0:
            return False
        if self._must_wake_all:
            self._must_wake_all = False
            self._on_wake_all()
            return True
        at_ms = self._alarm.next_ms(self.now_ms, instants[0]) if self._alarm is not None else None
        if at_ms is None:
            return False
        self.now_ms = at_ms
        return True

    def _report(self, now_ms: int) -> bool:
        """Tell how far the run is; say whether the event loop has had to wait long enough for a turn."""
        self._report_at = now_ms + self._step_ms
        if self._on_progress is not None:
            self._on_progress(now_ms)
        if time.perf_counter() < self._breathe_at:
            return False
        self._breathe_at = time.perf_counter() + _BREATH_S
        return True

    def _wait_for(self, sleeper: _Sleeper, wants: object) -> Generator[Any, Any, int | None]:
        """Pass what *sleeper* awaits on to the event loop; return when it wants to wake up, None if it has ended."""
        while type(wants) is not int:
            failure: BaseException | None = None
            answer = None
            try:
                answer = yield wants
            except BaseException as error:  # noqa: BLE001 - an awaited future's failure belongs to who awaits it
                failure = error
            try:
                if failure is None:
                    wants = sleeper.resume(sleeper.body.send, answer)
                else:
                    wants = sleeper.resume(sleeper.body.throw, failure)
            except StopIteration:
                return None
        return wants


def _close(sleepers: list[_Sleeper]) -> None:
    """End whoever has not ended; one that will not, or fails at it, is noted on what ends the run."""
    ending = sys.exception()
    for sleeper in sleepers:
        try:
            sleeper.body.close()
        except BaseException as error:  # noqa: BLE001 - all of them are closed, and what ends the run goes on
            if ending is not None:
                ending.add_note(f"session {sleeper.index} did not end in order: {error!r}")


def _index(sleeper: _Sleeper) -> int:
    return sleeper.index
