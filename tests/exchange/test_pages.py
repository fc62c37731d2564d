from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.exchange.pages import Page, Table, pages, tabled, united, within

ROW = [1.0, 2.0, 0.5, 1.5, 3.0]


def rows(*times: int) -> Table:
    return tabled([[time, *ROW] for time in times])


def times(table: Table) -> list[int]:
    return [int(time) for time in table[:, 0]]


def asked_of(answer: Callable[[int], Table], count: int) -> tuple[list[int], list[int]]:
    """Return the starts of the requests and the times that came, of a page of *count* candles of 10 ms from 100 on."""
    page = Page((100, 100 + 10 * count), 10)
    starts = []
    while (span := page.next_span()) is not None:
        starts.append(span[0])
        page.add(span[0], answer(span[0]))
    return starts, times(page.table)


def venue(there: list[int], cap: int = 1000) -> Callable[[int], Table]:
    return lambda since: rows(*[time for time in there if time >= since][:cap])


def test_a_whole_page_is_one_request() -> None:
    assert asked_of(venue([100, 110, 120]), 3) == ([100], [100, 110, 120])


def test_a_capped_page_goes_on_where_it_ended() -> None:
    assert asked_of(venue([100, 110, 120, 130], cap=2), 4) == ([100, 120], [100, 110, 120, 130])


def test_a_hole_is_believed_after_two_answers() -> None:
    assert asked_of(venue([100, 120, 140]), 5) == ([100, 110], [100, 120, 140])


def test_an_end_after_which_nothing_comes_is_believed_after_three_more_answers() -> None:
    assert asked_of(venue([100, 110]), 4) == ([100, 120, 120, 120], [100, 110])


@given(st.sets(st.integers(0, 40)), st.lists(st.integers(0, 3), max_size=60))
def test_what_an_answer_leaves_out_at_its_end_is_not_taken_for_a_hole(holes: set[int], late: list[int]) -> None:
    """Whatever the newest rows of the answers that are missing, as long as an answer goes beyond the page."""
    there = [100 + 10 * row for row in range(60) if row not in holes]
    left_out = iter(late)

    def answer(since: int) -> Table:
        found = [time for time in there if time >= since]
        limit = 41 if since == 100 else (510 - since) // 10 + 10
        return rows(*found[:limit][: len(found[:limit]) - next(left_out, 0)])

    assert asked_of(answer, 41)[1] == [time for time in there if time < 510]


def test_an_answer_that_goes_past_the_end_has_gone_past_the_whole_page() -> None:
    assert asked_of(venue([100, 120, 140, 150]), 4) == ([100, 110], [100, 120])
    assert asked_of(venue([100, 110, 140, 150]), 4) == ([100, 120], [100, 110])


def test_an_empty_page_is_believed_after_three_answers() -> None:
    assert asked_of(venue([]), 4) == ([100, 100, 100], [])


def test_a_hole_does_not_hide_what_a_cap_cuts_off() -> None:
    there = [100, 120, 130, 140, 150, 160, 170]
    starts, came = asked_of(venue(there, cap=3), 8)
    assert came == there
    assert starts == [100, 110, 150]


@given(st.sets(st.integers(0, 40)), st.integers(1, 12))
def test_all_that_is_there_comes_whatever_the_holes_and_the_cap(there: set[int], cap: int) -> None:
    inside = sorted(100 + 10 * row for row in there)
    starts, came = asked_of(venue([*inside, 1_000], cap), 41)
    assert came == inside
    assert len(starts) <= 2 * (41 // cap + 42 - len(inside))


def test_what_is_not_closed_is_not_asked_for() -> None:
    page = Page((100, 150), 10)
    page.add(100, rows(100, 110))
    page.end_at(120)
    assert page.next_span() is None


def test_pages_are_as_few_as_can_be() -> None:
    assert list(pages(10, 45, 10)) == [(10, 20), (20, 30), (30, 40), (40, 45)]
    assert list(pages(10, 10, 10)) == []


def test_rows_are_sorted_and_equal_ones_kept_once() -> None:
    assert times(rows(120, 100, 110, 100)) == [100, 110, 120]


def test_two_different_rows_of_one_time_are_no_answer() -> None:
    with pytest.raises(ValueError, match=r"two different candles of one time"):
        tabled([[100, *ROW], [100, *ROW[:-1], 4.0]])


@pytest.mark.parametrize("row", [[100, 1, 2], [None, *ROW], ["x", *ROW]])
def test_rows_that_are_no_candles_are_no_answer(row: list[object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        tabled([[90, *ROW], row])


def test_a_venue_without_volumes_has_candles_of_volume_0_and_one_missing_number_is_none() -> None:
    none = [*ROW[:-1], None]
    assert tabled([[100, *none], [110, *none]])[:, 5].tolist() == [0, 0]
    assert np.isnan(tabled([[100, *ROW], [110, *none]])[1, 5])


def test_of_two_answers_the_later_one_holds() -> None:
    newer = tabled([[110, *ROW[:-1], 9.0]])
    assert united([rows(100, 110), newer])[:, 5].tolist() == [3.0, 9.0]
    assert times(within(rows(100, 110, 120), 110, 120)) == [110]
    assert len(united([])) == 0
