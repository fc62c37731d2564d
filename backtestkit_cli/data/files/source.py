"""Candles from files: one of a symbol, or a folder of them."""

from pathlib import Path

import numpy as np

from backtestkit_cli.data.files.csv_table import read_csv
from backtestkit_cli.data.files.names import SUFFIXES, file_name, has_suffix
from backtestkit_cli.data.files.parquet_table import read_parquet, read_span
from backtestkit_cli.data.files.places import Place, Places
from backtestkit_cli.data.files.table import Table, interval_held_ms, interval_text
from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.errors import MissingCandlesError

_PARQUET = b"PAR1"
_ZIP = b"PK\x03\x04"


class CandleFiles(LocalSource):
    """A file of candles, or a folder of them, CSV or Parquet; see `Places` for how they are named.

    A CSV file is parsed once, as a whole, and kept. Of a Parquet file with times in Unix ms and
    numbers as doubles only the rows of the span are read, and nothing is remembered; any other is
    read like a CSV file. Candles that only a finer file has are aggregated from the whole of it.
    """

    is_synthetic = False

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        suffixes: tuple[str, ...] = SUFFIXES,
        symbol: str | None = None,
        interval: str | None = None,
    ) -> None:
        """Serve *path* under *name*; nothing is read yet.

        In a folder, files with one of *suffixes* are looked at, the first one first. *symbol* is what a
        single file holds; by default what it is named after. *interval* is what a file holds whose
        name does not say, and what a single file holds whatever its name says.
        """
        self.name = name
        self._places = Places(path, suffixes, symbol, interval)
        self._tables: dict[Path, Table] = {}
        self._checked: dict[tuple[Place, int], Candles] = {}

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`."""
        length_ms = interval_ms(interval)
        place = self._places.find(symbol, interval)
        if place.file not in self._tables and _is_parquet(place.file) and _says(place, length_ms):
            span = read_span(place.file, start_ms, end_ms, length_ms)
            if span is not None:
                return span
        return self._whole(place, interval).between(start_ms, end_ms)

    def _whole(self, place: Place, interval: str) -> Candles:
        """Return all candles of *interval* that the file has or that can be made of it, and keep them."""
        key = (place, interval_ms(interval))
        if key not in self._checked:
            table = self._tables.get(place.file)
            if table is None:
                table = self._tables[place.file] = _read(place.file)
            self._checked[key] = _candles_of(table, place, interval)
        return self._checked[key]


def read_candle_file(path: Path, *, interval: str | None = None) -> tuple[Candles, str]:
    """Return all candles of the file *path* of any format, once they pass the door, and their interval.

    The interval is the one given, else the one in the file's name, else the one that the times have; it is
    returned in its longest unit, `1h` for `60m`.

    Raises:
        BadCandleError: a row breaks a rule; nothing is returned of the others.
        MissingCandlesError: the file is not there or empty, or its candles are of another interval.
        UnknownNameError: *interval* is none.
    """
    if interval is not None:
        interval_ms(interval)
    table = _read(path)
    named = interval or file_name(path.name).interval
    if named:
        return table.checked(interval_ms(named), named), interval_text(interval_ms(named))
    held_ms = interval_held_ms(table.candles.timestamp)
    if held_ms is None:
        table.check(MINUTE_MS)
        raise MissingCandlesError(
            f"{path}: expected candles whose times show the interval, found {_steps_text(table.candles)};"
            " give the interval"
        )
    text = interval_text(held_ms)
    return table.checked(held_ms, text), text


def _says(place: Place, length_ms: int) -> bool:
    return place.interval is None or interval_ms(place.interval) == length_ms


def _candles_of(table: Table, place: Place, interval: str) -> Candles:
    length_ms = interval_ms(interval)
    if place.interval:
        part_ms, part = interval_ms(place.interval), place.interval
    else:
        held_ms = interval_held_ms(table.candles.timestamp)
        is_finer = held_ms is not None and held_ms < length_ms and length_ms % held_ms == 0
        part_ms, part = (held_ms, interval_text(held_ms)) if held_ms and is_finer else (length_ms, interval)
    parts = table.checked(part_ms, part)
    if part_ms == length_ms:
        return parts
    if length_ms % part_ms:
        raise MissingCandlesError(f"{place.file}: no {interval} candles; the file holds {part} candles")
    return aggregated(parts, length_ms, part_ms)


def _steps_text(candles: Candles) -> str:
    if len(candles) < 2:
        return "one candle"
    return f"candles {interval_text(int(np.median(np.diff(candles.timestamp))))} apart"


def _read(file: Path) -> Table:
    return read_parquet(file) if _is_parquet(file) else read_csv(file)


def _is_parquet(file: Path) -> bool:
    """Say whether *file* is read as Parquet: by its suffix, else by how it starts."""
    if has_suffix(file.name, (".parquet",)):
        return True
    start = _start_of(file)
    if start == _ZIP:
        raise MissingCandlesError(f"{file}: expected a file of candles, found a zip archive; unpack it first")
    return start == _PARQUET


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(4)
    except OSError as error:
        raise MissingCandlesError(f"{file}: cannot be read: {error.strerror or error}") from error
