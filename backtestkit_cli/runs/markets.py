"""The candles of a run: fetched, checked for completeness, and shared by all of its sessions."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from backtestkit_cli.analytics.outcome import CandleFacts
from backtestkit_cli.api.registry import StrategySpec
from backtestkit_cli.data.gaps import prepare
from backtestkit_cli.domain.candle import Candles, Times, fingerprint
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, floor_to, interval_ms
from backtestkit_cli.domain.settings import GapPolicy, Settings
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.plan import Unavailable

T = TypeVar("T")

_WARM_UP_DAYS = 14
"""How much further back candles are looked for where minutes of the warm-up are missing."""


def history_start_ms(start_ms: int, strategies: tuple[StrategySpec, ...], settings: Mapping[str, Settings]) -> int:
    """Return the open time of the first candle that a frame from *start_ms* needs, warm-up included."""
    first = start_ms - max(s.avg_price_candles for s in settings.values()) * MINUTE_MS
    for spec in strategies:
        for interval, count in spec.warm_up.items():
            length_ms = interval_ms(interval)
            first = min(first, floor_to(start_ms, length_ms) - count * length_ms)
    return first


async def history(source: CandleSource, symbol: str, start_ms: int, end_ms: int) -> Candles:
    """Return the minutes of `[start_ms, end_ms)`, and up to a day more on a side that begins or ends in a gap.

    Only a candle beyond a gap tells that the minutes are missing, and not before listing or still to come.
    """
    candles = await source.fetch(symbol, "1m", start_ms, end_ms)
    if len(candles) == 0:
        return candles
    parts = [candles]
    if int(candles.timestamp[0]) > start_ms:
        parts.insert(0, await if_there(source, symbol, start_ms - DAY_MS, start_ms))
    if int(candles.timestamp[-1]) + MINUTE_MS < end_ms:
        parts.append(await if_there(source, symbol, end_ms, end_ms + DAY_MS))
    return Candles.joined(parts)


async def if_there(source: CandleSource, symbol: str, start_ms: int, end_ms: int) -> Candles:
    """Return the minutes of the span, none where they cannot be had."""
    try:
        return await source.fetch(symbol, "1m", max(start_ms, 0), end_ms)
    except (DataError, VenueError):  # what lies beyond the span decides nothing but what a gap is
        return Candles.empty()


def warm_from_ms(times: Times, history_start_ms: int, frame_start_ms: int) -> int:
    """Return where the warm-up begins if it is to hold as many candles as it has minutes, missing ones skipped."""
    wanted = (frame_start_ms - history_start_ms) // MINUTE_MS
    before_frame = int(np.searchsorted(times, frame_start_ms))
    if not 0 < wanted <= before_frame:
        return history_start_ms
    return min(history_start_ms, int(times[before_frame - wanted]))


class MarketBook:
    """Every market of a run by symbol; a symbol outside the list is loaded when somebody reads it."""

    def __init__(
        self,
        source: CandleSource,
        span_ms: Span,
        *,
        frame_start_ms: int,
        avg_price_candles: int,
        gaps: GapPolicy,
    ) -> None:
        """Read candles that open within *span_ms* from *source*; those before *frame_start_ms* are warm-up."""
        self._source = source
        self._span_ms = span_ms
        self._frame_start_ms = frame_start_ms
        self._avg_price_candles = avg_price_candles
        self._gaps = gaps
        self._markets: dict[str, Market] = {}
        self._refused: dict[str, Unavailable] = {}
        self.facts: dict[str, CandleFacts] = {}

    async def load(self, symbol: str) -> Market:
        """Return the market of *symbol*, fetching it once.

        Raises:
            DataError: candles are missing or bad.
        """
        found = self._markets.get(symbol)
        if found is None:
            start_ms, end_ms = self._span_ms
            candles = await history(self._source, symbol, start_ms, end_ms)
            if self._gaps is GapPolicy.SKIP:
                candles = await self._lengthened(symbol, candles)
                start_ms = warm_from_ms(candles.timestamp, start_ms, self._frame_start_ms)
            prepared = prepare(candles, start_ms, end_ms, self._gaps, symbol)
            found = self._markets[symbol] = Market(symbol, prepared.candles, self._avg_price_candles)
            self.facts[symbol] = CandleFacts(
                count=len(prepared.candles),
                minutes=(end_ms - start_ms) // MINUTE_MS,
                missing=prepared.missing,
                gaps=prepared.gaps,
                fingerprint=fingerprint(prepared.candles),
            )
        return found

    async def _lengthened(self, symbol: str, candles: Candles) -> Candles:
        """Return *candles* with as many days before them as it takes until the warm-up has a candle for each minute."""
        wanted = (self._frame_start_ms - self._span_ms[0]) // MINUTE_MS
        for _ in range(_WARM_UP_DAYS):
            if not len(candles) or np.searchsorted(candles.timestamp, self._frame_start_ms) >= wanted:
                break
            first_ms = int(candles.timestamp[0])
            earlier = await if_there(self._source, symbol, first_ms - DAY_MS, first_ms)
            if not len(earlier):
                break
            candles = Candles.joined([earlier, candles])
        return candles

    def market(self, symbol: str) -> Market:
        """Return the market of *symbol*; one that is not loaded yet is fetched while the caller waits."""
        found = self._markets.get(symbol)
        if found is not None:
            return found
        if symbol in self._refused:
            raise self._refused[symbol]
        try:
            return _run_apart(self._load_apart(symbol))
        except (DataError, VenueError) as error:
            self._refused[symbol] = error  # asking at every tick would be asked for every time
            raise

    async def _load_apart(self, symbol: str) -> Market:
        """Load *symbol* in an event loop that ends with it, and with it the connections made there."""
        try:
            return await self.load(symbol)
        finally:
            await self._source.close()

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it."""
        return self._source.format_price(symbol, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the venue takes it, never more."""
        return self._source.format_quantity(symbol, quantity)

    async def close(self) -> None:
        """Let go of the connections of the source; a later load opens them again."""
        await self._source.close()

    def forget(self, symbol: str) -> None:
        """Drop the candles of *symbol*, keep the facts about them."""
        self._markets.pop(symbol, None)


def _run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Return what *work* returns, which runs in an event loop of its own: the caller may sit inside another.

    Whatever interrupts the waiting, such as Ctrl-C, cancels the work.
    """
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def cancellable() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        begun.set_result((asyncio.get_running_loop(), task))
        return await work

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(asyncio.run, cancellable()).result()
    except BaseException:
        loop, task = begun.result()
        if not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        pool.shutdown(wait=False)


async def problems_of_each(load: Callable[[str], Awaitable[object]], symbols: Iterable[str]) -> dict[str, Unavailable]:
    """Await *load* of all *symbols* side by side; return why some could not be had.

    Raises:
        Exception: *load* failed in a way that is no property of the symbol.
    """
    ordered = sorted(symbols)
    results = await asyncio.gather(*(load(symbol) for symbol in ordered), return_exceptions=True)
    problems: dict[str, Unavailable] = {}
    for symbol, result in zip(ordered, results, strict=True):
        if isinstance(result, DataError | VenueError):
            problems[symbol] = result
        elif isinstance(result, BaseException):
            raise result
    return problems
