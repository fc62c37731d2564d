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
_HEAD_START_S = 5.0
"""How long sessions wait for what comes before them at most: a slow job must not hold up an exit."""
_JUDGED_AFTER_S = 5.0
"""How long after a minute the alarm judges it though somebody is not through, or has no candle of it."""


class Body(NamedTuple):
    """What runs on the clock: a session, or what comes before sessions, such as jobs: it `goes_first`.

    `is_ready` says whether all that it needs to pass a tick is there; until then it is not woken.
    """

    run: SessionBody
    is_ready: Callable[[int], bool]
    goes_first: bool = False


class WallClock:
    """Wakes sleepers at their time, in order of (time, index); each is an asyncio task of its own.

    When an instant has come, `reaching` is awaited with it: candles arrive there, or begin to. `one_by_one` lets each
    sleeper get to its next sleep before the next one wakes, as a replay does. Without it nobody waits for another but
    a short while for who goes first; who has what it needs wakes at once, and who is late catches up tick by tick
    while the others go on.

    `on_passed` is told of each sleeper, by its index, that sleeps again, and the instant it had been woken for.
    """

    takes_instants = False

    def __init__(
        self,
        time: Time,
        reaching: Callable[[int], Awaitable[None]],
        *,
        alarm: Alarm | None = None,
        one_by_one: bool = False,
        on_passed: Callable[[int, int], None] | None = None,
    ) -> None:
        """Keep *time*; *alarm* may have to wake all."""
        self.now_ms = -1
        self._time = time
        self._reaching = reaching
        self._alarm = alarm
        self._one_by_one = one_by_one
        self._on_passed = on_passed
        self._asleep: dict[int, tuple[int, asyncio.Future[None]]] = {}
        self._woken_for: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._bodies: list[Body] = []
        self._is_stopped = self._is_cut = False

    async def sleep_until(self, at_ms: int) -> None:
        """Return at *at_ms*, or before it when the alarm rings; only what this clock runs may wait for it.

        Who asks for the instant under way keeps its turn: a session that goes over to a new window is not late.
        """
        index = _index.get()
        passed_ms = self._woken_for.pop(index, None)
        if passed_ms is not None and passed_ms != at_ms and self._on_passed is not None:
            self._on_passed(index, passed_ms)
        if at_ms == self.now_ms and self._bodies[index].is_ready(at_ms):
            self._woken_for[index] = at_ms
            return
        future = asyncio.get_running_loop().create_future()
        self._asleep[index] = (at_ms, future)
        self._changed.set()
        await future

    def look_again(self) -> None:
        """Look who has become ready, and what time it is."""
        self._changed.set()

    def stop(self) -> None:
        """Wake nobody any more: `run` returns as soon as all sleep."""
        self._is_stopped = True
        self._changed.set()

    def cut(self) -> None:
        """Cut off whoever is in the middle of a tick, after a stop."""
        self._is_cut = True
        self.stop()
        for task in self._tasks.values():
            task.cancel()

    async def run(self, bodies: list[Body]) -> None:
        """Run *bodies* until all have ended or the clock is stopped; their position in the list is their index.

        Raises:
            BaseException: whatever a body raised, also that it was cancelled; the others are cancelled then.
        """
        self._bodies = bodies
        try:
            for index, body in enumerate(bodies):
                task = asyncio.get_running_loop().create_task(self._live(index, body.run))
                task.add_done_callback(lambda _: self._changed.set())
                self._tasks[index] = task
                await self._turn_of(index)
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
        is_judged = True
        while not self._is_stopped:
            self._raise_failures()
            due = self._due()
            if due:
                await self._wake(due)
                continue
            if not self._asleep:
                if not self._busy():
                    return
                await self._change()
                continue
            at_ms = self._next_ms()
            if not is_judged and (self._is_through() or await self._reached(self._judged_ms(at_ms))):
                is_judged = not self._rings(at_ms)
                if not is_judged:
                    await self._wake(sorted(self._asleep))
            elif is_judged and await self._reached(at_ms):
                self.now_ms, is_judged = at_ms, False
                await self._reaching(at_ms)
        await self._finished()

    def _next_ms(self) -> int:
        """Return the next instant at which somebody is due; who waits for candles is looked at every minute."""
        soon_ms = self.now_ms + MINUTE_MS
        return min(at_ms if at_ms > self.now_ms else soon_ms for at_ms, _ in self._asleep.values())

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
            if sleeper is None:
                continue
            at_ms, future = sleeper
            if at_ms <= self.now_ms:
                self._woken_for[index] = at_ms
            future.set_result(None)
            await self._turn_of(index)
        if not self._one_by_one:
            await asyncio.sleep(0)

    async def _turn_of(self, index: int) -> None:
        """Let the sleeper of *index* go on before the next one wakes, where it is to."""
        if self._one_by_one:
            await self._settled(index)
        elif self._bodies[index].goes_first:
            await self._settled(index, self._time.now_ms() + round(_HEAD_START_S * _MS_PER_SECOND))

    def _is_through(self) -> bool:
        """Say whether all has happened that happens at the instant that is now."""
        return not self._busy() and all(at_ms > self.now_ms for at_ms, _ in self._asleep.values())

    def _judged_ms(self, next_ms: int) -> int:
        """Return when the alarm judges what happened now, whoever is not through."""
        return min(next_ms, self.now_ms + round(_JUDGED_AFTER_S * _MS_PER_SECOND))

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

    def _busy(self) -> bool:
        return any(not task.done() and index not in self._asleep for index, task in self._tasks.items())

    async def _settled(self, index: int, until_ms: int | None = None) -> None:
        """Return once the sleeper of *index* sleeps again or has ended, or it is *until_ms*, or the clock stops."""
        while index not in self._asleep and not self._tasks[index].done() and not self._is_stopped:
            if until_ms is None:
                await self._change()
            elif await self._reached(until_ms):
                return

    async def _finished(self) -> None:
        """Wait until all sleep."""
        while self._busy():
            await self._change()
        self._raise_failures()

    async def _reached(self, at_ms: int) -> bool:
        """Wait until *at_ms* or until anything changes; say whether it is that late."""
        wait_ms = at_ms - self._time.now_ms()
        if wait_ms <= 0 or (not self._busy() and self._time.jump(at_ms)):
            return True
        await self._wait(wait_ms)
        return self._time.now_ms() >= at_ms

    async def _wait(self, wait_ms: int) -> None:
        """Return after *wait_ms*, or when something changes; a time that jumps stands still while somebody works."""
        if self._busy() and self._time.jump(self._time.now_ms()):
            await self._change()
            return
        sleeping = asyncio.ensure_future(self._time.sleep(wait_ms / _MS_PER_SECOND))
        self._changed.clear()
        changing = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((sleeping, changing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (sleeping, changing):
                waiting.cancel()
            await asyncio.gather(sleeping, changing, return_exceptions=True)  # nothing is left behind

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_failures(self) -> None:
        for index, task in self._tasks.items():
            if not task.done():
                continue
            if task.cancelled():
                if self._is_cut:
                    continue
                raise asyncio.CancelledError(f"body {index} of the clock was given up")
            if (error := task.exception()) is not None:
                raise error


def minute_of(now_ms: int) -> int:
    """Return the first boundary of a minute at or after *now_ms*."""
    return -floor_to(-now_ms, MINUTE_MS)
