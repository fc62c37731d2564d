"""Candles from a class of your own: here an HTTP service, asked with nothing but the standard library.

A class that has these three methods is an exchange. btk asks it for what a run needs, checks every candle,
and with `cache=True` keeps the answers, so that nothing is asked twice. `make venue` starts a service that
answers as this class expects:

    btk backtest -e strategies/own_exchange.py --exchange mine -s BTCUSDT,ETHUSDT --from 2025-05-01 --to 2025-05-31
"""

import asyncio
import json
import os
import time
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from backtestkit_cli import Signal, add_exchange, add_strategy, get_candles
from backtestkit_cli.errors import VenueError

URL = os.environ.get("OWN_EXCHANGE_URL", "http://127.0.0.1:8700")
ATTEMPTS = 4


class Klines:
    """Candles of a service that speaks as Binance does."""

    page_candles = 1000  # the most that one answer holds

    async def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> list[list[float]]:
        """Return up to *limit* candles from *since* on: timestamp (ms), open, high, low, close, volume."""
        query = {"symbol": symbol, "interval": interval, "startTime": int(since.timestamp() * 1000), "limit": limit}
        rows = await asyncio.to_thread(answer, f"{URL}/api/v3/klines?{urlencode(query)}")
        return [[int(row[0]), *map(float, row[1:6])] for row in rows]

    def format_price(self, _symbol: str, price: float) -> str:
        """Return *price* in cents."""
        return f"{price:.2f}"

    def format_quantity(self, _symbol: str, quantity: float) -> str:
        """Return *quantity* with five decimals, never more than was given."""
        return f"{Decimal(repr(quantity)).quantize(Decimal('0.00001'), ROUND_DOWN):f}"

    def on_candles(self, symbol: str, interval: str, since: datetime, limit: int, candles: object) -> None:
        """Hear of each fetch that went well; a place to count, to log or to check."""


def answer(url: str) -> list[list[str]]:
    """Return what the service says, asked again after growing waits, or after the wait that it asks for."""
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urlopen(url, timeout=10) as response:  # noqa: S310 - the URL is ours
                rows: list[list[str]] = json.load(response)
                return rows
        except HTTPError as error:
            reason, wait = f"{error.code} {error.reason}", error.headers.get("Retry-After")
            if error.code not in {418, 429, 500, 502, 503, 504}:
                break
        except (URLError, OSError, ValueError) as error:
            reason, wait = str(error), None
        if attempt < ATTEMPTS:
            time.sleep(float(wait or 0.1 * 2**attempt))
    raise VenueError(f"{URL}: no answer: {reason}")


def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
    """Buy what stands above the highs of the last two days."""
    if price <= get_candles(symbol, "1h", 48).high.max():
        return None
    return Signal(position="long", take_profit=price * 1.03, stop_loss=price * 0.98, minutes=1440)


add_exchange("mine", source=Klines, cache=True, note="an HTTP service, asked by a class of this file")
add_strategy(
    "two_day_high", interval="15m", get_signal=get_signal, warm_up={"1h": 48}, note="long above the highs of two days"
)
