"""The candles of the present: from a source that is asked, or a stream that tells."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np

from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to, utc_text
from backtestkit_cli.domain.trading import TradingOptions
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource, Time
from backtestkit_cli.runs.trading.growing_book import GrowingBook

_MS_PER_SECOND = 1000
_ASK_AGAIN_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_SILENT_MS = 5 * MINUTE_MS
"""A venue that has had no new candle of any symbol for so long is not quiet: its data are stale."""


class Problem(NamedTuple):
    """Why the candles of a symbol do not go on; `is_connection` says that the venue is not reached, or stale."""

    reason: str
    is_connection: bool


class Feed:
    """Brings the candle of the minute that has just ended to every market, as soon as the venue has it.

    A minute of which the venue has no candle once patience is over counts as one without trades, and becomes what the
    gap policy says. While the venue is not reached, has nothing new at all, or the policy forbids what is missing,
    nothing is made up: the sessions of the symbol wait, and it goes on by itself.
    """

    def __init__(
        self,
        book: GrowingBook,
        source: CandleSource,
        time: Time,
        options: TradingOptions,
        rng: random.Random,
        *,
        is_complete: bool,
    ) -> None:
        """Feed *book* from *source*; one that *is_complete* is history, which needs no patience."""
        self._book = book
        self._source = source
        self._time = time
        self._options = options
        self._rng = rng
        self._is_complete = is_complete
        self._wanted_ms = 0
        self._ready_ms: dict[str, int] = {}
        self._seen_ms: dict[str, int] = {}
        self._told: dict[str, dict[int, Candle]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None
        self.problems: dict[str, Problem] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_problem: Callable[[str, Problem | None], None] = lambda _symbol, _problem: None
        self.on_candle: Callable[[str, Candles], Awaitable[None]] = _nobody_hears

    def is_ready(self, symbol: str, at_ms: int) -> bool:
        """Say whether the candles of *symbol* before *at_ms* are there."""
        return self._ready_ms.get(symbol, 0) >= at_ms

    def begins(self, symbol: str) -> None:
        """Take note of what the history of *symbol* holds."""
        self._ready_ms[symbol] = self._known_ms(symbol)

    def _known_ms(self, symbol: str) -> int:
        return self._book.growing()[symbol].known_ms

    def silent_ms(self, symbol: str) -> int:
        """Return how old the newest candle is that the venue has had of *symbol*, 0 before the first."""
        seen_ms = self._seen_ms.get(symbol)
        return 0 if seen_ms is None else self._time.now_ms() - seen_ms

    async def reach(self, at_ms: int) -> None:
        """Bring all minutes before *at_ms*, of history at once, else in the background: `on_change` tells."""
        if self._failure is not None:
            raise self._failure
        self._book.reaches(at_ms)
        if self._is_complete:
            for symbol in tuple(self._book.growing()):
                if self._known_ms(symbol) < at_ms:
                    await self._take(symbol, await self._asked(symbol, at_ms), at_ms)
            return
        self._wanted_ms = max(at_ms, floor_to(self._time.now_ms(), MINUTE_MS))
        for symbol in (*self._book.growing(), *self._book.lacking()):
            self._begin(symbol)

    def tell(self, symbol: str, *values: float) -> None:
        """Take a closed candle of *symbol* that a stream told, with the *values* of a `Candle`."""
        candle = Candle._make((int(values[0]), *values[1:]))
        self._told.setdefault(symbol, {})[candle.timestamp] = candle
        self._news_of(symbol).set()
        if symbol in self._book.growing():
            self._begin(symbol)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    def _begin(self, symbol: str) -> None:
        """See to it that somebody brings what is wanted of *symbol*."""
        if symbol not in self._tasks and not self._is_brought(symbol):
            task = self._tasks[symbol] = asyncio.create_task(self._bring(symbol), name=f"candles of {symbol}")
            task.add_done_callback(lambda done: self._ended(symbol, done))

    def _is_brought(self, symbol: str) -> bool:
        return self._book.holds(symbol) and self._known_ms(symbol) >= self._wanted_ms

    def _ended(self, symbol: str, task: asyncio.Task[None]) -> None:
        del self._tasks[symbol]
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        self.on_change()

    async def _bring(self, symbol: str) -> None:
        """Bring what is wanted of *symbol*, as long as it takes."""
        failures = 0
        while not self._is_brought(symbol):
            at_ms = self._wanted_ms
            self._news_of(symbol).clear()
            try:
                if not self._book.holds(symbol):
                    await self._book.load(symbol)
                    self.begins(symbol)
                found = await self._found(symbol, at_ms)
                await self._take(symbol, found, at_ms)
            except (DataError, VenueError) as error:
                failures += 1
                self._stands(symbol, Problem(str(error), is_connection=isinstance(error, VenueError)))
                longest_s = min(_FIRST_PAUSE_S * 2.0**failures, _LONGEST_PAUSE_S)
                await self._wait(symbol, longest_s * self._rng.uniform(0.5, 1.0))
            else:
                failures = 0
                self._stands(symbol, None)
                self.on_change()

    async def _found(self, symbol: str, at_ms: int) -> Candles:
        """Return what there is of *symbol* before *at_ms*: what was told, or else what the source answers.

        Raises:
            DataError: what the source has cannot be used.
            VenueError: it was not reached, or its data are stale.
        """
        settled_ms = at_ms + round(self._options.settle_seconds * _MS_PER_SECOND)
        patient_ms = at_ms + round(self._options.candle_patience_seconds * _MS_PER_SECOND)
        while True:
            self._news_of(symbol).clear()
            found = self._all_told(symbol, at_ms)
            if found is None and self._time.now_ms() < settled_ms:
                await self._wait(symbol, (settled_ms - self._time.now_ms()) / _MS_PER_SECOND)
                continue
            if found is None:
                found = await self._asked(symbol, at_ms)
            if len(found):
                self._seen_ms[symbol] = int(found.timestamp[-1]) + MINUTE_MS
                if self._seen_ms[symbol] >= at_ms:
                    return found
            if self._time.now_ms() >= patient_ms:
                self._demand_news(symbol, at_ms)
                return found
            await self._wait(symbol, _ASK_AGAIN_S)

    def _demand_news(self, symbol: str, at_ms: int) -> None:
        """Refuse to take what is missing for minutes without trades where the venue has nothing new at all.

        Raises:
            VenueError: its data are stale.
        """
        seen_ms = max(self._seen_ms.values(), default=self._ready_ms.get(symbol, 0))
        if at_ms - seen_ms >= _SILENT_MS:
            name = self._source.name
            raise VenueError(f"{name}: stale data: no candle of {symbol} or any other since {utc_text(seen_ms)} UTC")

    async def _asked(self, symbol: str, at_ms: int) -> Candles:
        return await self._source.fetch(symbol, "1m", self._known_ms(symbol), at_ms)

    def _all_told(self, symbol: str, at_ms: int) -> Candles | None:
        """Return the candles of all minutes before *at_ms* where the stream has told them without a hole."""
        start_ms, told = self._known_ms(symbol), self._told.get(symbol, {})
        for open_ms in [open_ms for open_ms in told if open_ms < start_ms]:
            del told[open_ms]
        rows = [told.get(open_ms) for open_ms in range(start_ms, at_ms, MINUTE_MS)]
        if None in rows:
            return None
        return Candles.frozen(*map(np.array, zip(*(row for row in rows if row is not None), strict=True)))

    async def _take(self, symbol: str, found: Candles, at_ms: int) -> None:
        """Add *found* to the market; it is ready once whoever must know of it before the sessions does."""
        self._book.take(symbol, found, at_ms)
        market = self._book.growing()[symbol]
        if market.known_ms > self._ready_ms.get(symbol, 0):
            await self.on_candle(symbol, market.known_candles)
            self._ready_ms[symbol] = market.known_ms

    def _stands(self, symbol: str, problem: Problem | None) -> None:
        """Take note of *problem*, or that there is none any more."""
        before = self.problems.pop(symbol, None)
        if problem is not None:
            self.problems[symbol] = problem
        if (before is None) is not (problem is None):
            self.on_problem(symbol, problem)

    def _news_of(self, symbol: str) -> asyncio.Event:
        return self._news.setdefault(symbol, asyncio.Event())

    async def _wait(self, symbol: str, seconds: float) -> None:
        """Wait for *seconds*, or until the stream tells something of *symbol*."""
        told = self._news_of(symbol).wait()
        waits = [asyncio.ensure_future(self._time.sleep(seconds)), asyncio.ensure_future(told)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def _nobody_hears(_symbol: str, _candles: Candles) -> None:
    """Hear nothing."""
