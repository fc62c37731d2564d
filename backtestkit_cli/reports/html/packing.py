"""Candles in few bytes: a page holds tens of thousands of them, and the browser unpacks them without a library."""

import base64
import zlib
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np

from backtestkit_cli.analytics.trade_columns import Times
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS

Packed: TypeAlias = dict[str, Any]

MOST_DECIMALS: Final = 12
# Beyond it the difference of two integers might not be exact in a double, and the browser has no other number.
_LARGEST: Final = 2.0**52
_WIDTHS: Final = ((np.int8, "int8"), (np.int16, "int16"), (np.int32, "int32"))
_PROBED_ROWS: Final = 32
# Level 1 already takes out what is constant; what is left of prices is noise, and each level costs time.
_COMPRESSION: Final = 1


def packed_candles(times_ms: Times, prices: Floats) -> Packed:
    """Return candles as plain values ready for JSON; `assets/packing.js` unpacks them to the same last bit.

    *times_ms* ascend. *prices* has the columns open, high, low, close.

    Keys: `count`; `start` and `step` (ms) with `gaps`, pairs of a row and how many steps are missing before it;
    `divisor`, a power of ten; `first`, the first open; `widths` and `data`, the kind and the bytes of four columns,
    little-endian, one after another, in zlib and base64. With a divisor they are integers: open minus the close
    before it, close minus open, the upper and the lower wick. Without one (null), they are the prices themselves.
    """
    divisor = divisor_of(prices)
    columns = list(_differences(np.rint(prices * divisor)) if divisor else prices.T)
    widths = [_width(column) if divisor else "float64" for column in columns]
    content = b"".join(
        column.astype(np.dtype(width).newbyteorder("<")).tobytes()
        for column, width in zip(columns, widths, strict=True)
    )
    return {
        **_grid(times_ms),
        "divisor": divisor,
        "first": int(np.rint(prices[0, 0] * divisor)) if divisor and len(prices) else 0,
        "widths": widths,
        "data": base64.b64encode(zlib.compress(content, _COMPRESSION)).decode("ascii"),
    }


def divisor_of(prices: Floats) -> int | None:
    """Return the least power of ten of which all *prices* are whole parts, None if there is none up to 10**12."""
    probe = prices[:_PROBED_ROWS]
    for decimals in range(MOST_DECIMALS + 1):
        divisor: int = 10**decimals
        if _is_whole(probe, divisor) and _is_whole(prices, divisor):
            return divisor
    return None


def _is_whole(prices: Floats, divisor: int) -> bool:
    """Say whether each price is the double nearest to an integer over *divisor*: dividing then gives it back."""
    with np.errstate(over="ignore", invalid="ignore"):
        whole = np.rint(prices * divisor)
        # A zero with a sign is no integer.
        is_exact = (whole / divisor == prices) & (np.abs(whole) < _LARGEST) & ~((prices == 0) & np.signbit(prices))
    return bool(is_exact.all())


def _differences(prices: Floats) -> Iterator[Floats]:
    opened, high, low, closed = prices.T
    yield np.concatenate((np.zeros(min(1, len(opened))), opened[1:] - closed[:-1]))
    yield closed - opened
    yield high - np.maximum(opened, closed)
    yield np.minimum(opened, closed) - low


def _width(column: Floats) -> str:
    """Return the smallest kind of number that holds all of *column*, which is whole."""
    least, most = (column.min(), column.max()) if len(column) else (0.0, 0.0)
    for kind, name in _WIDTHS:
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            return name
    return "float64"


def _grid(times_ms: Times) -> Packed:
    steps_ms = np.diff(times_ms)
    step_ms = int(np.gcd.reduce(steps_ms)) if len(steps_ms) else MINUTE_MS
    missing = steps_ms // step_ms - 1
    rows = np.flatnonzero(missing)
    return {
        "count": len(times_ms),
        "start": int(times_ms[0]) if len(times_ms) else 0,
        "step": step_ms,
        "gaps": np.column_stack((rows + 1, missing[rows])).tolist(),
    }
