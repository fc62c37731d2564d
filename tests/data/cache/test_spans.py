"""The algebra of spans against sets of minutes, months, and the gap map."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.data.cache.months import file_name, month_at, month_named, months_between
from backtestkit_cli.data.cache.pages import pages_of
from backtestkit_cli.data.cache.partition import gaps_in
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.spans import Span, clipped, merged, total_ms, without
from tests.data.candle_files import START, a_market
from tests.data.candle_files import without as but_for

TIMES = st.integers(0, 40)
SPANS = st.lists(st.tuples(TIMES, TIMES), max_size=8)


def times_in(spans: Iterable[Span]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


def is_tidy(spans: tuple[Span, ...]) -> bool:
    return all(start < end for start, end in spans) and all(a[1] < b[0] for a, b in pairwise(spans))


@given(SPANS)
def test_merged_is_the_union(spans: list[Span]) -> None:
    assert times_in(merged(spans)) == times_in(spans)
    assert is_tidy(merged(spans))
    assert total_ms(merged(spans)) == len(times_in(spans))


@given(SPANS, TIMES, TIMES)
def test_clipped_is_the_intersection(spans: list[Span], start: int, end: int) -> None:
    assert times_in(clipped(spans, start, end)) == times_in(spans) & set(range(start, end))
    assert is_tidy(clipped(spans, start, end))


@given(SPANS, SPANS)
def test_without_is_the_difference(spans: list[Span], taken: list[Span]) -> None:
    assert times_in(without(spans, taken)) == times_in(spans) - times_in(taken)
    assert is_tidy(without(spans, taken))


@given(SPANS, st.integers(1, 10))
def test_pages_cut_spans_and_change_nothing_else(spans: list[Span], page: int) -> None:
    tidy = merged(spans)
    pages = pages_of(tidy, page)
    assert merged(pages) == tidy
    assert total_ms(pages) == total_ms(tidy)
    assert all(end - start <= page for start, end in pages)
    assert len(pages) == sum(-(-(end - start) // page) for start, end in tidy)


@given(SPANS, st.sets(st.integers(0, 39)))
def test_gaps_are_covered_minutes_without_a_candle(spans: list[Span], gone: set[int]) -> None:
    covered = merged(spans)
    there = [at for at in range(40) if at in times_in(covered) and at not in gone]
    candles = but_for(a_market(40), *(set(range(40)) - set(there)))
    gaps = gaps_in(candles, [(START + a * MINUTE_MS, START + b * MINUTE_MS) for a, b in covered], MINUTE_MS)
    in_minutes = [((a - START) // MINUTE_MS, (b - START) // MINUTE_MS) for a, b in gaps]
    assert times_in(in_minutes) == times_in(covered) - set(there)


@given(st.integers(0, 253_000_000_000_000), st.integers(0, 10**10))
def test_months_follow_one_another_and_go_by_their_names(start: int, length: int) -> None:
    months = months_between(start, start + length)
    assert [month_named(file_name(month)) for month in months] == list(months)
    assert all(a[1] == b[0] for a, b in pairwise(months))
    if months:
        assert months[0][0] <= start < months[0][1]
        assert months[-1][0] < start + length <= months[-1][1]
        assert month_at(start) == months[0]


def test_other_names_are_no_months() -> None:
    names = (
        "2025-13.parquet",
        "2025-1.parquet",
        "0000-01.parquet",
        "2025-01.parquet.damaged",
        ".lock",
        "x2025-01.parquet",
    )
    assert [month_named(name) for name in names] == [None] * len(names)
