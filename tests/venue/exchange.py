"""A market whose candles fill orders: the matcher, taken along as the venue's clock goes on."""

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from backtestkit_cli.domain.candle import Candle
from tests.venue.market import VenueMarket
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.terms import Terms

_PAGE = 1_000


class _Due(NamedTuple):
    """What happens at an instant; at equal ones what was known first comes first."""

    at_ms: int
    happen: Callable[[], None]


class Exchange:
    """An account at the venue of *market*. Before anything is asked of it, `catch_up` brings it to the present.

    Orders meet the candles that end after the exchange was opened.
    """

    def __init__(
        self, market: VenueMarket, deposits: Mapping[str, Decimal | str | int], terms: Terms | None = None
    ) -> None:
        self.market = market
        self.candle_listeners: list[Callable[[str, Candle, int], None]] = []
        amounts = {asset: Decimal(amount) for asset, amount in deposits.items()}
        self.matcher = Matcher([], amounts, terms, now_ms=market.now_ms())
        self._fed_ms: dict[str, int] = {}
        self._late: list[_Due] = []
        self._one_at_a_time = asyncio.Lock()

    def later(self, delay_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen *delay_ms* of the market's clock from now."""
        self._late.append(_Due(self.market.now_ms() + delay_ms, happen))

    async def catch_up(self) -> None:
        """Let everything happen that is due by the market's clock: candles, and orders that were taken late."""
        async with self._one_at_a_time:
            if not self._fed_ms:
                await self._open()
            now_ms = self.market.now_ms()
            due = [due for due in self._late if due.at_ms <= now_ms]
            self._late = [due for due in self._late if due.at_ms > now_ms]
            for symbol in self.market.symbols:
                due += await self._candles_due(symbol)
            for at_ms, happen in sorted(due, key=lambda one: one.at_ms):
                self.matcher.now_ms = max(self.matcher.now_ms, at_ms)
                happen()
            self.matcher.now_ms = max(self.matcher.now_ms, now_ms)

    async def _open(self) -> None:
        """Start at the newest candle of each symbol."""
        for symbol in self.market.symbols:
            self.matcher.facts[symbol] = await self.market.facts(symbol)
            newest = await self.market.newest_ended(symbol)
            self._fed_ms[symbol] = newest[-1].timestamp if len(newest) else 0

    async def _candles_due(self, symbol: str) -> list[_Due]:
        due: list[_Due] = []
        while True:
            candles, length_ms = await self.market.ended(symbol, self._fed_ms[symbol], _PAGE)
            due += [_Due(candle.timestamp + length_ms, self._feeding(symbol, candle, length_ms)) for candle in candles]
            if len(candles):
                self._fed_ms[symbol] = candles[-1].timestamp + 1
            if len(candles) < _PAGE:
                return due

    def _feeding(self, symbol: str, candle: Candle, length_ms: int) -> Callable[[], None]:
        def feed() -> None:
            self.matcher.candle_closed(symbol, candle, candle.timestamp + length_ms)
            for listener in self.candle_listeners:
                listener(symbol, candle, length_ms)

        return feed
