"""What a run tells that belongs to no tick: of the connection, the clock, and lateness."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.life import RunLife


class Notices:
    """Publishes events that come up where nobody can wait, one after the other; `events` are all of them."""

    def __init__(self, life: RunLife) -> None:
        """Publish to who listens in *life*."""
        self._life = life
        self._waiting: asyncio.Queue[Event] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self.events: list[Event] = []

    def start(self, seen_at: Callable[[int, str], AbstractContextManager[None]]) -> None:
        """Begin to publish, first of all what was told before; author's code sees the run as *seen_at* lets it."""
        self._task = asyncio.create_task(self._run(seen_at), name="notices")

    def tell(self, event: Event) -> None:
        """Let *event* be published soon."""
        self.events.append(event)
        self._waiting.put_nowait(event)

    async def close(self, timeout_s: float = 2.0) -> None:
        """Publish what waits, within *timeout_s*, and end."""
        task, self._task = self._task, None
        if task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), timeout_s)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, seen_at: Callable[[int, str], AbstractContextManager[None]]) -> None:
        while True:
            event = await self._waiting.get()
            try:
                with seen_at(event.at_ms, event.symbol):
                    publisher = self._life.publisher(strategy=event.strategy, symbol=event.symbol)
                    publisher.keeps_record = False
                    await publisher.publish(event)
            finally:
                self._waiting.task_done()
