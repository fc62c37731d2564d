"""Rows of Python values, as drivers and authors give them, turned into columns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from backtestkit_cli.data.foreign.rows import Rows, shown
from backtestkit_cli.data.foreign.times import EXPECTED, whole_ms
from backtestkit_cli.domain.candle import NUMBERS, Candles, Floats, Times

Row: TypeAlias = Sequence[Any]
"""timestamp, open, high, low, close, volume, each of whatever type its maker gives it."""


def candles_of(values: Sequence[Row], rows: Rows) -> Candles:
    """Return *values* as columns, not yet checked; messages count them as *rows*.

    Raises:
        BadCandleError: a time or a number is none.
    """
    if not values:
        return Candles.empty()
    times, *numbers = zip(*values, strict=True)
    in_ms = times_of(times, rows)
    columns = [_numbers(column, name, in_ms, rows) for name, column in zip(NUMBERS, numbers, strict=True)]
    return Candles.frozen(in_ms, *columns)


def times_of(values: Sequence[Any], rows: Rows) -> Times:
    """Return *values* as Unix milliseconds: numbers or their texts, ISO 8601 texts, datetimes or dates; UTC by default.

    Raises:
        BadCandleError: one is none of these, or is written otherwise than the first.
    """
    column = _time_column(values)
    if column is None or column.dtype in {pl.Object, pl.Binary, pl.Null, pl.Boolean}:
        row = next((row for row, value in enumerate(values) if type(value) is not type(values[0])), 0)
        raise rows.mistake(row, f"column timestamp: {EXPECTED}, found {shown(values[row])}")
    return whole_ms(column, rows)


def _time_column(values: Sequence[Any]) -> pl.Series | None:
    """Return *values* as a column, None where they have no type in common."""
    kinds = set(map(type, values))
    if not any(issubclass(kind, np.generic) for kind in kinds):  # polars takes their unit for another
        try:
            if all(issubclass(kind, datetime) for kind in kinds):  # a tenth of the time that polars takes
                return pl.Series("timestamp", [_microseconds(value) for value in values]).cast(pl.Datetime("us"))
            return pl.Series("timestamp", values)
        except (TypeError, ValueError, OverflowError, PolarsError):  # such as whole numbers among others
            pass
    array = np.array(values, dtype=object if isinstance(values[0], str) else None)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[ns]")  # polars knows no seconds
    return pl.Series("timestamp", array) if array.dtype.kind in "iufM" else None


def _microseconds(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def _numbers(values: Sequence[Any], name: str, in_ms: Times, rows: Rows) -> Floats:
    try:
        numbers: Floats = np.array(values, dtype=np.float64)
    except (ValueError, TypeError, ArithmeticError):
        bad = [row for row, value in enumerate(values) if not _is_float(value)]
    else:
        # So None becomes; what is not a number is for the door.
        bad = [row for row in np.flatnonzero(np.isnan(numbers)).tolist() if values[row] is None]
        if not bad:
            return numbers
    row = bad[0] if bad else 0
    problem = f"column {name}: expected a number, found {shown(values[row])}"
    raise rows.mistake(row, problem, len(bad), at_ms=int(in_ms[row]))


def _is_float(value: Any) -> bool:  # noqa: ANN401 - a foreign value
    try:
        float(value)
    except (ValueError, TypeError, ArithmeticError):
        return False
    return True
