"""Times as others write them, turned into whole Unix milliseconds.

A column of numbers is in seconds, ms, us or ns; which one shows in their size, because candles are
of 1980 to 2100: no number is such a time in two of these units. One between two units is ambiguous and
refused, as is a column that mixes units.
"""

import re
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from backtestkit_cli.data.foreign.rows import Rows, shown
from backtestkit_cli.domain.candle import Times
from backtestkit_cli.domain.interval import to_ms

_FIRST_S, _END_S = 315_532_800, 4_102_444_800  # 1980 and 2100
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_PER_MS = {"ms": 1, "us": 10**3, "ns": 10**6}
EXPECTED = "expected a time of 1980 to 2100 in Unix seconds, ms, us or ns, or as ISO 8601"

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?:(?P<between>[T ])\d\d:\d\d(?P<seconds>:\d\d(?P<fraction>\.\d{1,3}0*)?)?"
    r"(?P<zone>Z| ?UTC|[+-]\d\d(?::?\d\d)?)?)?"
)

_Numbers: TypeAlias = Times | npt.NDArray[np.float64]


def is_time(text: str) -> bool:
    """Say whether *text* is written like a time; the time itself may be impossible."""
    return bool(_NUMBER.fullmatch(text) or _ISO.fullmatch(text))


def unit_of(number: float) -> str | None:
    """Return the unit in which *number* is a time of 1980 to 2100."""
    units = (unit for unit, per in PER_SECOND.items() if _FIRST_S * per <= number < _END_S * per)
    return next(units, None)


def whole_ms(column: pl.Series, rows: Rows) -> Times:
    """Return the times of *column* as Unix milliseconds; what names no zone is taken as UTC.

    Raises:
        BadCandleError: a value is no time, not in the unit of the others, or not a whole millisecond.
    """
    kind = column.dtype
    if isinstance(kind, pl.String):
        return _from_text(column, rows)
    if isinstance(kind, pl.Date):
        column = column.cast(pl.Datetime("ms"))
    elif not isinstance(kind, pl.Datetime):
        numbers = column.cast(pl.Int64 if kind.is_integer() else pl.Float64, strict=False)
        return _from_numbers(numbers, column, rows)
    per_ms = _PER_MS[column.dtype.time_unit] if isinstance(column.dtype, pl.Datetime) else 1
    raw = column.cast(pl.Int64)
    _refuse_bad((raw % per_ms == 0).fill_null(value=False), column, rows)
    return (raw // per_ms).to_numpy()


def _from_text(column: pl.Series, rows: Rows) -> Times:
    text = column.str.strip_chars()
    filled = text.drop_nulls()
    if len(filled) and _NUMBER.fullmatch(str(filled[0])):
        whole = text.cast(pl.Int64, strict=False)
        return _from_numbers(whole if not whole.null_count() else text.cast(pl.Float64, strict=False), column, rows)
    return _from_iso(text, rows)


def _from_numbers(column: pl.Series, found: pl.Series, rows: Rows) -> Times:
    """Return the numbers of *column* as milliseconds; *found* is what the file says."""
    missing = column.is_null()
    if missing.any():
        row = int(missing.arg_true()[0])
        raise rows.mistake(row, f"column {column.name}: {EXPECTED}, found {shown(found[row])}", int(missing.sum()))
    numbers: _Numbers = column.to_numpy()
    unit = _unit_of_all(numbers, found, rows)
    per_second = PER_SECOND[unit]
    if numbers.dtype == np.int64:
        if per_second <= 1000:
            return numbers.astype(np.int64, copy=False) * (1000 // per_second)
        per_ms = per_second // 1000
        _refuse_bad(pl.Series(numbers % per_ms == 0), found, rows)
        return (numbers // per_ms).astype(np.int64, copy=False)
    in_ms = numbers * (1000 / per_second)
    rounded = np.round(in_ms)
    _refuse_bad(pl.Series(np.abs(in_ms - rounded) < 1e-3), found, rows)  # doubles near now lie 0.0002 ms apart
    return rounded.astype(np.int64)


def _unit_of_all(numbers: _Numbers, found: pl.Series, rows: Rows) -> str:
    """Return the unit of most *numbers*, once all of them are in it."""
    if len(numbers) == 0:
        return "milliseconds"
    unit = unit_of(float(numbers.min()))
    if unit and unit == unit_of(float(numbers.max())):
        return unit
    unit = unit_of(float(np.partition(numbers, len(numbers) // 2)[len(numbers) // 2]))
    if unit is None:
        row = next((row for row, number in enumerate(numbers) if unit_of(float(number)) is None), 0)
        raise rows.mistake(row, f"column {found.name}: {EXPECTED}, found {shown(found[row])}")
    per = PER_SECOND[unit]
    bad = ~((numbers >= _FIRST_S * per) & (numbers < _END_S * per))
    row = int(np.argmax(bad))
    other = unit_of(float(numbers[row]))
    hint = f" (in {other})" if other else ""
    problem = f"column {found.name}: expected Unix {unit} as in most {rows.word}s, found {shown(found[row])}{hint}"
    raise rows.mistake(row, problem, int(np.count_nonzero(bad)))


def _from_iso(text: pl.Series, rows: Rows) -> Times:
    """Return ISO times: at once where all are written like the first, else one by one."""
    first = next((_ISO.fullmatch(str(value)) for value in text.head(1)), None)
    if first:
        moments = text.str.to_datetime(_format_like(first), time_unit="ns", strict=False).cast(pl.Int64)
        if not moments.null_count() and (moments % 10**6 == 0).all():
            return (moments // 10**6).to_numpy()
    times = np.empty(len(text), dtype=np.int64)
    for row, value in enumerate(text):
        found = _iso_ms(value or "")
        if found is None:
            raise rows.mistake(row, f"column {text.name}: {EXPECTED}, found {shown(value)}")
        times[row] = found
    return times


def _format_like(first: re.Match[str]) -> str:
    if first["between"] is None:
        return "%Y-%m-%d"
    seconds = "" if first["seconds"] is None else ":%S%.f" if first["fraction"] else ":%S"
    zone = first["zone"] or ""
    return f"%Y-%m-%d{first['between']}%H:%M{seconds}{'%#z' if zone[:1] in {'+', '-'} else zone}"


def _iso_ms(text: str) -> int | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return to_ms(datetime.fromisoformat(text.removesuffix("UTC").rstrip()))
    except ValueError:  # written well, and no day of the calendar
        return None


def _refuse_bad(good: pl.Series, found: pl.Series, rows: Rows) -> None:
    if good.all():
        return
    row = int((~good).arg_true()[0])
    problem = f"column {found.name}: expected a time in whole milliseconds, found {shown(found[row])}"
    raise rows.mistake(row, problem, int((~good).sum()))
