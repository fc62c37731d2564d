"""A164: how long work took: what a meter counts and times, and the figures of its samples."""

import math
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.outcome import Timing
from backtestkit_cli.analytics.timings import FIRST_TIMED, STRIDE, Meter, Samples, TimingRecorder, timings_of
from tests.laws import tried


def timing_of(*seconds: float, pieces: int | None = None) -> Timing:
    (timing,) = timings_of([Samples("get_signal", "s", len(seconds) if pieces is None else pieces, list(seconds))])
    return timing


def watch(step_s: float = 1.0) -> Iterator[float]:
    return count(0.0, step_s)


def test_percentiles_of_a_known_list_are_nearest_ranks() -> None:
    hundred = timing_of(*(n / 1000 for n in range(100, 0, -1)))
    assert (hundred.p95_ms, hundred.p99_ms) == pytest.approx((95.0, 99.0))
    five = timing_of(0.015, 0.020, 0.035, 0.040, 0.050)
    assert (five.p95_ms, five.p99_ms) == pytest.approx((50.0, 50.0))


def test_the_figures_of_a_known_list_are_those_of_the_books() -> None:
    timing = timing_of(2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0)
    assert (timing.count, timing.total_ms, timing.avg_ms) == (8, 40_000.0, 5_000.0)
    assert (timing.min_ms, timing.max_ms) == (2_000.0, 9_000.0)
    assert timing.deviation_ms == pytest.approx(1000 * math.sqrt(32 / 7))


def test_a_single_piece_has_no_deviation() -> None:
    assert timing_of(0.25) == Timing(
        metric="get_signal",
        strategy="s",
        count=1,
        timed=1,
        total_ms=250.0,
        avg_ms=250.0,
        min_ms=250.0,
        max_ms=250.0,
        deviation_ms=None,
        p95_ms=250.0,
        p99_ms=250.0,
    )


def test_a_sample_stands_for_all_pieces_since_the_one_before() -> None:
    """After the first ones, a slow sample weighs as much as the calls that were not timed."""
    pieces = FIRST_TIMED + STRIDE
    timing = timing_of(*[0.001] * FIRST_TIMED, 0.003, pieces=pieces)
    assert (timing.count, timing.timed, timing.is_estimated) == (pieces, FIRST_TIMED + 1, True)
    assert timing.total_ms == pytest.approx(FIRST_TIMED + 3 * STRIDE)
    assert timing.avg_ms == pytest.approx((FIRST_TIMED + 3 * STRIDE) / pieces)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 400)), min_size=1, max_size=12))
@tried(15, 50)
def test_pooled_figures_are_those_of_every_piece_written_out(sessions: list[tuple[int, int]]) -> None:
    """Whatever the number of meters, numpy finds the same figures in a list with one entry a piece."""
    samples, written_out = [], []
    for seed, pieces in sessions:
        timed = min(pieces, FIRST_TIMED) + max(0, pieces - FIRST_TIMED) // STRIDE
        seconds = np.random.default_rng(seed).lognormal(-9, 2, timed)
        weights = np.where(np.arange(timed) < FIRST_TIMED, 1, STRIDE)
        weights[-1] += pieces - weights.sum()
        samples.append(Samples("handler", "", pieces, seconds.tolist()))
        written_out.append(np.repeat(seconds * 1000, weights))
    (timing,) = timings_of(samples)
    every = np.concatenate(written_out)
    assert (timing.count, timing.timed) == (len(every), sum(len(one.seconds) for one in samples))
    assert timing.total_ms == pytest.approx(every.sum())
    assert timing.avg_ms == pytest.approx(every.mean())
    assert (timing.min_ms, timing.max_ms) == (every.min(), every.max())
    expected = None if len(every) == 1 else pytest.approx(every.std(ddof=1), rel=1e-6, abs=1e-12)
    assert timing.deviation_ms == expected
    p95, p99 = np.percentile(every, (95, 99), method="inverted_cdf")
    assert (timing.p95_ms, timing.p99_ms) == (p95, p99)


def test_a_meter_times_the_first_pieces_and_then_one_in_so_many_and_counts_them_all() -> None:
    meter = Meter(watch().__next__)
    seen = []
    for _ in range(1_000):
        before = len(meter.seconds)
        with meter.timing():
            pass
        seen.append(len(meter.seconds) > before)
    assert meter.total() == 1_000
    expected = [*range(FIRST_TIMED), *range(FIRST_TIMED + STRIDE - 1, 1_000, STRIDE)]
    assert [n for n, is_timed in enumerate(seen) if is_timed] == expected
    assert set(meter.seconds) == {1.0}


def test_pieces_within_a_piece_and_beside_it_are_counted_and_timed() -> None:
    meter = Meter(watch().__next__)
    with meter.timing(), meter.timing():
        pass
    assert (meter.total(), meter.seconds) == (2, [1.0, 3.0])


def test_a_piece_that_fails_is_counted_and_timed() -> None:
    meter = Meter(watch().__next__)
    with pytest.raises(ZeroDivisionError), meter.timing():
        raise ZeroDivisionError
    assert (meter.total(), meter.seconds) == (1, [1.0])


def test_a_recorder_pools_by_metric_and_strategy_in_a_fixed_order_and_leaves_out_what_never_happened() -> None:
    recorder = TimingRecorder(watch(0.001).__next__)
    recorder.meter("job")
    for metric, strategy in (("handler", "b"), ("handler", ""), ("get_signal", "b"), ("handler", "b"), ("run", "")):
        with recorder.meter(metric, strategy).timing():
            pass
    timings = timings_of(recorder.samples())
    assert [(one.metric, one.strategy, one.count) for one in timings] == [
        ("run", "", 1),
        ("get_signal", "b", 1),
        ("handler", "", 1),
        ("handler", "b", 2),
    ]
