"""What a run does about minutes that its source does not have."""

from dataclasses import dataclass

import numpy as np

from backtestkit_cli.domain.candle import Candles, Floats, Times
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import MissingCandlesError, ShortHistoryError


@dataclass(frozen=True, slots=True)
class Prepared:
    """1m candles as a run reads them; `missing` minutes, in the half-open spans `gaps` (Unix ms), were not there."""

    candles: Candles
    missing: int = 0
    gaps: tuple[Span, ...] = ()


def prepare(candles: Candles, start_ms: int, end_ms: int, policy: GapPolicy, symbol: str) -> Prepared:
    """Return the minutes of `[start_ms, end_ms)` of the 1m *candles* of *symbol*, as *policy* wants them.

    The candles have passed the door and may reach beyond the span, whose ends are whole minutes. A minute
    is missing where candles stand on both sides of it, inside the span or beyond; before the first candle
    there was nothing to trade and after the last one it may be still to come, so both are refused. `fill`
    makes a missing minute flat at the last close with volume 0, `skip` leaves it out. Without a gap the
    result is a view, nothing is copied.

    Raises:
        ShortHistoryError: the span begins before the first candle, ends after the last one, or holds none.
        MissingCandlesError: it has a gap, under `GapPolicy.ERROR`.
    """
    first, last = (int(row) for row in np.searchsorted(candles.timestamp, [start_ms, end_ms]))
    inside = candles.slice(first, last)
    missing = max(end_ms - start_ms, 0) // MINUTE_MS - len(inside)
    if missing == 0:
        return Prepared(inside)
    _check_ends(inside, candles, start_ms, end_ms, symbol)
    gaps = gaps_of(inside.timestamp, start_ms, end_ms)
    if policy is GapPolicy.ERROR:
        raise MissingCandlesError(
            f"{symbol}: {counted(missing, '1m candle')} missing in {counted(len(gaps), 'gap')}, the first"
            f" {_span_text(*gaps[0])}; expected none, as gaps: error asks for"
        )
    if policy is GapPolicy.FILL:
        begins_before = int(inside.timestamp[0]) > start_ms
        inside = filled(candles.slice(first - begins_before, last), start_ms, end_ms)
    return Prepared(inside, missing, gaps)


def gaps_of(times: Times, start_ms: int, end_ms: int) -> tuple[Span, ...]:
    """Return the spans of `[start_ms, end_ms)` in which no 1m candle of *times* opens."""
    edges = np.concatenate(([start_ms - MINUTE_MS], times, [end_ms]))
    before = np.flatnonzero(np.diff(edges) > MINUTE_MS)
    return tuple(zip((edges[before] + MINUTE_MS).tolist(), edges[before + 1].tolist(), strict=True))


def _check_ends(inside: Candles, candles: Candles, start_ms: int, end_ms: int, symbol: str) -> None:
    asked = f"{symbol}: asked for {_span_text(start_ms, end_ms)}"
    first_ms, last_ms = (int(candles.timestamp[row]) for row in (0, -1)) if len(candles) else (0, 0)
    there = _span_text(first_ms, last_ms + MINUTE_MS) if len(candles) else ""
    if len(inside) == 0:
        found = f"1m candles are only there for {there}" if there else "there are no 1m candles of it"
        raise ShortHistoryError(f"{asked}, {found}: all {counted((end_ms - start_ms) // MINUTE_MS, 'minute')} missing")
    at_start = max(first_ms - start_ms, 0) // MINUTE_MS
    at_end = max(end_ms - last_ms - MINUTE_MS, 0) // MINUTE_MS
    if at_start or at_end:
        sides = [(at_start, "start"), (at_end, "end")]
        first, *second = [(counted(minutes, "minute"), f"at the {side}") for minutes, side in sides if minutes]
        missing = " and ".join([f"{first[0]} missing {first[1]}", *(" ".join(part) for part in second)])
        raise ShortHistoryError(f"{asked}, 1m candles are there for {there}: {missing}")


def filled(candles: Candles, start_ms: int, end_ms: int) -> Candles:
    """Return every minute of the span, as `GapPolicy.FILL` wants it; the first candle opens at its start or before."""
    minutes = np.arange(start_ms, end_ms, MINUTE_MS, dtype=np.int64)
    source = np.searchsorted(candles.timestamp, minutes, side="right") - 1
    made_up = candles.timestamp[source] != minutes
    last_close = candles.close[source]

    def flat(column: Floats) -> Floats:
        return np.where(made_up, last_close, column[source])

    return Candles.frozen(
        minutes,
        flat(candles.open),
        flat(candles.high),
        flat(candles.low),
        last_close,
        np.where(made_up, 0.0, candles.volume[source]),
    )


def _span_text(start_ms: int, end_ms: int) -> str:
    return f"{utc_text(start_ms)} – {utc_text(end_ms)}"  # noqa: RUF001 - an en dash is meant
