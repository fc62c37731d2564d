"""The candles of one market at one of the venue's own intervals, page by page."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from backtestkit_cli.domain.interval import floor_to
from backtestkit_cli.domain.spans import Span, merged, without
from backtestkit_cli.exchange.clients import Asker, Client
from backtestkit_cli.exchange.intervals import Timeframe
from backtestkit_cli.exchange.pages import NOTHING, Page, Table, pages, tabled, united, within
from backtestkit_cli.exchange.retrying import UnansweredError
from backtestkit_cli.exchange.wire import Attempt

_BEYOND_CANDLES = 10
"""How many more a second question asks for: only a candle that is there tells that the one before it is not."""


class Memory:
    """What earlier answers have proved of one market and timeframe."""

    def __init__(self) -> None:
        """Know nothing."""
        self.empty: tuple[Span, ...] = ()
        self.first_ms: int | None = None

    def learn(self, asked_ms: int, page_ms: int, answer: Table) -> None:
        """Note where the first candle is, and that there is none before it if *answer* skipped a whole page.

        What it skipped of a shorter span may be a candle that is only late.
        """
        if len(answer) == 0:
            return
        first_ms = int(answer[0, 0])
        self.first_ms = first_ms if self.first_ms is None else min(self.first_ms, first_ms)
        if first_ms >= asked_ms + page_ms:
            self.empty = merged([*self.empty, (asked_ms, first_ms)])

    def left_of(self, span: Span) -> Span | None:
        """Return *span* without the time at its ends that is known to hold nothing."""
        left = without([span], self.empty)
        return (left[0][0], left[-1][1]) if left else None


class History:
    """Reads one market of a venue; made anew for each span, so that `end_ms` is that of the span."""

    def __init__(
        self, client: Client, asker: Asker, symbol: str, timeframe: Timeframe, page_candles: int, memory: Memory
    ) -> None:
        """Read *symbol*, which is ccxt's name of it."""
        self._client = client
        self._asker = asker
        self._symbol = symbol
        self._timeframe = timeframe
        self._page_ms = page_candles * timeframe.length_ms
        self._memory = memory
        self._closed_ms: int | None = None

    async def read(self, start_ms: int, end_ms: int) -> tuple[Table, int]:
        """Return the candles that open in `[start_ms, end_ms)`, and the end of what is closed by the venue's clock.

        Both ends are multiples of the timeframe. Pages are asked for side by side, but for the first
        one of a market of which nothing is known: its answer tells where the candles start.
        """
        spans = list(pages(start_ms, end_ms, self._page_ms))
        known_ms = self._memory.first_ms
        alone = 1 if known_ms is None or start_ms < known_ms else 0
        tables = [await self._page(span) for span in spans[:alone]]
        tables += await _side_by_side([self._page(span) for span in spans[alone:]])
        closed_ms = end_ms if self._closed_ms is None else min(end_ms, self._closed_ms)
        return within(united(tables), start_ms, closed_ms), closed_ms

    async def _page(self, span: Span) -> Table:
        async with self._client.slots:
            left = self._memory.left_of(span)
            if left is None:
                return NOTHING
            page = Page(left, self._timeframe.length_ms)
            while (asked := page.next_span()) is not None:
                beyond = _BEYOND_CANDLES if page.is_asked_again else 0
                answer = await self._asker.ask(self._client, self._call(asked, beyond), wants_json=True)
                page.add(asked[0], answer)
                self._memory.learn(asked[0], self._page_ms, answer)
                if self._closed_ms is not None:
                    page.end_at(self._closed_ms)
                if self._memory.left_of(asked) is None:
                    break
            return page.table

    def _call(self, span: Span, beyond: int) -> Callable[[Attempt], Awaitable[Table]]:
        """Return the request for the candles of *span* and of as many as *beyond* after it."""
        start_ms, end_ms = span
        page_candles = self._page_ms // self._timeframe.length_ms
        limit = min((end_ms - start_ms) // self._timeframe.length_ms + beyond, page_candles)

        async def call(attempt: Attempt) -> Table:
            rows = await self._client.exchange.fetch_ohlcv(self._symbol, self._timeframe.name, start_ms, limit)
            self._note_time(attempt)
            try:
                return tabled(rows)
            except ValueError as error:
                raise UnansweredError(f"an answer that contradicts itself: {error}") from None

        return call

    def _note_time(self, attempt: Attempt) -> None:
        """Keep the earliest clock of the venue: what closes later by it may have been forming in an answer."""
        if attempt.date_ms is not None:
            closed_ms = floor_to(attempt.date_ms, self._timeframe.length_ms)
            self._closed_ms = closed_ms if self._closed_ms is None else min(self._closed_ms, closed_ms)


async def _side_by_side(reading: Sequence[Coroutine[Any, Any, Table]]) -> list[Table]:
    """Return the results in their order; once one fails the others are given up, and waited for."""
    tasks = [asyncio.create_task(one) for one in reading]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def edged(table: Table, start_ms: int, end_ms: int | None, part_ms: int) -> Table:
    """Return *table* with a made-up row just before *start_ms*, and one at *end_ms* unless it is None.

    They tell the aggregation how far the parts were asked for: a candle whose first part is missing
    is made of the others there as anywhere else. No candle is made of the rows themselves.
    """
    rows = [np.full((1, table.shape[1]), 1.0), table]
    rows[0][0, 0] = start_ms - part_ms
    if end_ms is not None:
        rows.append(np.full((1, table.shape[1]), 1.0))
        rows[-1][0, 0] = end_ms
    return np.concatenate(rows)
