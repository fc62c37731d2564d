"""The candles of a run: fetched, checked for completeness, and shared by all of its sessions."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from backtestkit_cli.analytics.outcome import CandleFacts
from backtestkit_cli.domain.candle import Candles, fingerprint
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.history import HistoryPlan, read_history
from backtestkit_cli.runs.plan import Unavailable

T = TypeVar("T")


class MarketBook:
    """Every market of a run by symbol; a symbol outside the list is loaded when somebody reads it."""

    def __init__(self, source: CandleSource, plan: HistoryPlan, *, avg_price_candles: int) -> None:
        """Read the minutes of *plan* from *source*."""
        self._source = source
        self._plan = plan
        self._avg_price_candles = avg_price_candles
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
            (start_ms, end_ms), prepared = await read_history(self._source, symbol, self._plan)
            found = self._markets[symbol] = self._made(symbol, prepared.candles)
            self.facts[symbol] = CandleFacts(
                count=len(prepared.candles),
                minutes=(end_ms - start_ms) // MINUTE_MS,
                missing=prepared.missing,
                gaps=prepared.gaps,
                fingerprint=fingerprint(prepared.candles),
            )
        return found

    def _made(self, symbol: str, candles: Candles) -> Market:
        return Market(symbol, candles, self._avg_price_candles)

    def holds(self, symbol: str) -> bool:
        """Say whether the candles of *symbol* are in memory."""
        return symbol in self._markets

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
    result = pool.submit(asyncio.run, cancellable())
    try:
        return result.result()
    except BaseException:
        if not result.done():
            loop, task = begun.result()
            with suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        pool.shutdown(wait=False)
