"""Classes as an author writes them: one answers with mappings at once, the other with a frame later."""

import asyncio
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.errors import MissingCandlesError, suggestion
from tests.data.candle_files import frame_of


class OwnMarket:
    """Minutes of one symbol; answers with a list of mappings."""

    def __init__(self, candles: Candles, symbol: str = "BTCUSDT") -> None:
        self.candles = candles
        self.symbol = symbol

    def found(self, symbol: str, interval: str, since: datetime, limit: int) -> Candles:
        if symbol != self.symbol:
            raise MissingCandlesError(f"no candles of {symbol!r}{suggestion(symbol, [self.symbol])}")
        if interval != "1m":
            raise MissingCandlesError(f"no {interval} candles of {symbol}")
        first = int(np.searchsorted(self.candles.timestamp, to_ms(since)))
        return self.candles.slice(first, first + limit)

    def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> Any:
        return [row._asdict() for row in self.found(symbol, interval, since, limit).rows()]

    def format_price(self, symbol: str, price: float) -> str:
        return f"{price:.2f}"

    def format_quantity(self, symbol: str, quantity: float) -> str:
        return f"{int(quantity * 1000) / 1000:.3f}"


class AsyncOwnMarket(OwnMarket):
    """The same, awaited, as frames with datetimes, a hundred rows at most."""

    page_candles = 100

    async def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> pl.DataFrame:
        await asyncio.sleep(0)
        frame = frame_of(self.found(symbol, interval, since, limit))
        return frame.with_columns(pl.from_epoch("timestamp", time_unit="ms"))
