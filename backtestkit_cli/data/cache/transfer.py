"""Candles brought into the cache from elsewhere, and taken out of it."""

import gzip
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey
from backtestkit_cli.data.cache.partition import gaps_in
from backtestkit_cli.data.cache.series import united
from backtestkit_cli.domain.candle import COLUMNS, Candles, Times
from backtestkit_cli.domain.door import TIME_LIMIT_MS, check
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.spans import Span, without
from backtestkit_cli.errors import BadCandleError, ConfigError, MissingCandlesError, OutputError


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to: `added` candles, `same` ones that were there, `replaced` ones, `unclosed` ones left out.

    `gaps` (half-open, Unix ms) is where neither the import nor the cache has candles.
    """

    key: SeriesKey
    span: Span
    added: int
    same: int
    replaced: int
    unclosed: int
    gaps: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to; `gaps` have no candles at the source, `uncovered` is not cached (half-open, Unix ms)."""

    key: SeriesKey
    path: Path
    candles: int
    gaps: tuple[Span, ...]
    uncovered: tuple[Span, ...]


async def import_candles(
    folder: CacheFolder,
    key: SeriesKey,
    candles: Candles,
    *,
    now_ms: int,
    replace: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Add *candles*, which have passed the door, to a series; it then covers all from the first to the last of them.

    Candles that are not closed at *now_ms* are left out. A candle the cache has where *candles* have a
    gap stays. A *dry_run* changes nothing, and says or raises what the import would.

    Raises:
        BadCandleError: the cache has another candle at the same time, and *replace* is not set.
        MissingCandlesError: there is nothing to add.
        StorageError: a file cannot be written.
        DataError: a file of the series is damaged, of a newer version, or cannot be read.
    """
    series = folder.series(key.exchange, key.symbol, key.interval)
    length_ms = series.length_ms
    check(candles, length_ms, f"import of {key}", row_word="candle")
    closed = candles.slice(0, int(np.searchsorted(candles.timestamp, now_ms - length_ms, side="right")))
    if len(closed) == 0:
        raise MissingCandlesError(f"import of {key}: expected closed candles, found none")
    span = int(closed.timestamp[0]), int(closed.timestamp[-1]) + length_ms
    async with nullcontext() if dry_run else series.locked():
        held = series.read(*span).candles
        _, ours, theirs = np.intersect1d(closed.timestamp, held.timestamp, assume_unique=True, return_indices=True)
        pairs = [(getattr(closed, name)[ours], getattr(held, name)[theirs]) for name in COLUMNS]
        differing = np.flatnonzero(np.logical_or.reduce([our != their for our, their in pairs]))
        if len(differing) and not replace:
            raise BadCandleError(_contradiction(key, closed, held, (ours[differing], theirs[differing])))
        is_new = without([span], series.covered(*span)) or len(ours) < len(closed) or len(differing)
        if is_new and not dry_run:
            series.add(closed, [span], new_wins=replace)
        gaps = gaps_in(united([held, closed]), [span], length_ms)
    same = len(ours) - len(differing)
    return Imported(key, span, len(closed) - len(ours), same, len(differing), len(candles) - len(closed), gaps)


def export(folder: CacheFolder, key: SeriesKey, span: Span, path: Path) -> Exported:
    """Write what the cache has of *span* (half-open, Unix ms) to *path*, in one step: `.csv`, `.csv.gz` or `.parquet`.

    The columns are timestamp (of the open, Unix ms), open, high, low, close, volume; equal candles give
    equal bytes, and reading them back gives equal candles.

    Raises:
        ConfigError: *path* ends otherwise.
        MissingCandlesError: the cache has no candle of the span.
        DataError: a file is damaged, of a newer version, or cannot be read.
        OutputError: *path* cannot be written.
    """
    series = folder.series(key.exchange, key.symbol, key.interval)
    encode = next((encoder for ending, encoder in _ENCODERS.items() if path.name.lower().endswith(ending)), None)
    if encode is None:
        raise ConfigError(f"{path}: expected a name that ends in {', '.join(_ENCODERS)}")
    span = series.whole(*span)
    stored = series.read(*span)
    if len(stored.candles) == 0:
        is_bounded = span[1] < TIME_LIMIT_MS
        dates = f" of {utc_text(span[0])} – {utc_text(span[1])}" if is_bounded else ""  # noqa: RUF001 - an en dash
        raise MissingCandlesError(f"{key}: no candles{dates} in the cache {folder.root}")
    frame = pl.DataFrame({name: getattr(stored.candles, name) for name in COLUMNS})
    try:
        write_bytes(path, encode(frame))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    return Exported(key, path, frame.height, stored.gaps, without([span], stored.covered))


def _contradiction(key: SeriesKey, ours: Candles, theirs: Candles, rows: tuple[Times, Times]) -> str:
    """Return what to say of the pairs of *rows* at which two candles of one time differ."""
    own, other = ours[int(rows[0][0])], theirs[int(rows[1][0])]
    name = next(name for name in COLUMNS if getattr(own, name) != getattr(other, name))
    count = len(rows[0])
    more = f"; {count:,} candles differ in all" if count > 1 else ""
    return (
        f"import of {key}: the candle of {utc_text(own.timestamp)} has {name} {getattr(own, name)!r},"
        f" the cache has {getattr(other, name)!r}{more}; expected equal ones (--replace lets the import win)"
    )


def _csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


def _zipped_csv(frame: pl.DataFrame) -> bytes:
    return gzip.compress(_csv(frame), mtime=0)


def _parquet(frame: pl.DataFrame) -> bytes:
    content = BytesIO()
    frame.write_parquet(content, compression="zstd")
    return content.getvalue()


_ENCODERS: dict[str, Callable[[pl.DataFrame], bytes]] = {".csv": _csv, ".csv.gz": _zipped_csv, ".parquet": _parquet}
