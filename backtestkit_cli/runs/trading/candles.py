"""The candles of the present: markets that grow by the minute, from a source that is asked or a stream that tells."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backtestkit_cli.data.gaps import filled
from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.trading import TradingOptions
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.engine.growing_market import GrowingMarket
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource, Time
from backtestkit_cli.runs.history import HistoryPlan
from backtestkit_cli.runs.markets import MarketBook

_MS_PER_SECOND = 1000
_ASK_AGAIN_S = 1.0
_GRACE_S = 2.0
"""How long all sessions wait for the candle of one symbol beyond the time it takes to settle."""


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
            self._plan = replace(self._plan, end_ms=self._reached_ms)

    def _made(self, symbol: str, candles: Candles) -> Market:
        last_ms = int(candles.timestamp[-1]) + MINUTE_MS if self._is_history else None
        known = candles.between(0, self._reached_ms)
        names = symbol, known, self._avg_price_candles, self._windows.room_minutes
        return GrowingMarket(*names, known_ms=self._reached_ms, last_ms=last_ms)

    def growing(self) -> Mapping[str, GrowingMarket]:
        """Return the markets by symbol."""
        return self._markets

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


class Feed:
    """Brings the candle of the minute that has just ended to every market, as soon as the venue has it.

    A minute of which the venue has no candle once patience is over counts as one without trades, and becomes what the
    gap policy says. While the venue is not reached nothing is made up: the sessions of the symbol wait.
    """

    def __init__(
        self,
        book: GrowingBook,
        source: CandleSource,
        time: Time,
        options: TradingOptions,
        gaps: GapPolicy,
        *,
        is_complete: bool,
    ) -> None:
        """Feed *book* from *source*; one that *is_complete* is history, which needs no patience."""
        self._book = book
        self._source = source
        self._time = time
        self._options = options
        self._gaps = gaps
        self._is_complete = is_complete
        self._bringing: dict[str, asyncio.Task[None]] = {}
        self.problems: dict[str, str] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_candle: Callable[[str, Candles], None] = lambda _symbol, _candles: None

    def is_ready(self, symbol: str, at_ms: int) -> bool:
        """Say whether all minutes of *symbol* before *at_ms* are known."""
        return self._book.growing()[symbol].known_ms >= at_ms

    async def reach(self, at_ms: int) -> None:
        """Bring all minutes before *at_ms*; who cannot have them in time gets them later, by `on_change`."""
        self._book.reaches(at_ms)
        if self._is_complete:
            for symbol in tuple(self._book.growing()):
                await self._bring(symbol, at_ms)
            return
        settled_ms = at_ms + self._options.settle_seconds * _MS_PER_SECOND
        await self._time.sleep(max(0.0, (settled_ms - self._time.now_ms()) / _MS_PER_SECOND))
        for symbol in tuple(self._book.growing()):
            if symbol not in self._bringing and not self.is_ready(symbol, at_ms):
                self._bringing[symbol] = asyncio.ensure_future(self._bring_later(symbol, at_ms))
        if self._bringing:
            await asyncio.wait(self._bringing.values(), timeout=_GRACE_S)

    async def _bring_later(self, symbol: str, at_ms: int) -> None:
        try:
            await self._bring(symbol, at_ms)
        finally:
            del self._bringing[symbol]
            self.on_change()

    async def _bring(self, symbol: str, at_ms: int) -> None:
        patience_ms = at_ms + self._options.candle_patience_seconds * _MS_PER_SECOND
        while (known_ms := self._book.growing()[symbol].known_ms) < at_ms:
            try:
                found = await self._source.fetch(symbol, "1m", known_ms, at_ms)
            except (DataError, VenueError) as error:
                self.problems[symbol] = str(error)
                return
            self.problems.pop(symbol, None)
            has_all = len(found) and int(found.timestamp[-1]) + MINUTE_MS >= at_ms
            if has_all or self._is_complete or self._time.now_ms() >= patience_ms:
                self._extend(symbol, found, at_ms)
                return
            await self._time.sleep(_ASK_AGAIN_S)

    def tell(self, symbol: str, candle: Candle) -> None:
        """Take a closed *candle* that a stream told, where it is the very next one."""
        market = self._book.growing().get(symbol)
        if market is None or market.known_ms != candle.timestamp:
            return
        column = [np.array([value]) for value in candle]
        self._extend(symbol, Candles.frozen(*column), candle.timestamp + MINUTE_MS)
        self.on_change()

    def _extend(self, symbol: str, found: Candles, at_ms: int) -> None:
        """Add *found*, with what the gap policy makes of minutes that are not there."""
        market = self._book.growing()[symbol]
        missing = (at_ms - market.known_ms) // MINUTE_MS - len(found)
        if missing and self._gaps is GapPolicy.ERROR:
            since = utc_text(market.known_ms)
            self.problems[symbol] = (
                f"{symbol}: {counted(missing, '1m candle')} missing since {since}, as gaps: error asks"
            )
            return
        if missing and self._gaps is GapPolicy.FILL:
            last = market.known_candles.slice(market.filled - 1, market.filled)
            found = filled(Candles.joined([last, found]), market.known_ms, at_ms)
        self._book.extend(symbol, found, at_ms)
        if len(found):
            self.on_candle(symbol, self._book.growing()[symbol].known_candles)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._bringing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()
