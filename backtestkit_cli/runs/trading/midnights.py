"""Prices at midnights UTC, at which reports mark what is open: noted as they pass, or asked for after a restart."""

from collections.abc import Iterable

from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.trading.floor import Floor


class Midnights:
    """The marks of a run that began at `start_ms`; a midnight whose price nobody knows has none."""

    def __init__(self, floor: Floor, start_ms: int) -> None:
        """Mark by the candles of *floor*."""
        self._floor = floor
        self._first_ms = start_ms - start_ms % DAY_MS + DAY_MS
        self._prices: dict[tuple[str, str, int], float] = {}
        self._closes: dict[tuple[str, int], float] = {}

    def note(self, now_ms: int) -> None:
        """Keep the prices of the newest midnight, as far as they are known by now."""
        self._note(now_ms - now_ms % DAY_MS)

    def _note(self, midnight_ms: int) -> None:
        for symbol, market in self._floor.book.growing().items():
            if market.known_ms < midnight_ms or midnight_ms < self._first_ms:
                continue
            for strategy in self._floor.plan.settings:
                price = self._floor.price_of(strategy, symbol, midnight_ms)
                if price is not None:
                    self._prices.setdefault((strategy, symbol, midnight_ms), price)

    async def look_back(self, source: CandleSource, symbols: Iterable[str]) -> None:
        """Find the prices of the midnights before this process began: in its history, or as daily closes of *source*.

        Without an answer those midnights have no mark.
        """
        begin_ms = self._floor.start_ms
        for midnight_ms in range(self._first_ms, begin_ms, DAY_MS):
            self._note(midnight_ms)
        for symbol in symbols:
            market = self._floor.book.growing().get(symbol)
            known_from_ms = begin_ms if market is None else int(market.candles.timestamp[0])
            if self._first_ms > known_from_ms:
                continue
            try:
                days = await source.fetch(symbol, "1d", self._first_ms - DAY_MS, begin_ms - begin_ms % DAY_MS)
            except (DataError, VenueError):
                continue
            closes = zip((days.timestamp + DAY_MS).tolist(), days.close.tolist(), strict=True)
            self._closes |= {(symbol, midnight_ms): close for midnight_ms, close in closes}

    def of(self, strategy: str, symbol: str, end_ms: int) -> tuple[tuple[int, float], ...]:
        """Return time and price of each midnight before *end_ms*, and of *end_ms*, where they are known."""
        marks = []
        for midnight_ms in range(self._first_ms, end_ms, DAY_MS):
            price = self._prices.get((strategy, symbol, midnight_ms), self._closes.get((symbol, midnight_ms)))
            if price is not None:
                marks.append((midnight_ms, price))
        last = self._floor.price_of(strategy, symbol, end_ms)
        return (*marks, *([] if last is None else [(end_ms, last)]))
