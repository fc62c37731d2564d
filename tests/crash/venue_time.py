"""The time of a venue whose clock stands still: it goes on when everything that was begun is done, and not before."""

import asyncio
import heapq
import http.client
import itertools
import json
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

_QUIET_TURNS = 25
"""For how many turns of the event loop nothing may be under way until it counts as quiet."""


class VenueTime:
    """Real time, as a trading run knows it: who sleeps moves the venue's clock on once nobody is busy.

    `on_end` is called in the place of moving the clock beyond *end_ms*, and `before_moving` with where it is to be
    moved to. It is moved each *pace_s* at most. Another process may have moved it on: then that one's time counts.
    """

    def __init__(self, url: str, end_ms: int, *, pace_s: float = 0.0) -> None:
        self.before_moving: Callable[[int], object] = lambda _to_ms: None
        self._pace_s = pace_s
        self.on_end: Callable[[], object] = lambda: None
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._end_ms = end_ms
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._busy = 0
        self._driver: asyncio.Task[None] | None = None
        self._at_ms = self._ask("state")

    def now_ms(self) -> int:
        return self._at_ms

    def look(self) -> None:
        """Be as late as the venue is."""
        self._at_ms = self._ask("state")

    def jump(self, _to_ms: int) -> bool:
        return False

    @contextmanager
    def busy(self) -> Any:
        """Let time stand still meanwhile."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        until_ms = self._at_ms + max(0, round(seconds * 1000))
        heapq.heappush(self._sleepers, (until_ms, next(self._numbers), future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        await future

    async def _drive(self) -> None:
        while self._sleepers:
            await self._quiet()
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers:
                return
            until_ms = self._sleepers[0][0]
            if until_ms > self._end_ms:
                self.on_end()
                return
            if until_ms > self._at_ms:
                self.before_moving(until_ms)
                if self._pace_s:
                    await asyncio.sleep(self._pace_s)
                self._at_ms = self._ask("advance", to_ms=until_ms)
            while self._sleepers and self._sleepers[0][0] <= self._at_ms:
                future = heapq.heappop(self._sleepers)[2]
                if not future.done():
                    future.set_result(None)

    async def _quiet(self) -> None:
        turns = 0
        while turns < _QUIET_TURNS:
            turns = 0 if self._busy else turns + 1
            await asyncio.sleep(0.0005 if self._busy else 0)

    def _ask(self, what: str, **asked: int) -> int:
        self._connection.request("POST", f"/control/{what}", json.dumps(asked))
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        return int(said["now_ms"]) if answer.status == http.HTTPStatus.OK else self._ask("state")
