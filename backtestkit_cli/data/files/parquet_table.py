"""Parquet files of candles: the rows of a span, or all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from backtestkit_cli.data.files.columns import places_of, problem_of
from backtestkit_cli.data.files.table import Table, table_of
from backtestkit_cli.data.foreign.rows import Rows, shown
from backtestkit_cli.data.foreign.times import unit_of
from backtestkit_cli.domain.candle import COLUMNS, NUMBERS, Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.errors import BadCandleError, MissingCandlesError

_ROW = "row number in file"
_USUAL = {"timestamp": pl.Int64(), **dict.fromkeys(NUMBERS, pl.Float64())}


def read_parquet(file: Path) -> Table:
    """Return all candles of *file*, not yet checked.

    Raises:
        BadCandleError: the file is no Parquet, its columns are others, or a value is no number or time.
        MissingCandlesError: the file cannot be read, or holds no row.
    """
    with _polars_errors(file):
        scan, names = _scan(file)
        frame = scan.select(COLUMNS).collect()
    rows = Rows(str(file))
    for name in NUMBERS:
        frame = frame.with_columns(_numbers(frame[name], names[name], rows))
    return table_of(frame, rows, names["timestamp"])


def read_span(file: Path, start_ms: int, end_ms: int, length_ms: int) -> Candles | None:
    """Return the checked candles that open in `[start_ms, end_ms)`; polars leaves row groups outside of it unread.

    None where only a look at the whole file tells if it is sound, or what it holds: its times are no
    whole milliseconds, its numbers no doubles, or the rows of the span do not show that their
    interval is *length_ms*.

    Raises:
        BadCandleError: a row of the span breaks a rule of the door, or as in `read_parquet`.
        MissingCandlesError: the file cannot be read.
    """
    with _polars_errors(file):
        scan, _ = _scan(file)
        schema = scan.collect_schema()
        if any(schema[name] != kind for name, kind in _USUAL.items()):
            return None
        opens = pl.col("timestamp")
        frame = scan.filter((opens >= start_ms) & (opens < end_ms)).collect()
    if frame.height < 2 or int(frame[_ROW][-1]) - int(frame[_ROW][0]) + 1 != frame.height:
        return None
    times = frame["timestamp"].to_numpy()
    if unit_of(float(times[0])) != "milliseconds" or int(np.diff(times).min()) != length_ms:
        return None
    candles = Candles.frozen(times, *(frame[name].to_numpy() for name in NUMBERS))
    check(candles, length_ms, str(file), first_row=int(frame[_ROW][0]) + 1)
    return candles


def _scan(file: Path) -> tuple[pl.LazyFrame, dict[str, str]]:
    """Return our columns of *file* under our names and beside their row, and what the file calls them."""
    # glob=False: a folder may be called `[old]`.
    scan = pl.scan_parquet(file, glob=False, row_index_name=_ROW)
    schema = scan.collect_schema()
    found = [name for name in schema if name != _ROW]
    problem = problem_of(found)
    if problem:
        raise BadCandleError(
            f"{file}: expected the columns {', '.join(COLUMNS)}; {problem}, found {', '.join(found) or 'none'}"
        )
    names = {column: found[place] for column, place in places_of(found).items()}
    _check_kinds(schema, names, file)
    return scan.select(_ROW, *(pl.col(names[column]).alias(column) for column in COLUMNS)), names


def _check_kinds(schema: pl.Schema, names: dict[str, str], file: Path) -> None:
    wrong = [
        f"{name} {schema[name]}"
        for column, name in names.items()
        if not (
            schema[name].is_numeric()
            or isinstance(schema[name], pl.String)
            or (column == "timestamp" and isinstance(schema[name], pl.Datetime | pl.Date))
        )
    ]
    if wrong:
        raise BadCandleError(
            f"{file}: expected the time as a number, a datetime or text and {', '.join(NUMBERS)} as numbers or text,"
            f" found {', '.join(wrong)}"
        )


def _numbers(column: pl.Series, name: str, rows: Rows) -> pl.Series:
    """Return *column* as doubles; a missing value is NaN, for the door to refuse."""
    text = column.str.strip_chars() if isinstance(column.dtype, pl.String) else column
    numbers = text.cast(pl.Float64, strict=False)
    bad = numbers.is_null() & column.is_not_null()
    if bad.any():
        row = int(bad.arg_true()[0])
        raise rows.mistake(row, f"column {name}: expected a number, found {shown(column[row])}", int(bad.sum()))
    return numbers


@contextmanager
def _polars_errors(file: Path) -> Iterator[None]:
    """Turn what polars and the file system say of *file* into our errors, one line each."""
    try:
        yield
    except OSError as error:
        raise MissingCandlesError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (PolarsError, PanicException) as error:
        found = next(iter(str(error).splitlines()), "nothing")
        raise BadCandleError(f"{file}: expected a Parquet file of candles, found: {found}") from error
