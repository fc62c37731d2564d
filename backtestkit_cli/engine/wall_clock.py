"""The clock of the present: it wakes the sessions of a run at the boundaries of minutes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import NamedTuple

from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from backtestkit_cli.engine.clock import Alarm, SessionBody
from backtestkit_cli.ports import Time

_index: ContextVar[int] = ContextVar("sleeper")
_MS_PER_SECOND = 1000


class Body(NamedTuple):
    """What runs on the clock: a session, or what comes before sessions, such as jobs.

    `is_ready` says whether all that it needs to pass a tick is there; until then it is not woken. Who `goes_first`
    gets to its next sleep before those after it wake.
    """

    run: SessionBody
    is_ready: Callable[[int], bool]
    goes_first: bool = False


class WallClock:
    """Wakes sleepers at their time, in order of (time, index); each is an asyncio task of its own.

    Before sleepers of an instant wake, `reaching` is awaited with it: candles arrive there. `one_by_one` lets each of
    them get to its next sleep before the next one wakes, as a replay does; without it nobody waits for another, and
    who is late catches up tick by tick while the others go on.
    """

    takes_instants = False

    def __init__(
        self,
        time: Time,
        reaching: Callable[[int], Awaitable[None]],
        *,
        alarm: Alarm | None = None,
        one_by_one: bool = False,
    ) -> None:
        """Keep *time*; *alarm* may have to wake all."""
        self.now_ms = -1
        self._time = time
        self._reaching = reaching
        self._alarm = alarm
        self._one_by_one = one_by_one
        self._asleep: dict[int, tuple[int, asyncio.Future[None]]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._bodies: list[Body] = []
        self._changed = asyncio.Event()
        self._is_stopped = False
        self._first: frozenset[int] = frozenset()

    async def sleep_until(self, at_ms: int) -> None:
        """Return at *at_ms*, or before it when the alarm rings; only what this clock runs may wait for it.

        Who asks for the instant under way keeps its turn: a session that goes over to a new window is not late.
        """
        if at_ms == self.now_ms and self._bodies[_index.get()].is_ready(at_ms):
            return
        future = asyncio.get_running_loop().create_future()
        self._asleep[_index.get()] = (at_ms, future)
        self._changed.set()
        await future

    def look_again(self) -> None:
        """Wake whoever has become ready."""
        self._changed.set()

    def stop(self) -> None:
        """Wake nobody any more: `run` returns as soon as all sleep."""
        self._is_stopped = True
        self._changed.set()

    def cut(self) -> None:
        """Cut off whoever is in the middle of a tick."""
        for task in self._tasks.values():
            task.cancel()

    async def run(self, bodies: list[Body]) -> None:
        """Run *bodies* until all have ended or the clock is stopped; their position in the list is their index.

        Raises:
            BaseException: whatever a body raised; the others are cancelled.
        """
        self._bodies = bodies
        self._first = frozenset(index for index, body in enumerate(bodies) if self._one_by_one or body.goes_first)
        try:
            for index, body in enumerate(bodies):
                task = asyncio.get_running_loop().create_task(self._live(index, body.run))
                task.add_done_callback(lambda _: self._changed.set())
                self._tasks[index] = task
                if index in self._first:
                    await self._settled(index)
            await self._drive()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _live(self, index: int, run: SessionBody) -> None:
        _index.set(index)
        await run(self)

    async def _drive(self) -> None:
        """Wake whoever is due, until nobody is left."""
        while True:
            self._raise_failures()
            if self._is_stopped and not self._busy():
                return
            if self._is_stopped or not self._asleep:
                if not self._busy():
                    return
                await self._change()
                continue
            at_ms = self._next_ms()
            if self._rings(at_ms):
                await self._wake(sorted(self._asleep))
                continue
            if not await self._reach(at_ms):
                continue  # somebody fell asleep meanwhile whose time is earlier, or the clock was stopped
            await self._reaching(at_ms)
            if self._ends():
                continue  # no new tick
            self.now_ms = max(self.now_ms, at_ms)
            await self._wake(self._due())

    def _next_ms(self) -> int:
        """Return when somebody is due; who could not be woken for want of candles is tried again a minute later."""
        soon_ms = self.now_ms + MINUTE_MS
        return min(
            at_ms if at_ms > self.now_ms or self._bodies[index].is_ready(at_ms) else soon_ms
            for index, (at_ms, _) in self._asleep.items()
        )

    def _due(self) -> list[int]:
        due = [
            (at_ms, index)
            for index, (at_ms, _) in self._asleep.items()
            if at_ms <= self.now_ms and self._bodies[index].is_ready(at_ms)
        ]
        return [index for _, index in sorted(due)]

    async def _wake(self, indexes: list[int]) -> None:
        for index in indexes:
            sleeper = self._asleep.pop(index, None)
            if sleeper is not None:
                sleeper[1].set_result(None)
                if index in self._first:
                    await self._settled(index)
        if not self._one_by_one:
            await asyncio.sleep(0)

    def _rings(self, until_ms: int) -> bool:
        """Say whether all must wake before *until_ms*; when that is becomes now."""
        if self._alarm is None or self.now_ms < 0:
            return False
        if self._busy():  # those are asleep whose end is far off; nobody knows yet what the next minute brings
            until_ms = min(until_ms, self.now_ms + MINUTE_MS)
        at_ms = self._alarm.next_ms(self.now_ms, until_ms)
        if at_ms is not None:
            self.now_ms = at_ms
        return at_ms is not None

    def _ends(self) -> bool:
        return self._is_stopped

    def _busy(self) -> bool:
        return any(not task.done() and index not in self._asleep for index, task in self._tasks.items())

    async def _settled(self, index: int) -> None:
        """Return once the sleeper of *index* sleeps again or has ended."""
        while index not in self._asleep and not self._tasks[index].done():
            await self._change()

    async def _reach(self, at_ms: int) -> bool:
        """Wait until *at_ms*; say whether that instant was reached before anything changed."""
        while not self._is_stopped:
            wait_ms = at_ms - self._time.now_ms()
            if wait_ms <= 0 or (not self._busy() and self._time.jump(at_ms)):
                return True
            await self._wait(wait_ms)
            self._raise_failures()
            if self._asleep and self._next_ms() < at_ms:
                return False
        return False

    async def _wait(self, wait_ms: int) -> None:
        """Return after *wait_ms*, or when something changes; a time that jumps stands still while somebody works."""
        if self._busy() and self._time.jump(self._time.now_ms()):
            await self._change()
            return
        sleeping = asyncio.ensure_future(self._time.sleep(wait_ms / _MS_PER_SECOND))
        self._changed.clear()
        changing = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait((sleeping, changing), return_when=asyncio.FIRST_COMPLETED)
        for waiting in (sleeping, changing):
            waiting.cancel()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_failures(self) -> None:
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error


def minute_of(now_ms: int) -> int:
    """Return the first boundary of a minute at or after *now_ms*."""
    return -floor_to(-now_ms, MINUTE_MS)
