import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.reports.html.packing import divisor_of, packed_candles

START_MS = 1_746_316_800_000


def unpacked(packed: dict[str, Any]) -> tuple[list[int], Floats]:
    """Return the times and the prices of *packed*, by the steps that packing.js takes."""
    count, divisor = packed["count"], packed["divisor"]
    times, at_ms, missing = [], packed["start"], dict(packed["gaps"])
    for row in range(count):
        at_ms += packed["step"] * (missing.get(row, 0) + (row > 0))
        times.append(at_ms)
    content, columns = zlib.decompress(base64.b64decode(packed["data"])), []
    for width in packed["widths"]:
        kind = np.dtype(width).newbyteorder("<")
        columns.append(np.frombuffer(content[: count * kind.itemsize], kind).astype(float))
        content = content[count * kind.itemsize :]
    assert content == b""
    if divisor is None:
        return times, np.column_stack(columns)
    prices, closed = np.empty((count, 4)), packed["first"]
    for row, (gap, body, upper, lower) in enumerate(zip(*columns, strict=True)):
        opened = closed + gap
        closed = opened + body
        prices[row] = opened, max(opened, closed) + upper, min(opened, closed) - lower, closed
    return times, prices / divisor


def same_bits(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and one.tobytes() == np.ascontiguousarray(other).tobytes()


def as_rows(prices: list[tuple[float, ...]]) -> Floats:
    return np.array(prices, float).reshape(-1, 4)


steps = st.lists(st.integers(1, 500), max_size=30)
ticks = st.tuples(*[st.integers(0, 10**9)] * 4)


@given(steps, st.integers(0, 12), st.data())
def test_decimal_prices_come_back_to_the_last_bit(gaps: list[int], decimals: int, data: st.DataObject) -> None:
    times = START_MS + np.cumsum([0, *gaps]) * MINUTE_MS
    whole = data.draw(st.lists(ticks, min_size=len(times), max_size=len(times)))
    prices = as_rows([tuple(float(f"{tick}e-{decimals}") for tick in row) for row in whole])
    packed = packed_candles(times, prices)
    assert packed["divisor"] is not None
    assert packed["divisor"] <= 10**decimals
    got_times, got = unpacked(packed)
    assert got_times == times.tolist()
    assert same_bits(got, prices)


@given(st.lists(st.tuples(*[st.floats(allow_nan=False)] * 4), max_size=20))
def test_any_price_comes_back_to_the_last_bit(rows: list[tuple[float, ...]]) -> None:
    prices = as_rows(rows)
    times = START_MS + np.arange(len(rows)) * MINUTE_MS
    got_times, got = unpacked(packed_candles(times, prices))
    assert got_times == times.tolist()
    assert same_bits(got, prices)


@pytest.mark.parametrize(
    ("price", "divisor"), [(100.0, 1), (0.5, 10), (65123.45, 100), (0.00001234, 10**8), (1 / 3, None), (1e16, None)]
)
def test_the_divisor_is_the_least_that_is_exact(price: float, divisor: int | None) -> None:
    assert divisor_of(np.full((3, 4), price)) == divisor


def test_a_late_price_with_more_decimals_is_not_rounded() -> None:
    prices = np.full((1000, 4), 2.5)
    prices[999] = 2.505
    packed = packed_candles(START_MS + np.arange(1000) * MINUTE_MS, prices)
    assert packed["divisor"] == 1000
    assert same_bits(unpacked(packed)[1], prices)


def test_calm_prices_take_few_bytes() -> None:
    generator = np.random.default_rng(7)
    close = 65_000 + np.cumsum(generator.integers(-80, 80, 7776)) / 10
    opened = np.concatenate(([65_000.0], close[:-1]))
    wicks = generator.integers(0, 90, (2, 7776)) / 10
    prices = np.column_stack(
        (opened, np.maximum(opened, close) + wicks[0], np.minimum(opened, close) - wicks[1], close)
    )
    packed = packed_candles(START_MS + np.arange(7776) * 5 * MINUTE_MS, np.round(prices, 1))
    assert (packed["step"], packed["gaps"], packed["divisor"]) == (5 * MINUTE_MS, [], 10)
    assert len(packed["data"]) < 7 * 7776
