"""The candles of the present: markets that grow by the minute, from a source that is asked or a stream that tells."""

import asyncio
from collections.abc import Callable

import numpy as np

from backtestkit_cli.data.gaps import prepare
from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.trading import TradingOptions
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


class GrowingBook(MarketBook):
    """The markets of a trading run, with room for what is to come."""

    def __init__(
        self, source: CandleSource, plan: HistoryPlan, *, avg_price_candles: int, room: int, keep: int | None
    ) -> None:
        """Load the history of *plan*; windows hold *room* minutes more, and the last *keep* go over to the next."""
        super().__init__(source, plan, avg_price_candles=avg_price_candles)
        self._room = room
        self._keep = keep

    def _made(self, symbol: str, candles: Candles) -> Market:
        return GrowingMarket(symbol, candles, self._avg_price_candles, self._room)

    def growing(self) -> dict[str, GrowingMarket]:
        """Return the markets by symbol."""
        return {name: market for name, market in self._markets.items() if isinstance(market, GrowingMarket)}

    def extend(self, symbol: str, candles: Candles) -> None:
        """Add *candles* to the market of *symbol*; after a minute that was left out, or without room, a new window."""
        market = self._markets[symbol]
        assert isinstance(market, GrowingMarket)  # noqa: S101 - all of them are
        if not len(candles):
            return
        is_contiguous = int(candles.timestamp[-1]) - market.known_ms == (len(candles) - 1) * MINUTE_MS
        added = market.append(candles) if is_contiguous else 0
        if added < len(candles):
            keep = self._keep if is_contiguous else None
            self._markets[symbol] = market.successor(candles.slice(added, len(candles)), keep)


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
        self._known_ms: dict[str, int] = {}
        self.problems: dict[str, str] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_candle: Callable[[str, Candles], None] = lambda _symbol, _candles: None

    def is_ready(self, symbol: str, at_ms: int) -> bool:
        """Say whether all minutes of *symbol* before *at_ms* are known."""
        return self._known_ms.get(symbol, 0) >= at_ms

    def begins(self, symbol: str) -> None:
        """Take note of what the history of *symbol* holds."""
        self._known_ms[symbol] = self._book.growing()[symbol].known_ms

    async def reach(self, at_ms: int) -> None:
        """Bring all minutes before *at_ms*; who cannot have them in time gets them later, by `on_change`."""
        if self._is_complete:
            for symbol in self._book.growing():
                await self._bring(symbol, at_ms)
            return
        settled_ms = at_ms + self._options.settle_seconds * _MS_PER_SECOND
        await self._time.sleep(max(0.0, (settled_ms - self._time.now_ms()) / _MS_PER_SECOND))
        for symbol in self._book.growing():
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
        while (known_ms := self._known_ms.setdefault(symbol, self._book.growing()[symbol].known_ms)) < at_ms:
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
        if market is None or self._known_ms.get(symbol) != candle.timestamp:
            return
        column = [np.array([value]) for value in candle]
        self._extend(symbol, Candles.frozen(*column), candle.timestamp + MINUTE_MS)
        self.on_change()

    def _extend(self, symbol: str, found: Candles, at_ms: int) -> None:
        """Add *found*, with what the gap policy makes of minutes that are not there."""
        market = self._book.growing()[symbol]
        last = market.known_candles.slice(market.filled - 1, market.filled)
        start_ms = self._known_ms[symbol]
        joined = Candles.joined([last, found]) if len(found) else last
        if self._gaps is GapPolicy.SKIP or len(found) * MINUTE_MS == at_ms - start_ms:
            following = found
        else:  # what comes after the span stands for the candle that makes a gap of what is missing
            after = Candles.frozen(np.array([at_ms]), *(getattr(joined, name)[-1:] for name in ("close",) * 5))
            whole = Candles.joined([joined, after])
            following = prepare(whole, start_ms, at_ms, self._gaps, symbol).candles
        self._book.extend(symbol, following)
        self._known_ms[symbol] = at_ms
        if len(following):
            self.on_candle(symbol, self._book.growing()[symbol].known_candles)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._bringing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()
