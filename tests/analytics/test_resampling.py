import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.resampling import Interval, Resampling, seed_of


@pytest.mark.parametrize("days", [1, 2, 10, 27, 730])
def test_each_sample_has_as_many_days_and_each_day_is_drawn_as_often_as_any_other(days: int) -> None:
    drawn = Resampling.of(days, seed=1, samples=1_000)
    assert drawn.weights.shape == (1_000, days)
    assert (drawn.weights >= 0).all()
    assert (drawn.weights.sum(axis=1) == days).all()
    assert drawn.weights.mean(axis=0) == pytest.approx(np.ones(days), abs=0.3)


def test_days_are_drawn_in_blocks_that_go_on_with_the_first_day_after_the_last() -> None:
    weights = Resampling.of(1_000, seed=2, samples=50).weights
    together = np.mean((weights > 0) & (np.roll(weights, -1, axis=1) > 0)) / np.mean(weights > 0)
    alone = np.mean(weights > 0)
    assert together > 0.9 > alone
    assert ((weights[:, -1] > 0) & (weights[:, 0] > 0)).any()


def test_the_same_seed_draws_the_same_and_another_seed_other_days() -> None:
    first, again, other = (Resampling.of(27, seed, samples=10).weights for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_the_seed_of_two_runs_does_not_depend_on_their_order() -> None:
    assert seed_of("a-1", "b-2") == seed_of("b-2", "a-1") == 15_992_908_437_218_954_708
    assert seed_of("a-1", "b-2") != seed_of("a-1", "b-3")


def test_a_difference_that_is_too_often_undefined_has_no_interval() -> None:
    drawn = Resampling.of(27, seed=1, samples=1_000)
    values = np.linspace(-1, 3, 1_000)
    values[:11] = np.nan
    assert drawn.interval(values) is None
    values[0] = -1.0
    assert drawn.interval(values) is not None


@pytest.mark.parametrize(("low", "high", "excludes"), [(0.1, 2, True), (-2, -0.1, True), (-1, 1, False), (0, 0, False)])
def test_a_difference_is_significant_where_its_interval_excludes_zero(low: float, high: float, excludes: bool) -> None:
    assert Interval(low, high, 50.0).excludes_zero is excludes


@settings(max_examples=25)
@given(st.integers(10, 60), st.integers(0, 1_000))
def test_the_interval_of_the_negated_differences_is_the_mirrored_one(days: int, seed: int) -> None:
    drawn = Resampling.of(days, seed, samples=300)
    differences = np.random.default_rng(seed).normal(0.5, 1, 300)
    there, back = drawn.interval(differences), drawn.interval(-differences)
    assert there is not None
    assert back is not None
    assert (back.low, back.high) == (-there.high, -there.low)
    assert back.above_share_pct == pytest.approx(100 - there.above_share_pct)


@pytest.mark.parametrize("days", [10, 27])
def test_the_interval_of_a_mean_of_days_with_heavy_tails_covers_it(days: int) -> None:
    draws = np.random.default_rng(3)
    covered = 0
    for seed in range(100):
        drawn = Resampling.of(days, seed, samples=300)
        found = drawn.interval(drawn.sums(draws.standard_t(4, (days, 1)) + 0.3)[:, 0] / days)
        covered += found is not None and found.low <= 0.3 <= found.high
    assert covered >= 90


def test_two_years_are_drawn_2000_times_in_a_fraction_of_a_second() -> None:
    took = []
    for _ in range(3):
        begin = time.process_time()
        drawn = Resampling.of(730, seed=1)
        drawn.sums(np.ones((730, 8)))
        drawn.sums(np.ones((730, 8)))
        took.append(time.process_time() - begin)
    assert min(took) < 0.3
