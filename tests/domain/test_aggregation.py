"""Longer candles from shorter ones: the same to the last bit, whatever is missing elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.data.candle_files import a_market, bytes_of, without

MINUTES = a_market(4 * 1440)


@pytest.mark.parametrize("minutes", [5, 60, 720])
def test_a_whole_candle_is_the_same_beside_a_gap(minutes: int) -> None:
    length_ms = minutes * MINUTE_MS
    holed = aggregated(without(MINUTES, len(MINUTES) - 2), length_ms, MINUTE_MS)
    whole = aggregated(MINUTES, length_ms, MINUTE_MS)
    assert bytes_of(holed.slice(0, len(whole) - 1)) == bytes_of(whole.slice(0, len(whole) - 1))


@given(st.sets(st.integers(1, 718), max_size=700), st.sampled_from([2, 3, 15, 60, 240]))
def test_a_candle_is_made_of_the_minutes_that_are_there(lost: set[int], minutes: int) -> None:
    length_ms = minutes * MINUTE_MS
    there = without(MINUTES.slice(0, 720), *lost)
    made = aggregated(there, length_ms, MINUTE_MS)
    opens = np.unique(there.timestamp // length_ms) * length_ms
    assert made.timestamp.tolist() == opens.tolist()
    for candle in made.rows():
        parts: Candles = there.between(candle.timestamp, candle.timestamp + length_ms)
        assert candle.open == parts.open[0]
        assert candle.high == parts.high.max()
        assert candle.low == parts.low.min()
        assert candle.close == parts.close[-1]
        assert candle.volume == pytest.approx(parts.volume.sum(), rel=1e-12)
