"""CSV files of candles, plain or gzipped, parsed as a whole."""

from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from backtestkit_cli.data.files.table import Table, table_of
from backtestkit_cli.data.files.text_lines import Layout, layout_of, refuse_broken_line, text_errors
from backtestkit_cli.data.foreign.rows import Rows
from backtestkit_cli.domain.candle import COLUMNS, NUMBERS
from backtestkit_cli.errors import BadCandleError

_SHORT = "the line may be short"

# The kinds of times and of numbers, the quickest first; only text takes every way to write them.
_KINDS = ((pl.Int64(), pl.Float64()), (pl.String(), pl.Float64()), (pl.String(), pl.String()))


def read_csv(file: Path) -> Table:
    """Return all candles of *file*, not yet checked; messages count its lines.

    Raises:
        BadCandleError: the header is another, a line is broken, or a value is no number or time.
        MissingCandlesError: the file cannot be read, or holds no candle.
    """
    layout = layout_of(file)
    with text_errors(file):
        frames = (_frame(file, layout, *kinds) for kinds in _KINDS)
        frame = next((frame for frame in frames if frame is not None), None)
    if frame is None:
        refuse_broken_line(file, layout)
        raise _unreadable(file)
    broken = frame.select(pl.any_horizontal(pl.col(COLUMNS).is_null())).to_series()
    if broken.any():
        refuse_broken_line(file, layout, sound=int(broken.arg_true()[0]))
        raise _unreadable(file)
    if frame[_SHORT].any():
        refuse_broken_line(file, layout, sound=int(frame[_SHORT].arg_true()[0]))
    return table_of(frame, Rows(str(file), "line", layout.skipped + 1), layout.names["timestamp"])


def _unreadable(file: Path) -> BadCandleError:
    return BadCandleError(f"{file}: expected a CSV file of candles with a number in every column")


def _frame(file: Path, layout: Layout, times: pl.DataType, numbers: pl.DataType) -> pl.DataFrame | None:
    """Return our columns without blank lines at the end, numbers as doubles; None where *file* is not of these kinds.

    A last field that is missing or blank is marked, since a line that was cut off looks like that.
    """
    names = [f"ignored {place}" for place in range(layout.fields)]
    for column, place in layout.places.items():
        names[place] = column
    kinds = {"timestamp": times, **dict.fromkeys(NUMBERS, numbers)}
    # The header is skipped like any line: polars would want its exact spelling.
    scan = pl.scan_csv(
        file,
        glob=False,
        has_header=False,
        skip_lines=layout.skipped,
        separator=layout.separator,
        schema={name: kinds.get(name, pl.String()) for name in names},
    )
    columns = [pl.col(column) for column in COLUMNS]
    if isinstance(numbers, pl.String):
        columns = [pl.col(column).str.strip_chars().replace("", None) for column in COLUMNS]
        columns = [columns[0], *(column.cast(pl.Float64, strict=False) for column in columns[1:])]
    try:
        frame = scan.select(*columns, pl.col(names[-1]).is_null().alias(_SHORT)).collect()
    except (PolarsError, PanicException):
        return None
    while frame.height and all(value is None for value in frame.row(-1)[:-1]):
        frame = frame.head(-1)
    return frame
