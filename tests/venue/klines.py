"""GET /api/v3/klines, word for word as Binance has it; the intervals are those up to a day."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import interval_ms
from tests.venue.calls import Call, Refusal
from tests.venue.market import VenueMarket

Row: TypeAlias = list[int | str]

DEFAULT_LIMIT, MAX_LIMIT = 500, 1_000
_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_PARAMETERS = {"symbol", "interval", "startTime", "endTime", "limit"}


async def klines(market: VenueMarket, call: Call) -> list[Row]:
    """Return the rows that *call* asks for, oldest first; see `VenueMarket.candles` for which these are."""
    symbol = known_symbol(market, call.params)
    length_ms = interval_ms(_interval(call.params))
    start_ms, last_ms = _whole(call.params, "startTime"), _whole(call.params, "endTime")
    limit = _limit(call.params)
    unread = call.params.keys() - _PARAMETERS
    if unread:
        read, sent = len(call.params) - len(unread), len(call.params)
        raise Refusal(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")
    return rows_of(await market.candles(symbol, length_ms, start_ms, last_ms, limit), length_ms)


def rows_of(candles: Candles, length_ms: int) -> list[Row]:
    """Return *candles* as rows of twelve fields; trades and takers are made up."""
    return [
        [
            candle.timestamp,
            number(candle.open),
            number(candle.high),
            number(candle.low),
            number(candle.close),
            number(candle.volume),
            candle.timestamp + length_ms - 1,
            f"{candle.volume * candle.close:.8f}",
            int(candle.volume > 0),
            f"{candle.volume / 2:.8f}",
            f"{candle.volume * candle.close / 2:.8f}",
            "0",
        ]
        for candle in candles
    ]


def number(value: float) -> str:
    """Return *value* with eight decimals as Binance writes it, or with as many as it takes to lose nothing."""
    text = f"{value:.8f}"
    return text if float(text) == value else f"{Decimal(repr(value)):f}"


def known_symbol(market: VenueMarket, params: Mapping[str, str]) -> str:
    """Return the symbol that *params* name, or refuse."""
    symbol = _needed(params, "symbol")
    if not re.fullmatch(r"[A-Z0-9\-_.]{1,20}", symbol):
        raise Refusal(-1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.")
    if symbol not in market.symbols:
        raise Refusal(-1121, "Invalid symbol.")
    return symbol


def _interval(params: Mapping[str, str]) -> str:
    interval = _needed(params, "interval")
    if interval not in _INTERVALS:
        raise Refusal(-1120, "Invalid interval.")
    return interval


def _limit(params: Mapping[str, str]) -> int:
    limit = _whole(params, "limit")
    if limit == 0:
        raise Refusal(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit or DEFAULT_LIMIT, MAX_LIMIT)


def _whole(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _needed(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value
