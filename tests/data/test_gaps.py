"""Missing minutes: refused or filled, always counted."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.data.gaps import Prepared, prepare
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.errors import MissingCandlesError
from tests.data.candle_files import START, a_market, bytes_of, columns_of, without

MARKET = a_market()
END = START + 300 * MINUTE_MS


def at(minute: int) -> int:
    return START + minute * MINUTE_MS


def fill(candles: Candles, start: int = START, end: int = END) -> Prepared:
    return prepare(candles, start, end, GapPolicy.FILL, "ADAUSDT")


def refusal(candles: Candles, start: int = START, end: int = END, policy: GapPolicy = GapPolicy.FILL) -> str:
    with pytest.raises(MissingCandlesError) as caught:
        prepare(candles, start, end, policy, "ADAUSDT")
    return str(caught.value)


@pytest.mark.parametrize("policy", GapPolicy)
def test_without_a_gap_nothing_is_copied(policy: GapPolicy) -> None:
    prepared = prepare(MARKET, at(10), at(200), policy, "ADAUSDT")
    assert (prepared.missing, prepared.gaps) == (0, ())
    assert bytes_of(prepared.candles) == bytes_of(MARKET.slice(10, 200))
    assert np.shares_memory(prepared.candles.close, MARKET.close)


def test_a_filled_minute_is_flat_at_the_last_close_without_volume() -> None:
    prepared = fill(without(MARKET, 5, 6, 7, 100))
    assert (prepared.missing, prepared.gaps) == (4, ((at(5), at(8)), (at(100), at(101))))
    for minute in (5, 6, 7):
        close = MARKET[4].close
        assert prepared.candles[minute] == (at(minute), close, close, close, close, 0.0)
    assert prepared.candles[100][1:] == (*[MARKET[99].close] * 4, 0.0)
    assert [prepared.candles[minute] for minute in (4, 8, 99, 101, 299)] == [
        MARKET[minute] for minute in (4, 8, 99, 101, 299)
    ]


def test_only_gaps_inside_the_span_count() -> None:
    assert fill(without(MARKET, 5, 100, 250), at(50), at(200)).gaps == ((at(100), at(101)),)
    assert fill(without(MARKET, 5, 250), at(50), at(200)).missing == 0


def test_a_late_start_names_what_is_there_and_how_much_is_missing() -> None:
    assert refusal(MARKET, at(-90), at(200)) == (
        "ADAUSDT: asked for 2024-12-31 22:30 – 2025-01-01 03:20, "  # noqa: RUF001
        "1m candles are there for 2025-01-01 00:00 – 2025-01-01 05:00: 90 minutes missing at the start"  # noqa: RUF001
    )


def test_an_early_end_and_both_are_named() -> None:
    assert refusal(MARKET, at(0), at(301)).endswith(": 1 minute missing at the end")
    assert refusal(MARKET, at(-2000), at(302)).endswith(": 2,000 minutes missing at the start and 2 minutes at the end")


@pytest.mark.parametrize("policy", [GapPolicy.FILL, GapPolicy.SKIP])
def test_before_the_first_candle_and_after_the_last_one_nothing_is_made_up(policy: GapPolicy) -> None:
    assert refusal(without(MARKET, 0), policy=policy).endswith(": 1 minute missing at the start")
    assert refusal(without(MARKET, 298, 299), policy=policy).endswith(": 2 minutes missing at the end")


def test_a_gap_that_reaches_over_an_end_counts_inside_the_span_and_is_filled_from_before_it() -> None:
    prepared = fill(without(MARKET, 8, 9, 10, 11, 199, 200), at(10), at(200))
    assert prepared.gaps == ((at(10), at(12)), (at(199), at(200)))
    assert prepared.missing == 3
    assert prepared.candles.timestamp.tolist() == [at(minute) for minute in range(10, 200)]
    assert prepared.candles[0] == (at(10), *[MARKET[7].close] * 4, 0.0)
    assert prepared.candles[189] == (at(199), *[MARKET[198].close] * 4, 0.0)


@given(st.sets(st.integers(0, 299)), st.integers(1, 299), st.integers(1, 299))
def test_skipping_keeps_what_was_there_and_counts_what_filling_makes_up(lost: set[int], one: int, other: int) -> None:
    start, end = at(min(one, other)), at(max(one, other))
    there = without(MARKET, *lost)
    try:
        filled = fill(there, start, end)
    except MissingCandlesError:
        refusal(there, start, end, GapPolicy.SKIP)
        return
    skipped = prepare(there, start, end, GapPolicy.SKIP, "ADAUSDT")
    assert (skipped.missing, skipped.gaps) == (filled.missing, filled.gaps)
    assert skipped.candles.timestamp.tolist() == [t for t in there.timestamp.tolist() if start <= t < end]
    assert len(skipped.candles) + skipped.missing == len(filled.candles)


def test_a_span_without_candles_is_refused() -> None:
    assert refusal(MARKET, at(500), at(600)).endswith(
        "1m candles are only there for 2025-01-01 00:00 – 2025-01-01 05:00: all 100 minutes missing"  # noqa: RUF001
    )
    assert refusal(Candles.empty()).endswith("there are no 1m candles of it: all 300 minutes missing")


def test_an_empty_span_is_prepared_as_no_candles() -> None:
    assert len(fill(MARKET, at(5), at(5)).candles) == 0


def test_the_error_policy_names_the_first_gap_and_counts_all() -> None:
    assert refusal(without(MARKET, 5, 6, 7, 100), policy=GapPolicy.ERROR) == (
        "ADAUSDT: 4 1m candles missing in 2 gaps, the first 2025-01-01 00:05 – 2025-01-01 00:08;"  # noqa: RUF001
        " expected none, as gaps: error asks for"
    )


@given(st.sets(st.integers(1, 298)))
def test_filled_candles_are_contiguous_pass_the_door_and_keep_what_was_there(lost: set[int]) -> None:
    prepared = fill(without(MARKET, *lost))
    candles = prepared.candles
    check(candles, MINUTE_MS, "filled")
    assert candles.timestamp.tolist() == MARKET.timestamp.tolist()
    assert prepared.missing == len(lost) == sum((end - start) // MINUTE_MS for start, end in prepared.gaps)
    assert {at(minute) for minute in lost} == {t for gap in prepared.gaps for t in range(*gap, MINUTE_MS)}
    for name, column in columns_of(candles).items():
        kept = np.delete(np.arange(300), sorted(lost))
        assert column[kept].tolist() == columns_of(MARKET)[name][kept].tolist()
        assert not getattr(candles, name).flags.writeable
    assert math.isclose(candles.volume.sum(), without(MARKET, *lost).volume.sum())
