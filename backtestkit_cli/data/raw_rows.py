"""Rows as drivers and authors give them, and the times in them: numbers, texts and datetimes of any unit."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from backtestkit_cli.domain.candle import Candles, Floats, Times
from backtestkit_cli.domain.interval import to_datetime, utc_text
from backtestkit_cli.errors import BadCandleError

Row: TypeAlias = Sequence[Any]
"""timestamp, open, high, low, close, volume, each of whatever type its maker gives it."""

_NAMES = ("open", "high", "low", "close", "volume")
# A number of the years 1973 to 5138 says its unit itself: the smallest of each, and units per second.
_UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 1000), (10**8, 1))
_SECONDS_FROM, _MS_FROM, _MS_END = 10**8, 10**11, 10**14


def time_of(value: object) -> int:
    """Return *value* as Unix milliseconds.

    It is a number of seconds, milli-, micro- or nanoseconds (or its text), an ISO 8601 text, a datetime
    or a date; UTC where it says nothing else.

    Raises:
        ValueError: it is none of these.
    """
    match value:
        case datetime():
            return round(_aware(value).timestamp() * 1000)
        case date():
            return time_of(datetime(value.year, value.month, value.day, tzinfo=UTC))
        case int() | float() | Decimal() if value >= _SECONDS_FROM:
            return round(value * 1000 / _per_second(value))
        case np.generic():
            return time_of(value.item())
        case str() if _is_number(value):
            return time_of(int(value))
        case str():
            return time_of(datetime.fromisoformat(value.strip()))
        case _:
            raise ValueError(f"expected a time, found {value!r}")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _per_second(number: float | Decimal) -> int:
    return next(per for smallest, per in _UNITS if number >= smallest)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) > 8  # eight digits are a date


def own_times(sample: object, start_ms: int, end_ms: int) -> tuple[object, object]:
    """Return `[start_ms, end_ms)` as values that a column with times like *sample* can be compared with.

    They may reach further, by up to two days where texts are compared.
    """
    match sample:
        case datetime():
            zone = UTC if sample.tzinfo else None
            return to_datetime(start_ms).replace(tzinfo=zone), to_datetime(end_ms).replace(tzinfo=zone)
        case date():
            return to_datetime(start_ms).date(), to_datetime(end_ms).date() + timedelta(days=1)
        case str() if _is_number(sample):
            first, end = own_times(int(sample), start_ms, end_ms)
            return str(first), str(end)
        case str():
            style = "%Y-%m-%d" if "-" in sample else "%Y%m%d"
            day = timedelta(days=1)
            return (to_datetime(start_ms) - day).strftime(style), (to_datetime(end_ms) + 2 * day).strftime(style)
        case int() | float() | Decimal():
            per_second = _per_second(sample)
            return start_ms * per_second // 1000, -(-end_ms * per_second // 1000)
        case _:
            raise ValueError(f"expected a time, found {sample!r}")


def candles_of(rows: Sequence[Row], where: str, first_row: int = 1) -> Candles:
    """Return *rows* as columns, not yet checked; the first of them counts as *first_row* in a message.

    Raises:
        BadCandleError: a time or a number is none.
    """
    if not rows:
        return Candles.empty()
    times, *numbers = zip(*rows, strict=True)
    try:
        columns = [np.array(column, dtype=np.float64) for column in numbers]
        stamps = _times(times)
    except (ValueError, TypeError, ArithmeticError):
        raise BadCandleError(_mistake(rows, where, first_row) or f"{where}: expected numbers") from None
    if any(np.isnan(column).any() for column in columns):  # so NULL becomes; what is not a number is for the door
        mistake = _mistake(rows, where, first_row)
        if mistake:
            raise BadCandleError(mistake)
    return Candles.frozen(stamps, *columns)


def joined(parts: Sequence[Candles]) -> Candles:
    """Return *parts* one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Candles.empty()

    def column(name: str) -> Floats:
        whole: Floats = np.concatenate([getattr(part, name) for part in parts])
        return whole

    return Candles.frozen(np.concatenate([part.timestamp for part in parts]), *(column(name) for name in _NAMES))


def _times(values: Sequence[Any]) -> Times:
    if type(values[0]) is int and _MS_FROM <= values[0] < _MS_END and {type(value) for value in values} == {int}:
        return np.array(values, dtype=np.int64)
    return np.array([time_of(value) for value in values], dtype=np.int64)


def _mistake(rows: Sequence[Row], where: str, first_row: int) -> str | None:
    """Return the first value of *rows* that is not as it must be; slow, for the message only."""
    for number, (time, *values) in enumerate(rows, first_row):
        try:
            at = utc_text(time_of(time))
        except (ValueError, ArithmeticError):
            return f"{where}: row {number}: column timestamp: expected a time, found {_shown(time)}"
        for name, value in zip(_NAMES, values, strict=True):
            if not _is_float(value):
                return f"{where}: row {number} ({at}): column {name}: expected a number, found {_shown(value)}"
    return None


def _is_float(value: Any) -> bool:  # noqa: ANN401 - a foreign value
    try:
        float(value)
    except (ValueError, TypeError, ArithmeticError):
        return False
    return True


def _shown(value: object) -> str:
    return "NULL" if value is None else repr(value)[:60]
