"""What a run does about minutes that its source does not have."""

from dataclasses import dataclass

import numpy as np

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.errors import MissingCandlesError


@dataclass(frozen=True, slots=True)
class Prepared:
    """1m candles without a gap; `missing` of them are made up, in the half-open spans `gaps` (Unix ms)."""

    candles: Candles
    missing: int = 0
    gaps: tuple[tuple[int, int], ...] = ()


def prepare(candles: Candles, start_ms: int, end_ms: int, policy: GapPolicy, symbol: str) -> Prepared:
    """Return exactly the minutes of `[start_ms, end_ms)` of the 1m *candles* of *symbol*.

    The candles have passed the door and may reach beyond the span, whose ends are whole minutes.
    A filled minute is flat at the last close with volume 0. What is missing before the first candle
    has no last close and what is missing after the last one may be still to come: neither is filled.
    Without a gap the result is a view, nothing is copied.

    Raises:
        MissingCandlesError: candles are missing at the start or the end, or anywhere under `GapPolicy.ERROR`.
    """
    first, last = np.searchsorted(candles.timestamp, [start_ms, end_ms])
    inside = candles.slice(int(first), int(last))
    _check_ends(inside, candles, start_ms, end_ms, symbol)
    missing = (end_ms - start_ms) // MINUTE_MS - len(inside)
    if missing == 0:
        return Prepared(inside)
    gaps = _gaps(inside)
    if policy is GapPolicy.ERROR:
        raise MissingCandlesError(
            f"{symbol}: {_count(missing, '1m candle')} missing in {_count(len(gaps), 'gap')}, the first"
            f" {_span_text(*gaps[0])}; expected none, as gaps: error asks for"
        )
    return Prepared(_filled(inside), missing, gaps)


def _check_ends(inside: Candles, candles: Candles, start_ms: int, end_ms: int, symbol: str) -> None:
    if end_ms <= start_ms:
        return
    asked = f"{symbol}: asked for {_span_text(start_ms, end_ms)}"
    there = _span_text(int(candles.timestamp[0]), int(candles.timestamp[-1]) + MINUTE_MS) if len(candles) else ""
    if len(inside) == 0:
        found = f"1m candles are only there for {there}" if there else "there are no 1m candles of it"
        raise MissingCandlesError(f"{asked}, {found}: all {_count((end_ms - start_ms) // MINUTE_MS, 'minute')} missing")
    at_start = (int(inside.timestamp[0]) - start_ms) // MINUTE_MS
    at_end = (end_ms - int(inside.timestamp[-1])) // MINUTE_MS - 1
    if at_start or at_end:
        sides = [(at_start, "start"), (at_end, "end")]
        first, *second = [(_count(minutes, "minute"), f"at the {side}") for minutes, side in sides if minutes]
        missing = " and ".join([f"{first[0]} missing {first[1]}", *(" ".join(part) for part in second)])
        raise MissingCandlesError(f"{asked}, 1m candles are there for {there}: {missing}")


def _gaps(candles: Candles) -> tuple[tuple[int, int], ...]:
    times = candles.timestamp
    before = np.flatnonzero(np.diff(times) > MINUTE_MS)
    return tuple(zip((times[before] + MINUTE_MS).tolist(), times[before + 1].tolist(), strict=True))


def _filled(candles: Candles) -> Candles:
    steps = np.diff(candles.timestamp, append=candles.timestamp[-1] + MINUTE_MS) // MINUTE_MS
    source = np.repeat(np.arange(len(candles)), steps)
    made_up = np.ones(len(source), dtype=np.bool_)
    made_up[np.cumsum(steps) - steps] = False
    last_close = candles.close[source]

    def flat(column: Floats) -> Floats:
        return np.where(made_up, last_close, column[source])

    return Candles.frozen(
        candles.timestamp[0] + MINUTE_MS * np.arange(len(source), dtype=np.int64),
        flat(candles.open),
        flat(candles.high),
        flat(candles.low),
        last_close,
        np.where(made_up, 0.0, candles.volume[source]),
    )


def _span_text(start_ms: int, end_ms: int) -> str:
    return f"{utc_text(start_ms)} – {utc_text(end_ms)}"  # noqa: RUF001 - an en dash is meant


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
