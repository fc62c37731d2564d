"""Candles from one CSV file, or from a folder of them."""

import csv
import re
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import Candles, Times
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, interval_ms
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, suggestion

_NUMBERS = ("open", "high", "low", "close", "volume")
_KINDS = {"timestamp": pl.Int64(), **dict.fromkeys(_NUMBERS, pl.Float64())}
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)


class CsvFiles(LocalSource):
    """A CSV file of one symbol, or a folder of `<symbol>.csv` and `<symbol>/<interval>.csv`.

    The first line names the columns: timestamp (of the open, Unix ms), open, high, low, close, volume,
    in any order and case, others are ignored. A file is parsed once, as a whole, and kept.
    """

    is_synthetic = False

    def __init__(self, path: Path, name: str, symbol: str | None = None) -> None:
        """Serve *path* under *name*; nothing is read yet.

        *symbol* is what a single file holds; by default its file name up to the first `-`, `_` or `.`.
        """
        self.name = name
        self._path = path
        self._symbol = symbol or re.split(r"[-_.]", path.name, maxsplit=1)[0]
        self._parsed: dict[Path, Candles] = {}

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`."""
        length_ms = interval_ms(interval)
        file = self._file(symbol, interval)
        if file not in self._parsed:
            self._parsed[file] = _read(file)
        candles = self._parsed[file]
        _check(candles, length_ms, file)
        first, last = np.searchsorted(candles.timestamp, [start_ms, end_ms])
        return candles.slice(int(first), int(last))

    def _file(self, symbol: str, interval: str) -> Path:
        if self._path.is_file():
            if symbol != self._symbol:
                raise MissingCandlesError(f"{self._path}: no candles of {symbol!r}; the file holds {self._symbol!r}")
            return self._path
        if not self._path.is_dir():
            raise MissingCandlesError(f"{self._path}: expected a CSV file or a folder of them, found none")
        nested = self._path / symbol / f"{interval}.csv"
        plain = self._path / f"{symbol}.csv"
        names = {entry.name for entry in self._path.iterdir()}
        if symbol in names and nested.is_file():
            return nested
        if plain.name in names:
            return plain
        raise MissingCandlesError(self._absent(symbol, interval, names))

    def _absent(self, symbol: str, interval: str, names: set[str]) -> str:
        if symbol in names:
            folder = self._path / symbol
            there = ", ".join(sorted(file.stem for file in folder.glob("*.csv"))) or "no CSV file"
            return f"{folder}: no {interval} candles of {symbol}; there: {there}"
        symbols = {name.removesuffix(".csv") for name in names if name.endswith(".csv")}
        symbols |= {name for name in names if (self._path / name).is_dir()}
        if not symbols:
            return f"{self._path}: expected <symbol>.csv or <symbol>/<interval>.csv, found no such file"
        return f"{self._path}: no candles of {symbol!r}{suggestion(symbol, symbols)}"


def _check(candles: Candles, length_ms: int, file: Path) -> None:
    """Refuse candles that break a rule of the door, and good ones of another interval."""
    held_ms = _other_interval(candles.timestamp, length_ms)
    check(candles, MINUTE_MS if held_ms else length_ms, str(file), first_row=2, row_word="line")
    if held_ms:
        raise MissingCandlesError(f"{file}: no {_text(length_ms)} candles; the file holds {_text(held_ms)} candles")


def _other_interval(times: Times, length_ms: int) -> int | None:
    """Return the interval that *times* have if it cannot be *length_ms*, else None.

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


def _text(length_ms: int) -> str:
    unit, unit_ms = next((u, ms) for u, ms in (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS)) if length_ms % ms == 0)
    return f"{length_ms // unit_ms}{unit}"


def _read(file: Path) -> Candles:
    """Return all candles of *file*, not yet checked; its second line is the first of them."""
    try:
        header = _read_header(file)
        frame = _read_rows(file, header)
        if frame is None:
            raise BadCandleError(_first_mistake(file, header) or f"{file}: expected a number in every column")
    except OSError as error:
        raise MissingCandlesError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadCandleError(f"{file}: expected a CSV file of candles, found: {error}") from error
    if frame.height == 0:
        raise MissingCandlesError(f"{file}: expected candles below the header, found none")
    return Candles.frozen(frame["timestamp"].to_numpy(), *(frame[name].to_numpy() for name in _NUMBERS))


def _read_header(file: Path) -> list[str]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = [name.strip().lower() for name in next(csv.reader(lines), [])]
    missing = [name for name in _KINDS if name not in header]
    twice = [name for name in _KINDS if header.count(name) > 1]
    if missing or twice:
        problem = f"{', '.join(missing)} missing" if missing else f"{', '.join(twice)} twice"
        found = ",".join(header)[:100] or "a blank line"
        raise BadCandleError(f"{file}: line 1: expected the header {','.join(_KINDS)}; {problem}, found {found}")
    return header


def _read_rows(file: Path, header: list[str]) -> pl.DataFrame | None:
    """Return our columns without blank lines at the end, or None where a field is not a number."""
    names = [name if name in _KINDS else f"ignored {place}" for place, name in enumerate(header)]
    schema = {name: _KINDS.get(name, pl.String()) for name in names}
    # The header is skipped like any line: polars would want its exact spelling.
    scan = pl.scan_csv(file, glob=False, has_header=False, skip_lines=1, schema=schema).select(*_KINDS)
    try:
        frame = scan.collect()
    except (PolarsError, PanicException):
        return None
    while frame.height and all(value is None for value in frame.row(-1)):
        frame = frame.head(-1)
    return None if any(frame.null_count().row(0)) else frame


def _first_mistake(file: Path, header: list[str]) -> str | None:
    """Return the first line and column of *file* that is not as it must be; slow, for the message only."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        next(reader)
        for fields in reader:
            problem = _mistake(fields, header)
            if problem:
                return f"{file}: line {reader.line_num}: {problem}"
    return None


def _mistake(fields: list[str], header: list[str]) -> str | None:
    if len(fields) != len(header):
        return f"expected {len(header)} fields, found {len(fields) or 'a blank line'}"
    for name, field in zip(header, fields, strict=True):
        if name == "timestamp" and not _WHOLE.fullmatch(field.strip()):
            return f"column timestamp: expected whole Unix milliseconds, found {field!r}"
        if name in _NUMBERS and not _NUMBER.fullmatch(field.strip()):
            return f"column {name}: expected a number, found {field!r}"
    return None
