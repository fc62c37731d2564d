"""Streams over a loopback venue, and what they tell."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.exchange.listening import Timing
from backtestkit_cli.exchange.source import CcxtSource
from backtestkit_cli.exchange.stream import CandleStream
from tests.exchange.sources import CANDLES, NOW, a_source
from tests.exchange.stream.streaming_venue import StreamingVenue, looked_for
from tests.venue.market import VenueMarket
from tests.venue.tapes import held

HASTY = Timing(first_wait_seconds=0.01, max_wait_seconds=0.05, stall_seconds=30)
BTC, ETH = "btcusdt@kline_1m", "ethusdt@kline_1m"


class Listener:
    """Keeps what a stream tells."""

    def __init__(self) -> None:
        self.candles: list[tuple[str, Candle]] = []
        self.states: list[tuple[bool, str]] = []

    def on_candle(self, symbol: str, *values: Any) -> None:
        self.candles.append((symbol, Candle(*values)))

    def on_state(self, is_up: bool, reason: str) -> None:
        self.states.append((is_up, reason))

    def has(self, open_ms: int) -> bool:
        return open_ms in self.times

    @property
    def times(self) -> list[int]:
        return [candle.timestamp for _, candle in self.candles]


async def until(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        await looked_for(is_so)


def a_streaming_venue(candles: Mapping[str, Candles] | None = None, **more: Any) -> StreamingVenue:
    tapes = held(candles or {"BTCUSDT": CANDLES, "ETHUSDT": CANDLES})
    return StreamingVenue(VenueMarket(tapes, now_ms=lambda: NOW), **more)


def stream_of(source: CcxtSource, **options: Any) -> CandleStream:
    stream = source.stream(Random(1), **{"timing": HASTY, **options})
    assert stream is not None
    return stream


@asynccontextmanager
async def listening(
    symbols: tuple[str, ...] = ("BTCUSDT",), *, source: Mapping[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[StreamingVenue, CandleStream, Listener]]:
    """Yield a venue and a stream of *symbols* that is subscribed there."""
    listener = Listener()
    async with a_streaming_venue() as venue:
        one = a_source(venue, **(source or {}))
        stream = stream_of(one, on_state=listener.on_state, **options)
        stream.start(symbols, listener.on_candle)
        try:
            await asyncio.wait_for(venue.subscribed(BTC), 5)
            yield venue, stream, listener
        finally:
            await stream.close()
            await one.close()
