"""The door: good candles pass, a bad one is named with its row, time, rule and numbers."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.errors import BadCandleError
from tests.data.candle_files import START, a_market, changed, without


def refusal(candles: Candles, length_ms: int = MINUTE_MS, first_row: int = 1, row_word: str = "row") -> str:
    with pytest.raises(BadCandleError) as caught:
        check(candles, length_ms, "BTC.parquet", first_row, row_word)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_good_candles_and_no_candles_pass() -> None:
    check(a_market(), MINUTE_MS, "here")
    check(a_market(1), MINUTE_MS, "here")
    check(Candles.empty(), MINUTE_MS, "here")


def test_gaps_and_flat_candles_without_volume_pass() -> None:
    market = changed(a_market(), 7, open=100.0, high=100.0, low=100.0, close=100.0, volume=0.0)
    check(without(market, 3, 4, 50), MINUTE_MS, "here")


BAD: dict[str, tuple[dict[str, float], str]] = {
    "time between two minutes": (
        {"timestamp": START + 30_500},
        "row 5 (2025-01-01 00:00:30.500): expected a time that is a multiple of 60,000 ms, found 1735689630500",
    ),
    "time in seconds": ({"timestamp": START // 1000}, "found 1735689600 (are these seconds?)"),
    "time in microseconds": (
        {"timestamp": START * 1000},
        "row 5 (time 1735689600000000): expected a time in Unix milliseconds, found 1735689600000000",
    ),
    "negative time": ({"timestamp": -MINUTE_MS}, "expected a time in Unix milliseconds, found -60000"),
    "time before its predecessor": (
        {"timestamp": START},
        "row 5 (2025-01-01 00:00): candles are not sorted: expected a time after 2025-01-01 00:03",
    ),
    "time of its predecessor": (
        {"timestamp": START + 3 * MINUTE_MS},
        "row 5 (2025-01-01 00:03): duplicate candle: the row before has the same time",
    ),
    "NaN": ({"open": math.nan}, "row 5 (2025-01-01 00:04): expected finite prices, found open nan"),
    "infinite price": ({"high": math.inf}, "expected finite prices, found high inf"),
    "minus infinity": ({"low": -math.inf}, "expected finite prices, found low -inf"),
    "price of zero": ({"low": 0.0}, "expected positive prices, found low 0.0"),
    "negative price": ({"close": -1.5}, "expected positive prices, found close -1.5"),
    "high below low": (
        {"open": 100.0, "high": 99.0, "low": 101.0, "close": 100.0},
        "expected high to be the highest and low the lowest, found open 100.0, high 99.0, low 101.0, close 100.0",
    ),
    "high below close": ({"high": 100.0, "open": 100.0, "low": 90.0, "close": 101.0}, "close 101.0"),
    "low above open": ({"high": 110.0, "open": 100.0, "low": 100.5, "close": 101.0}, "low 100.5"),
    "negative volume": ({"volume": -0.25}, "expected a finite volume of 0 or more, found -0.25"),
    "NaN volume": ({"volume": math.nan}, "expected a finite volume of 0 or more, found nan"),
    "infinite volume": ({"volume": math.inf}, "expected a finite volume of 0 or more, found inf"),
    "far too high": ({"high": 250_000.0}, "expected prices within a factor of 1000 of the median"),
    "far too low": ({"low": 0.05}, "found low 0.05"),
}


@pytest.mark.parametrize(("values", "expected"), BAD.values(), ids=BAD)
def test_a_bad_candle_is_named(values: dict[str, float], expected: str) -> None:
    message = refusal(changed(a_market(), 4, **values))
    assert message.startswith("BTC.parquet: row 5 (")
    assert expected in message


def test_the_row_counts_from_the_first_row_given_and_uses_its_word() -> None:
    assert "BTC.parquet: line 1005 (" in refusal(changed(a_market(), 4, volume=-1.0), MINUTE_MS, 1001, "line")


def test_the_first_bad_row_in_file_order_is_named_whatever_its_rule_and_the_others_are_counted() -> None:
    market = changed(changed(changed(a_market(), 9, timestamp=START), 4, volume=-1.0), 200, open=math.nan)
    message = refusal(market)
    assert "row 5 (2025-01-01 00:04): expected a finite volume" in message
    assert message.endswith("; 3 bad rows in all")


def test_a_row_that_breaks_two_rules_counts_once() -> None:
    assert "in all" not in refusal(changed(a_market(), 4, volume=-1.0, open=math.nan))


def test_candles_of_a_shorter_interval_are_not_aligned() -> None:
    assert "multiple of 3,600,000 ms" in refusal(a_market(), HOUR_MS)


def test_a_single_bad_candle_is_refused() -> None:
    assert "row 1 (2025-01-01 00:00)" in refusal(changed(a_market(1), 0, close=math.nan))


def test_prices_that_grow_a_thousandfold_pass_while_near_their_median() -> None:
    price = np.linspace(1.0, 1_500.0, 100)
    times = START + MINUTE_MS * np.arange(100, dtype=np.int64)
    check(Candles(times, price, price, price, price, price), MINUTE_MS, "here")


def test_of_fewer_than_five_candles_the_mean_decides() -> None:
    price = np.array([100.0, 100.0, 0.01])
    market = Candles(START + MINUTE_MS * np.arange(3, dtype=np.int64), price, price, price, price, price)
    assert "row 3 (2025-01-01 00:02): expected prices within a factor of 1000 of the mean" in refusal(market)


def test_prices_near_the_largest_double_raise_no_warning() -> None:
    refusal(changed(a_market(), 4, open=1.7e308, high=1.7e308))
    price = np.full(6, 1.7e308)
    price[0] = 1.0
    refusal(Candles(START + MINUTE_MS * np.arange(6, dtype=np.int64), price, price, price, price, price))


prices = st.floats(50.0, 200.0)
rows = st.lists(
    st.tuples(prices, prices, prices, prices, st.floats(0, 1e12), st.integers(1, 5)), min_size=5, max_size=40
)


def from_rows(drawn: list[tuple[float, float, float, float, float, int]]) -> Candles:
    at = START
    candles = []
    for first, second, third, fourth, volume, step in drawn:
        low, open_, close, high = sorted((first, second, third, fourth))
        candles.append(Candle(at, open_, high, low, close, volume))
        at += step * MINUTE_MS
    columns = list(zip(*candles, strict=True))
    return Candles.frozen(np.array(columns[0], dtype=np.int64), *(np.array(column) for column in columns[1:]))


@given(rows)
def test_any_possible_candles_pass(drawn: list[tuple[float, float, float, float, float, int]]) -> None:
    check(from_rows(drawn), MINUTE_MS, "here")


CORRUPTIONS: list[Callable[[Candle], dict[str, float]]] = [
    lambda c: {"timestamp": c.timestamp + 1},
    lambda c: {"open": math.nan},
    lambda c: {"high": c.low / 2},
    lambda c: {"low": c.high * 2},
    lambda c: {"close": -c.close},
    lambda c: {"volume": -1.0},
    lambda c: {"high": c.high * 1e6},
    lambda c: {"low": c.low / 1e6},
]


@given(rows, st.data())
def test_the_one_corrupted_candle_is_the_one_named(
    drawn: list[tuple[float, float, float, float, float, int]], data: st.DataObject
) -> None:
    candles = from_rows(drawn)
    row = data.draw(st.integers(0, len(candles) - 1))
    corrupt = data.draw(st.sampled_from(CORRUPTIONS))
    message = refusal(changed(candles, row, **corrupt(candles[row])))
    assert message.startswith(f"BTC.parquet: row {row + 1} (")
    assert "in all" not in message
