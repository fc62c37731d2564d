"""The average price of the newest candle is that of the whole column, to the last bit."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.engine.market import newest_average_price, rolling_average_price
from tests.markets import random_candles


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
@settings(max_examples=30)
def test_one_average_is_the_last_of_the_column(seed: int, n: int) -> None:
    candles = random_candles(seed, 40)
    column = rolling_average_price(candles, n).tolist()
    for size, expected in enumerate(column, start=1):
        found = newest_average_price(candles.slice(0, size), n)
        assert found == expected or (math.isnan(found) and math.isnan(expected))
