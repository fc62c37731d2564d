"""The messages that wait for one place, and the task that brings them there, in order and one at a time."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backtestkit_cli.alerts.message import Message
from backtestkit_cli.alerts.pending import Pending
from backtestkit_cli.alerts.sinks import Refused, Sink, Unreached, Verdict

_LOG = logging.getLogger("btk.alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many messages wait for one place, and how patiently it is tried; times are in seconds.

    Waits between attempts double from the first to the longest. After `attempts` in a row the place counts as down:
    it is left alone for `rest_seconds`, and then tried again in the same way.
    """

    max_waiting: int = 1000
    attempts: int = 6
    first_wait_seconds: float = 1.0
    max_wait_seconds: float = 60.0
    rest_seconds: float = 300.0

    def wait_seconds(self, attempts: int, rng: random.Random) -> float:
        """Return how long to wait after *attempts* that failed: between half of what is due and all of it."""
        if attempts >= self.attempts:
            due = self.rest_seconds
        else:
            due = min(self.first_wait_seconds * 2.0 ** (attempts - 1), self.max_wait_seconds)
        return due * rng.uniform(0.5, 1.0)


class Courier:
    """Brings what is pending to *sink*; whatever goes wrong there is logged and tried again, and never raised."""

    def __init__(
        self,
        sink: Sink,
        pending: Pending,
        limits: Limits,
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        scrub: Callable[[str], str],
    ) -> None:
        """Wait by *sleep*, with jitter of *rng*; *scrub* takes secrets out of what is logged."""
        self.sink = sink
        self.pending = pending
        self._limits = limits
        self._sleep = sleep
        self._rng = rng
        self._scrub = scrub
        self._attempts = 0
        self._is_down = False
        self._is_closing = False
        self._arrived = asyncio.Event()
        self._nap: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send, with what an earlier process left."""
        if self._task is None and not self._is_closing:
            self._task = asyncio.create_task(self._run(), name=f"alerts to {self.sink.name}")

    async def take(self, message: Message) -> None:
        """Save *message* and let it be sent."""
        await self.pending.add(message)
        self._arrived.set()

    async def close(self, timeout_seconds: float) -> None:
        """Send what can be sent within *timeout_seconds*, each message tried once; the rest stays saved."""
        self._is_closing = True
        self._arrived.set()
        if self._nap is not None:
            self._nap.cancel()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=timeout_seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.pending.tidy()
        await self.sink.close()

    async def _run(self) -> None:
        try:
            await self.pending.load()
            goes_on = True
            while goes_on:
                message = self.pending.begin()
                goes_on = await self._woken() if message is None else await self._brought(message)
        except Exception as error:  # noqa: BLE001 - a mistake of ours, which nobody would see before the end
            self._warn(f"nothing more is sent before a restart, {type(error).__name__}: {error}")

    async def _woken(self) -> bool:
        """Wait for a message; say whether one may still come."""
        if self._is_closing:
            return False
        self._arrived.clear()
        await self._arrived.wait()
        return True

    async def _brought(self, message: Message) -> bool:
        """Try once to deliver *message*, and wait where that failed; say whether to go on."""
        verdict = await self._sent(message)
        if isinstance(verdict, Unreached):
            self.pending.put_back()
            return await self._waited(verdict)
        if isinstance(verdict, Refused):
            self._warn(f"{message.event} is not taken and was dropped: {verdict.reason}")
        elif self._is_down:
            self._warn("reached again")
        self._attempts, self._is_down = 0, False
        await self.pending.done(is_lost=isinstance(verdict, Refused))
        return True

    async def _sent(self, message: Message) -> Verdict:
        try:
            return await self.sink.send(message)
        except Exception as error:  # noqa: BLE001 - no mistake of a sink may end its task; what it says may be secret
            return Unreached(f"failed with {type(error).__name__}")

    async def _waited(self, failure: Unreached) -> bool:
        """Wait until the next attempt is due; say whether there is one: closing leaves time for no more than one."""
        if not self._is_down:
            self._is_down = True
            self._warn(f"{failure.reason}; messages are kept and sent later")
        await self.pending.tidy()
        if self._is_closing:
            return False
        self._attempts = self._attempts % self._limits.attempts + 1
        asked_s = failure.retry_after_s or 0.0
        is_cut_short = await self._napped(max(self._limits.wait_seconds(self._attempts, self._rng), asked_s))
        return not (is_cut_short and asked_s)

    async def _napped(self, seconds: float) -> bool:
        """Sleep, and say whether closing ended it early."""
        self._nap = nap = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({nap})
        finally:
            self._nap = None
            nap.cancel()
        if not nap.cancelled():
            nap.result()
        return nap.cancelled()

    def _warn(self, text: str) -> None:
        _LOG.warning("%s", self._scrub(f"alerts to {self.sink.name}: {text}"))
