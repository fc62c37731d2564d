"""How long the work of a run takes: meters that cost next to nothing, and what their samples say."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle, repeat
from typing import NamedTuple

import numpy as np

from backtestkit_cli.analytics.outcome import Timing
from backtestkit_cli.domain.candle import Floats

RUN, LOAD, ENTRIES, GET_SIGNAL, HANDLER, JOB = METRICS = ("run", "load", "entries", "get_signal", "handler", "job")
"""What is measured: the run as a whole, the candles of a symbol, the table of a batch strategy, and each call of the
author's code. A load or a call counts what it waits for, so that those side by side may add up to more than the run.
"""

FIRST_TIMED = 100
STRIDE = 97
"""A meter times its first hundred pieces of work, then one in 97: a prime number keeps step with no candle or hour."""

_MS_PER_SECOND = 1000


class Samples(NamedTuple):
    """What a meter has seen: so many `pieces` of work, of which it timed those in `seconds`, oldest first."""

    metric: str
    strategy: str
    pieces: int
    seconds: list[float]


class Meter:
    """Counts the pieces of one kind of work, and times those that are due.

    Code that runs millions of times does by itself what `timing` does, because a call of that would cost too much:

        begun_s = meter.now() if next(meter.dues) else None
        try:
            ...
        finally:
            if begun_s is not None:
                meter.ended(begun_s)
    """

    __slots__ = ("_pieces", "dues", "now", "seconds")

    def __init__(self, now: Callable[[], float]) -> None:
        """Read the time, in seconds from wherever, from *now*."""
        self.now = now
        # An iterator counts along with the calls, and answers faster than a function of ours.
        self.dues: Iterator[bool] = chain(repeat(True, FIRST_TIMED), cycle((*repeat(False, STRIDE - 1), True)))
        self.seconds: list[float] = []
        self._pieces: int | None = None

    def ended(self, begun_s: float) -> None:
        """Note that the piece begun at *begun_s* is done."""
        self.seconds.append(self.now() - begun_s)

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Count the block as a piece of work."""
        begun_s = self.now() if next(self.dues) else None
        try:
            yield
        finally:
            if begun_s is not None:
                self.ended(begun_s)

    def total(self) -> int:
        """Return how many pieces there have been; there must not be any more."""
        if self._pieces is None:
            more = len(self.seconds) - FIRST_TIMED
            if more < 0:
                return len(self.seconds)
            until_due = next(n for n, is_due in enumerate(self.dues, 1) if is_due)
            self._pieces = FIRST_TIMED + (more + 1) * STRIDE - until_due
        return self._pieces


class TimingRecorder:
    """The meters of one run."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Read the time, in seconds from wherever, from *now*."""
        self._now = now
        self._meters: list[tuple[str, str, Meter]] = []

    def meter(self, metric: str, strategy: str = "") -> Meter:
        """Return a new meter of *metric*, one for each session, so that all of them are sampled alike."""
        meter = Meter(self._now)
        self._meters.append((metric, strategy, meter))
        return meter

    def samples(self) -> list[Samples]:
        """Return what has been seen, once all work is done."""
        return [
            Samples(metric, strategy, meter.total(), meter.seconds)
            for metric, strategy, meter in self._meters
            if meter.seconds
        ]


def timings_of(samples: Iterable[Samples]) -> tuple[Timing, ...]:
    """Return the figures of each metric and strategy, pooled over sessions, in the order of `METRICS`."""
    pooled: dict[tuple[int, str], list[Samples]] = {}
    for one in samples:
        pooled.setdefault((METRICS.index(one.metric), one.strategy), []).append(one)
    return tuple(_timing(pooled[key]) for key in sorted(pooled))


def _timing(samples: list[Samples]) -> Timing:
    """Return the figures of *samples*, of one metric and strategy, each sample as often as it stands for a piece."""
    took_ms = np.concatenate([one.seconds for one in samples]) * _MS_PER_SECOND
    weights = np.concatenate([_weights(one) for one in samples])
    pieces = sum(one.pieces for one in samples)
    total_ms = float(weights @ took_ms)
    avg_ms = total_ms / pieces
    p95_ms, p99_ms = _percentiles(took_ms, weights)
    return Timing(
        metric=samples[0].metric,
        strategy=samples[0].strategy,
        count=pieces,
        timed=len(took_ms),
        total_ms=total_ms,
        avg_ms=avg_ms,
        min_ms=float(took_ms.min()),
        max_ms=float(took_ms.max()),
        deviation_ms=float(np.sqrt(weights @ (took_ms - avg_ms) ** 2 / (pieces - 1))) if pieces > 1 else None,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
    )


def _weights(samples: Samples) -> Floats:
    """Return how many pieces each sample stands for: itself, or all since the one before; the last for the rest."""
    weights = np.ones(len(samples.seconds))
    weights[FIRST_TIMED:] = STRIDE
    weights[-1] = samples.pieces - weights[:-1].sum()
    return weights


def _percentiles(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return P95 and P99: the smallest value that so many percent of all pieces do not exceed.

    This is the nearest rank, definition 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), so
    that every percentile is a time that was measured.
    """
    p95, p99 = np.percentile(values, (95, 99), method="inverted_cdf", weights=weights)
    return float(p95), float(p99)
