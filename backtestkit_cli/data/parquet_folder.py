"""Candles from a folder of Parquet files, `<symbol>/<interval>.parquet`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, UnknownNameError, suggestion

_NUMBERS = ("open", "high", "low", "close", "volume")
_USUAL = {"timestamp": pl.Int64(), **dict.fromkeys(_NUMBERS, pl.Float64())}
_ROW = "row number in file"
_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}


class ParquetFolder(LocalSource):
    """One exchange folder; its files have the columns timestamp (of the open), open, high, low, close, volume.

    Only the rows of the span are kept and pass the door; polars leaves row groups outside of it
    unread. Nothing is remembered from one call to the next.
    """

    is_synthetic = False

    def __init__(self, path: Path, name: str) -> None:
        """Serve the folder *path* under *name*; nothing is read yet."""
        self.name = name
        self._path = path

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`."""
        length_ms = interval_ms(interval)
        file = self._file(symbol, interval)
        with _polars_errors(file):
            # glob=False: a folder may be called `[old]`.
            scan = pl.scan_parquet(file, glob=False, row_index_name=_ROW)
            schema = scan.collect_schema()
            _check_columns(schema, file)
            if all(schema[name] == kind for name, kind in _USUAL.items()):
                candles = _read_span(scan, file, (start_ms, end_ms), length_ms)
                if candles is not None:
                    return candles
            candles = _read_whole(scan, file, length_ms)
        first, last = np.searchsorted(candles.timestamp, [start_ms, end_ms])
        return candles.slice(int(first), int(last))

    def _file(self, symbol: str, interval: str) -> Path:
        if not self._path.is_dir():
            raise MissingCandlesError(f"{self._path}: expected a folder of <symbol>/<interval>.parquet, found none")
        symbols = sorted(entry.name for entry in self._path.iterdir() if entry.is_dir())
        if not symbols:
            raise MissingCandlesError(f"{self._path}: expected folders <symbol>/<interval>.parquet, found no symbol")
        if symbol not in symbols:
            raise MissingCandlesError(f"{self._path}: no candles of {symbol!r}{suggestion(symbol, symbols)}")
        file = self._path / symbol / f"{interval}.parquet"
        if not file.is_file():
            there = sorted((entry.stem for entry in file.parent.glob("*.parquet")), key=_interval_order)
            found = ", ".join(there) if there else "no Parquet file"
            raise MissingCandlesError(f"{file.parent}: no {interval} candles of {symbol}; there: {found}")
        return file


def _interval_order(interval: str) -> tuple[float, str]:
    try:
        return interval_ms(interval), interval
    except UnknownNameError:
        return float("inf"), interval


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


def _check_columns(schema: pl.Schema, file: Path) -> None:
    missing = ", ".join(name for name in _USUAL if name not in schema)
    if missing:
        found = ", ".join(name for name in schema if name != _ROW)
        raise BadCandleError(f"{file}: expected the columns {', '.join(_USUAL)}; {missing} missing, found {found}")
    kind = schema["timestamp"]
    wrong = [f"{name} {schema[name]}" for name in _NUMBERS if not schema[name].is_numeric()]
    if not (kind.is_numeric() or isinstance(kind, pl.Datetime | pl.Date)):
        wrong.insert(0, f"timestamp {kind}")
    if wrong:
        raise BadCandleError(
            f"{file}: expected timestamp as Int64 (Unix ms) or Datetime and {', '.join(_NUMBERS)} as Float64,"
            f" found {', '.join(wrong)}"
        )


def _read_span(scan: pl.LazyFrame, file: Path, span: tuple[int, int], length_ms: int) -> Candles | None:
    """Return the candles of the span, or None where only a look at the whole file tells if it is sound."""
    opens = pl.col("timestamp")
    frame = scan.select(_ROW, *_USUAL).filter((opens >= span[0]) & (opens < span[1])).collect()
    if frame.height == 0:
        return None
    first, last = int(frame[_ROW][0]), int(frame[_ROW][-1])
    if last - first + 1 != frame.height:
        return None
    candles = _to_candles(frame)
    check(candles, length_ms, str(file), first_row=first + 1)
    return candles


def _read_whole(scan: pl.LazyFrame, file: Path, length_ms: int) -> Candles:
    frame = scan.select(*_USUAL).collect()
    if frame.height == 0:
        raise MissingCandlesError(f"{file}: expected candles, found no row")
    frame = frame.with_columns(_whole_ms(frame["timestamp"], file), pl.col(_NUMBERS).cast(pl.Float64))
    candles = _to_candles(frame)
    check(candles, length_ms, str(file))
    return candles


def _whole_ms(times: pl.Series, file: Path) -> pl.Series:
    """Return *times* as whole Unix milliseconds; datetimes are taken as the instant they are in UTC."""
    kind = times.dtype
    if isinstance(kind, pl.Date):
        return times.cast(pl.Datetime("ms")).cast(pl.Int64)
    if isinstance(kind, pl.Datetime):
        raw = times.cast(pl.Int64)
        per_ms = _PER_MS[kind.time_unit]
        whole = raw // per_ms
        lossless = raw % per_ms == 0
    else:
        whole = times.cast(pl.Int64, strict=False)
        lossless = whole.cast(kind, strict=False) == times
    bad = ~lossless.fill_null(value=False)
    if bad.any():
        row = int(bad.arg_true()[0])
        found = "no value" if times[row] is None else times[row]
        more = f"; {bad.sum():,} bad rows in all" if bad.sum() > 1 else ""
        raise BadCandleError(f"{file}: row {row + 1}: expected a time in whole milliseconds, found {found}{more}")
    return whole


def _to_candles(frame: pl.DataFrame) -> Candles:
    return Candles.frozen(frame["timestamp"].to_numpy(), *(frame[name].to_numpy() for name in _NUMBERS))
