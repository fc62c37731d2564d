"""Any candle file or folder, read as it is: nothing is checked, for a venue may have bad candles."""

import re
from pathlib import Path

import numpy as np
import polars as pl

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.errors import UnknownNameError

_SUFFIXES = {".parquet", ".csv"}


def candle_files(path: Path) -> dict[str, dict[str, Path]]:
    """Return the files at *path* by symbol and interval.

    *path* is one file, or a folder of `<symbol>/<interval>.parquet` (or .csv) and `<symbol>.parquet` (or .csv).
    Of a file whose name tells no interval, the candles do.
    """
    if path.is_file():
        return {re.split(r"[-_.]", path.name, maxsplit=1)[0]: {_interval_within(path): path}}
    found = {folder.name: _by_interval(folder) for folder in sorted(path.glob("*/"))}
    for file in _files(path):
        found.setdefault(file.stem, {})[_interval_within(file)] = file
    return {symbol: files for symbol, files in found.items() if files}


def read_candles(file: Path) -> Candles:
    """Return all candles of *file*; times that are no numbers of Unix milliseconds are datetimes."""
    frame = pl.read_csv(file) if file.suffix == ".csv" else pl.read_parquet(file)
    frame = frame.rename(str.strip).rename(str.lower)
    times = frame["timestamp"]
    if times.dtype.is_temporal():
        times = times.cast(pl.Datetime("ms"))
    prices = (frame[name].cast(pl.Float64).to_numpy() for name in ("open", "high", "low", "close", "volume"))
    return Candles.frozen(times.cast(pl.Int64).to_numpy(), *prices)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES)


def _by_interval(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in _files(folder) if _is_interval(file.stem)}


def _is_interval(text: str) -> bool:
    try:
        interval_ms(text)
    except UnknownNameError:
        return False
    return True


def _interval_within(file: Path) -> str:
    steps_ms = np.diff(read_candles(file).timestamp)
    return f"{int(np.median(steps_ms)) // MINUTE_MS if len(steps_ms) else 1}m"
