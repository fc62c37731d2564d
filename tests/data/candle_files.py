"""Candles for tests, and the files that hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS

START = 1_735_689_600_000  # 2025-01-01 00:00
COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
REAL_CANDLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "candles"


def a_market(count: int = 300, *, start: int = START, length_ms: int = MINUTE_MS, seed: int = 1) -> Candles:
    """Return *count* good candles of a random walk."""
    draws = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draws.normal(0, 0.001, count)))
    open_ = np.concatenate([[100.0], close[:-1]])
    return Candles.frozen(
        start + length_ms * np.arange(count, dtype=np.int64),
        open_,
        np.maximum(open_, close) * 1.001,
        np.minimum(open_, close) * 0.999,
        close,
        draws.lognormal(0, 1, count),
    )


def columns_of(candles: Candles) -> dict[str, Any]:
    """Return writable copies of the columns, by name."""
    return {name: getattr(candles, name).copy() for name in COLUMNS}


def without(candles: Candles, *rows: int) -> Candles:
    """Return *candles* but for some rows."""
    return Candles.frozen(**{name: np.delete(column, rows) for name, column in columns_of(candles).items()})


def changed(candles: Candles, row: int, **values: float) -> Candles:
    """Return *candles* with other *values* in one row; whoever wants it bad gets it bad."""
    columns = columns_of(candles)
    for name, value in values.items():
        columns[name][row] = value
    return Candles(**columns)


def frame_of(candles: Candles) -> pl.DataFrame:
    return pl.DataFrame(columns_of(candles))


def write_parquet(file: Path, candles: Candles) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame_of(candles).write_parquet(file)
    return file


def write_csv(file: Path, candles: Candles) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    frame_of(candles).write_csv(file)
    return file


def bytes_of(candles: Candles) -> list[bytes]:
    """Return the columns as bytes: equal means equal to the last bit."""
    return [getattr(candles, name).tobytes() for name in COLUMNS]
