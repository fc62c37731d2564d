"""Rows of candles as tables, and which rows of a page are still to be asked for."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.spans import Span

Table: TypeAlias = npt.NDArray[np.float64]
"""One row per candle, sorted by time: time in Unix milliseconds, open, high, low, close, volume."""

_COLUMNS = 6
_WENT_PAST, _BROUGHT_NOTHING, _BELIEVED = 2, 1, 3
NOTHING: Table = np.empty((0, _COLUMNS))


def pages(start_ms: int, end_ms: int, page_ms: int) -> Iterator[Span]:
    """Yield the fewest spans of at most *page_ms* that cover `[start_ms, end_ms)`, in order."""
    for at in range(start_ms, end_ms, page_ms):
        yield at, min(at + page_ms, end_ms)


def tabled(rows: Sequence[Sequence[Any]]) -> Table:
    """Return the *rows* of one answer as a table; equal rows are kept once.

    A number that is missing is NaN, which the door refuses. Only a venue that gives no volume at all
    has candles of volume 0.

    Raises:
        ValueError: rows are not candles, or two of one time differ.
    """
    if not rows:
        return NOTHING
    table = np.array([row[:_COLUMNS] for row in rows], dtype=np.float64)
    if table.shape != (len(rows), _COLUMNS) or np.isnan(table[:, 0]).any():
        raise ValueError("expected rows of time, open, high, low, close and volume")
    if np.isnan(table[:, 5]).all():
        table[:, 5] = 0.0
    table = table[np.argsort(table[:, 0], kind="stable")]
    is_repeated = np.diff(table[:, 0], prepend=-1.0) == 0
    if is_repeated.any():
        if not np.array_equal(table[is_repeated], table[np.flatnonzero(is_repeated) - 1], equal_nan=True):
            raise ValueError("two different candles of one time")
        table = table[~is_repeated]
    return table


def united(tables: Sequence[Table]) -> Table:
    """Return all rows of *tables*; of one time the row of the last table that has it."""
    newest_first = np.concatenate([NOTHING, *tables])[::-1]
    _, rows = np.unique(newest_first[:, 0], return_index=True)
    return newest_first[rows]


def within(table: Table, start_ms: int, end_ms: int) -> Table:
    """Return the rows of *table* that open in `[start_ms, end_ms)`."""
    first, last = np.searchsorted(table[:, 0], [start_ms, end_ms])
    return table[first:last]


def candles_of(table: Table) -> Candles:
    """Return *table* as columns, not yet checked."""
    return Candles.frozen(table[:, 0].astype(np.int64), *table[:, 1:].T)


class Page:
    """What is known of the candles of one span while its answers come in.

    A candle is believed absent once two answers went past it, which is why a question after the first asks
    for some more than the page. An answer that ends before it does not count, because venues cut answers and
    publish late; only where nothing comes three times over is there nothing.
    """

    def __init__(self, span: Span, length_ms: int) -> None:
        """Ask for the candles of *length_ms* that open in *span*, whose ends are multiples of it."""
        self._start_ms, self._end_ms = span
        self._length_ms = length_ms
        count = (self._end_ms - self._start_ms) // length_ms
        self._here = np.zeros(count, dtype=np.bool_)
        self._doubts = np.zeros(count, dtype=np.int8)
        self._tables: list[Table] = []

    @property
    def is_asked_again(self) -> bool:
        """Say whether there has been an answer, so that the next question is about what it lacked."""
        return bool(self._tables)

    @property
    def table(self) -> Table:
        """Return what has come so far."""
        return united(self._tables)

    def next_span(self) -> Span | None:
        """Return from the first candle that is neither here nor believed absent to the end, None if there is none."""
        open_rows = np.flatnonzero(~self._here & (self._doubts < _BELIEVED))
        if len(open_rows) == 0:
            return None
        return self._start_ms + int(open_rows[0]) * self._length_ms, self._end_ms

    def end_at(self, end_ms: int) -> None:
        """Leave out the candles from *end_ms* on: they are not closed yet."""
        if end_ms < self._end_ms:
            self._doubts[max(0, (end_ms - self._start_ms) // self._length_ms) :] = _BELIEVED

    def add(self, asked_ms: int, answer: Table) -> None:
        """Take the *answer* to a request for the candles from *asked_ms* on."""
        inside = within(answer, asked_ms, self._end_ms)
        rows = (inside[:, 0].astype(np.int64) - self._start_ms) // self._length_ms
        first = (asked_ms - self._start_ms) // self._length_ms
        self._tables.append(inside)
        self._here[rows] = True
        is_past = len(answer) > 0 and answer[-1, 0] >= self._end_ms
        stop = int(rows[-1]) if len(rows) and not is_past else len(self._here)
        doubt = _WENT_PAST if len(rows) or is_past else _BROUGHT_NOTHING
        self._doubts[first:stop] = np.minimum(self._doubts[first:stop] + doubt, _BELIEVED)
