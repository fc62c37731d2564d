"""Sets of time as sorted half-open spans `(start_ms, end_ms)` that neither touch nor overlap."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of *spans*, which may come in any order, overlap, touch or be empty."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)


def clipped(spans: Iterable[Span], start_ms: int, end_ms: int) -> tuple[Span, ...]:
    """Return what of *spans* lies within `[start_ms, end_ms)`."""
    return merged((max(start, start_ms), min(end, end_ms)) for start, end in spans)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Return *spans* but for what *taken* covers."""
    return tuple(_holes(merged(spans), merged(taken)))


def _holes(spans: tuple[Span, ...], taken: tuple[Span, ...]) -> Iterator[Span]:
    for start, end in spans:
        at = start
        for taken_start, taken_end in clipped(taken, start, end):
            if at < taken_start:
                yield at, taken_start
            at = taken_end
        if at < end:
            yield at, end


def total_ms(spans: Iterable[Span]) -> int:
    """Return how much time *spans*, which do not overlap, hold together."""
    return sum(end - start for start, end in spans)
