"""Sources of ccxt pointed at a loopback venue, and venues of made-up candles."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.exchange.retrying import Retry
from backtestkit_cli.exchange.source import CcxtSource
from tests.data.candle_files import START, a_market
from tests.venue.market import VenueMarket
from tests.venue.server import Venue
from tests.venue.tapes import held

CANDLES = a_market(3_000)
NOW = START + 3_000 * MINUTE_MS
PATIENT = Retry(first_wait_seconds=0.01, max_wait_seconds=3, timeout_seconds=20)
HASTY = Retry(first_wait_seconds=0.01, max_wait_seconds=3, timeout_seconds=0.5)


def at(minute: int) -> int:
    return START + minute * MINUTE_MS


def a_venue(
    candles: Candles | Mapping[str, Candles] = CANDLES, *, now: int = NOW, lag_ms: int = 0, **more: Any
) -> Venue:
    by_symbol = candles if isinstance(candles, Mapping) else {"BTCUSDT": candles}
    return Venue(VenueMarket(held(by_symbol), now_ms=lambda: now, lag_ms=lag_ms), **more)


def a_source(venue: Venue | str, *, now: int = NOW, **more: Any) -> CcxtSource:
    url = venue if isinstance(venue, str) else venue.url
    usual: dict[str, Any] = {"name": "binance", "exchange_id": "binance", "retry": PATIENT, "environ": {}}
    return CcxtSource(**{**usual, "url": url, "now_ms": lambda: now, **more})


@asynccontextmanager
async def venue_and_source(
    candles: Candles | Mapping[str, Candles] = CANDLES, *, source: Mapping[str, Any] | None = None, **venue: Any
) -> AsyncIterator[tuple[Venue, CcxtSource]]:
    async with a_venue(candles, **venue) as there:
        one = a_source(there, **(source or {}))
        try:
            yield there, one
        finally:
            await one.close()
