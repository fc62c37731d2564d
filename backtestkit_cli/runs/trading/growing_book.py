"""The markets of a trading run, which grow by the minute."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from backtestkit_cli.data.gaps import filled
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.engine.growing_market import GrowingMarket
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import MissingCandlesError, VenueError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.history import HistoryPlan
from backtestkit_cli.runs.markets import MarketBook

UNSETTLED_MS = 10 * MINUTE_MS
"""How far before the present history ends: newer minutes may still be on their way to the venue."""
_TRIES = 3


class Windows(NamedTuple):
    """How long windows of candles are: what they have room for, and how much goes over to the next, None for all."""

    room_minutes: int
    keep_minutes: int | None


class GrowingBook(MarketBook):
    """The markets of a trading run, with room for what is to come.

    Of history, all is read at once, so that what is missing is known from the start; markets grow by it all the same.
    """

    _markets: dict[str, GrowingMarket]  # type: ignore[assignment]  # it makes no others

    def __init__(
        self, source: CandleSource, plan: HistoryPlan, windows: Windows, *, avg_price_candles: int, is_history: bool
    ) -> None:
        """Load the history of *plan*, whose frame is empty unless it *is_history*."""
        super().__init__(source, plan, avg_price_candles=avg_price_candles)
        self._windows = windows
        self._is_history = is_history
        self._reached_ms = plan.frame_start_ms

    def reaches(self, at_ms: int) -> None:
        """Let markets that are loaded from now on begin with what there is before *at_ms*."""
        self._reached_ms = max(self._reached_ms, at_ms)
        if not self._is_history:
            self._plan = replace(self._plan, end_ms=max(self._plan.end_ms, self._reached_ms - UNSETTLED_MS))

    def _made(self, symbol: str, candles: Candles) -> Market:
        last_ms = int(candles.timestamp[-1]) + MINUTE_MS if self._is_history else None
        known_ms = min(self._reached_ms, self._plan.end_ms)
        known = candles.between(0, known_ms)
        names = symbol, known, self._avg_price_candles, self._windows.room_minutes
        return GrowingMarket(*names, known_ms=known_ms, last_ms=last_ms)

    def growing(self) -> Mapping[str, GrowingMarket]:
        """Return the markets by symbol."""
        return self._markets

    def lacking(self) -> list[str]:
        """Return the symbols that were read and could not be had while the venue was not reached."""
        return [symbol for symbol, error in self._refused.items() if isinstance(error, VenueError)]

    async def load(self, symbol: str) -> Market:
        """Return the market of *symbol*, fetching it once; one that was refused before is had from now on.

        Raises:
            DataError: candles are missing or bad.
            VenueError: the venue refused, or was not reached.
        """
        if symbol in self._markets:
            return self._markets[symbol]
        await super().load(symbol)
        try:
            for _ in range(_TRIES):
                if await self._is_recent(symbol):
                    break
                await asyncio.sleep(1)
        except BaseException:
            self.forget(symbol)
            raise
        self._refused.pop(symbol, None)
        return self._markets[symbol]

    async def _is_recent(self, symbol: str) -> bool:
        """Add the minutes that history leaves out, as far as they are there; say whether all are."""
        known_ms = self._markets[symbol].known_ms
        if known_ms < self._reached_ms:
            found = await self._source.fetch(symbol, "1m", known_ms, self._reached_ms)
            if len(found):
                self.take(symbol, found, int(found.timestamp[-1]) + MINUTE_MS)
        return self._markets[symbol].known_ms >= self._reached_ms

    def take(self, symbol: str, found: Candles, at_ms: int) -> None:
        """Add what was *found* before *at_ms*, with what the gap policy makes of minutes that are not there.

        Raises:
            MissingCandlesError: the policy forbids that any is missing; then nothing is added.
        """
        market, gaps = self._markets[symbol], self._plan.gaps
        missing = (at_ms - market.known_ms) // MINUTE_MS - len(found)
        if missing and gaps is GapPolicy.ERROR:
            since = utc_text(market.known_ms)
            raise MissingCandlesError(
                f"{symbol}: {counted(missing, '1m candle')} missing since {since}, as gaps: error asks"
            )
        if missing and gaps is GapPolicy.FILL:
            last = market.known_candles.slice(market.filled - 1, market.filled)
            found = filled(Candles.joined([last, found]), market.known_ms, at_ms)
        self.extend(symbol, found, at_ms)

    def extend(self, symbol: str, candles: Candles, known_ms: int) -> None:
        """Add *candles*, all there are of the minutes up to *known_ms*, to the market of *symbol*.

        After a minute that was left out, or without room, a new window takes its place.
        """
        market = self._markets[symbol]
        is_whole = len(candles) * MINUTE_MS == known_ms - market.known_ms
        added = market.append(candles) if is_whole else 0
        if not is_whole or added < len(candles):
            following = candles.slice(added, len(candles))
            self._markets[symbol] = market.successor(following, self._windows.keep_minutes, known_ms)


class Reader:
    """The markets as one session reads them: `symbols` are those that it has read."""

    def __init__(self, book: GrowingBook) -> None:
        """Read from *book*."""
        self._book = book
        self.symbols: set[str] = set()
        self.format_price = book.format_price
        self.format_quantity = book.format_quantity

    def market(self, symbol: str) -> Market:
        """Return the market of *symbol*, loading it if the run does not hold it yet.

        Raises:
            DataError: its candles are missing or bad.
            VenueError: the venue refused, or was not reached.
        """
        self.symbols.add(symbol)
        return self._book.market(symbol)
