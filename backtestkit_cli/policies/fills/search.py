"""Finding the first candle of a span that leaves a band of prices, without looking at the whole span."""

import math

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.signal import Side

_FIRST_CHUNK = 256
_GROWTH = 4


def first_outside(low: Floats, high: Floats, floor: float, ceiling: float, start: int, stop: int) -> int | None:
    """Return the first row of `[start, stop)` with *low* at or below *floor* or *high* at or above *ceiling*, or None.

    The span is read in growing chunks: most positions end soon, and those that do not end cost
    little more than one pass.
    """
    chunk = _FIRST_CHUNK
    while start < stop:
        end = min(stop, start + chunk)
        outside = low[start:end] <= floor
        outside |= high[start:end] >= ceiling
        row = outside.tobytes().find(1)  # takes a third of what argmax and a look at it take
        if row >= 0:
            return start + row
        start, chunk = end, chunk * _GROWTH
    return None


def first_beyond(prices: Floats, level: float, start: int, stop: int, *, rising: bool) -> int | None:
    """Return the first row of `[start, stop)` whose price stands at or beyond *level*: above when *rising*."""
    floor, ceiling = (-math.inf, level) if rising else (level, math.inf)
    return first_outside(prices, prices, floor, ceiling, start, stop)


def first_wick(candles: Candles, side: Side, price: float, start: int, stop: int) -> int | None:
    """Return the first row of `[start, stop)` whose wick reaches *price*: the low for a long, the high for a short."""
    floor, ceiling = (price, math.inf) if side.sign > 0 else (-math.inf, price)
    return first_outside(candles.low, candles.high, floor, ceiling, start, stop)
