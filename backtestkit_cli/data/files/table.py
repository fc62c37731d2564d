"""All candles of one file in order of time, and the interval that they have."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from backtestkit_cli.data.foreign.rows import Rows
from backtestkit_cli.data.foreign.times import whole_ms
from backtestkit_cli.domain.candle import NUMBERS, Candles, Times
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS
from backtestkit_cli.errors import BadCandleError, MissingCandlesError

# All intervals, the longest first.
_LENGTHS_MS = [
    minutes * MINUTE_MS for minutes in range(DAY_MS // MINUTE_MS, 0, -1) if DAY_MS // MINUTE_MS % minutes == 0
]
_MOST = 0.9  # so many of the times make the interval; the door names the others


@dataclass(frozen=True, slots=True)
class Table:
    """What one file holds, oldest first and not yet checked; `is_reversed` says that the file has the newest first."""

    candles: Candles
    rows: Rows
    is_reversed: bool = False

    def check(self, length_ms: int) -> None:
        """Refuse candles that break a rule of the door, by their row in the file.

        Raises:
            BadCandleError: a row breaks a rule.
        """
        where, word, first = self.rows
        if not self.is_reversed:
            check(self.candles, length_ms, where, first, word)
            return
        try:  # counted from below zero, the rows of the file go down while the door goes up
            check(self.candles, length_ms, where, -(first + len(self.candles) - 1), word)
        except BadCandleError as error:
            raise BadCandleError(str(error).replace(f"{where}: {word} -", f"{where}: {word} ", 1)) from None

    def checked(self, length_ms: int, asked: str) -> Candles:
        """Return the candles once they pass the door as candles of *length_ms*.

        *asked* is what was looked for, such as `1h`; it is what good candles of another interval are refused for.

        Raises:
            BadCandleError: a row breaks a rule.
            MissingCandlesError: the candles are good ones of another interval.
        """
        held_ms = other_interval_ms(self.candles.timestamp, length_ms)
        self.check(MINUTE_MS if held_ms else length_ms)
        if held_ms:
            held = interval_text(held_ms)
            raise MissingCandlesError(f"{self.rows.where}: no {asked} candles; the file holds {held} candles")
        return self.candles


def table_of(frame: pl.DataFrame, rows: Rows, time_name: str) -> Table:
    """Return the table of *frame*, whose numbers are doubles; *time_name* is what the file calls the times.

    The columns are taken out of *frame* one by one, so that a long file is in memory once.

    Files with the newest candle first are turned round, if every row is older than the one before.

    Raises:
        BadCandleError: a time is none.
        MissingCandlesError: there is no row.
    """
    if frame.height == 0:
        raise MissingCandlesError(f"{rows.where}: expected candles, found none")
    times = whole_ms(frame.drop_in_place("timestamp").rename(time_name), rows)
    is_reversed = len(times) > 1 and bool((times[1:] < times[:-1]).all())
    step = -1 if is_reversed else 1
    candles = Candles.frozen(times[::step], *(frame.drop_in_place(name).to_numpy()[::step] for name in NUMBERS))
    return Table(candles, rows, is_reversed)


def interval_held_ms(times: Times) -> int | None:
    """Return the interval that sorted *times* with gaps and a few bad ones among them have, if that shows."""
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual, shortest = np.median(steps), int(steps.min())
    for length_ms in _LENGTHS_MS:
        if length_ms <= usual and np.count_nonzero(times % length_ms == 0) >= _MOST * len(times):
            return length_ms if shortest <= length_ms else None
    return None


def other_interval_ms(times: Times, length_ms: int) -> int | None:
    """Return the usual step of *times* if they cannot be of *length_ms*, else None.

    Neither gaps nor a few bad times make another interval: what is finer is so at most rows, what
    is coarser at all.
    """
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual = int(np.median(steps))
    is_finer = 0 < usual < length_ms and usual % MINUTE_MS == 0
    is_coarser = int(steps.min()) > length_ms
    return usual if is_finer or is_coarser else None


def interval_text(length_ms: int) -> str:
    """Return *length_ms* in the longest unit that it is a whole number of, as in `90m`, `2h` or `7d`."""
    for unit, unit_ms in (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS)):
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms / 1000:g}s"
