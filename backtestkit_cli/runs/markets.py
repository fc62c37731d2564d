"""The candles of a run: fetched, checked for completeness, and shared by all of its sessions."""

import asyncio
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from backtestkit_cli.analytics.outcome import CandleFacts
from backtestkit_cli.api.registry import StrategySpec
from backtestkit_cli.data.gaps import prepare
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to, interval_ms
from backtestkit_cli.domain.settings import GapPolicy, Settings
from backtestkit_cli.engine.market import Market
from backtestkit_cli.ports import CandleSource


def history_start_ms(start_ms: int, strategies: tuple[StrategySpec, ...], settings: Mapping[str, Settings]) -> int:
    """Return the open time of the first candle that a frame from *start_ms* needs, warm-up included."""
    first = start_ms - max(s.avg_price_candles for s in settings.values()) * MINUTE_MS
    for spec in strategies:
        for interval, count in spec.warm_up.items():
            length_ms = interval_ms(interval)
            first = min(first, floor_to(start_ms, length_ms) - count * length_ms)
    return first


class MarketBook:
    """Every market of a run by symbol; a symbol outside the list is loaded when somebody reads it."""

    def __init__(
        self, source: CandleSource, span_ms: tuple[int, int], *, avg_price_candles: int, gaps: GapPolicy
    ) -> None:
        """Read candles that open within *span_ms* from *source*."""
        self._source = source
        self._span_ms = span_ms
        self._avg_price_candles = avg_price_candles
        self._gaps = gaps
        self._markets: dict[str, Market] = {}
        self.facts: dict[str, CandleFacts] = {}

    async def load(self, symbol: str) -> Market:
        """Return the market of *symbol*, fetching it once.

        Raises:
            DataError: candles are missing or bad.
        """
        found = self._markets.get(symbol)
        if found is None:
            start_ms, end_ms = self._span_ms
            raw = await self._source.fetch(symbol, "1m", start_ms, end_ms)
            prepared = prepare(raw, start_ms, end_ms, self._gaps, symbol)
            found = self._markets[symbol] = Market(symbol, prepared.candles, self._avg_price_candles)
            self.facts[symbol] = CandleFacts(
                count=len(prepared.candles),
                missing=prepared.missing,
                gaps=prepared.gaps,
                fingerprint=fingerprint(prepared.candles),
            )
        return found

    def market(self, symbol: str) -> Market:
        """Return the market of *symbol*; one that is not loaded yet is fetched while the caller waits."""
        found = self._markets.get(symbol)
        if found is not None:
            return found
        with ThreadPoolExecutor(1) as outside:  # the caller may sit inside a running event loop
            return outside.submit(asyncio.run, self.load(symbol)).result()

    def forget(self, symbol: str) -> None:
        """Drop the candles of *symbol*, keep the facts about them."""
        self._markets.pop(symbol, None)


def fingerprint(candles: Candles) -> str:
    """Return a hash of all columns; equal candles, equal text."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (candles.timestamp, candles.open, candles.high, candles.low, candles.close, candles.volume):
        digest.update(column.data)
    return digest.hexdigest()
