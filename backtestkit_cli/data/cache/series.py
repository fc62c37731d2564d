"""All candles of one exchange, symbol and interval: a folder of months that processes share."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backtestkit_cli.data.cache.locking import only_writer
from backtestkit_cli.data.cache.months import file_name, month_named, months_between
from backtestkit_cli.data.cache.partition import (
    DamagedFileError,
    MonthFacts,
    promised,
    read_facts,
    read_month,
    read_rows,
    write_month,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.domain.spans import Span, clipped, merged, total_ms, without
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, StorageError

_SUFFIX = ".damaged"


@dataclass(frozen=True, slots=True)
class Stored:
    """What a series has of a span: the `gaps` are the `covered` spans (half-open, Unix ms) without candles."""

    candles: Candles
    covered: tuple[Span, ...]
    gaps: tuple[Span, ...]


class SeriesFolder:
    """One folder of `<YYYY-MM>.parquet`. Reading takes no lock; whoever writes is inside of `locked()`.

    Spans are half-open, in Unix milliseconds. Nothing is remembered from one call to the next, because
    another process may write at any time.
    """

    def __init__(self, path: Path, interval: str) -> None:
        """Serve *path*, which need not exist, as candles of *interval*."""
        self.path = path
        self.interval = interval
        self.length_ms = interval_ms(interval)

    def whole(self, start_ms: int, end_ms: int) -> Span:
        """Return the span from the first candle that opens in `[start_ms, end_ms)` to the end of the last one."""
        return -(-start_ms // self.length_ms) * self.length_ms, -(-end_ms // self.length_ms) * self.length_ms

    def files(self, start_ms: int, end_ms: int) -> list[Path]:
        """Return the files of the months that `[start_ms, end_ms)` touches, oldest first."""
        months = {name: month for name in self._names() if (month := month_named(name)) is not None}
        return [self.path / name for name, month in sorted(months.items()) if month[0] < end_ms and start_ms < month[1]]

    def all_files(self) -> list[Path]:
        """Return the file of every month, oldest first."""
        return [self.path / name for name in sorted(self._names()) if month_named(name) is not None]

    def covered(self, start_ms: int, end_ms: int) -> tuple[Span, ...]:
        """Return what of the span the source has answered, candles or not.

        Raises:
            DataError: a file is damaged, of a newer version, or cannot be read.
        """
        facts = self._facts(self.files(start_ms, end_ms))
        return clipped((span for month in facts for span in month.covered), start_ms, end_ms)

    def gaps(self, start_ms: int, end_ms: int) -> tuple[Span, ...]:
        """Return where in the covered part of the span the source has no candles; errors as `covered`."""
        facts = self._facts(self.files(start_ms, end_ms))
        return clipped((span for month in facts for span in month.gaps), start_ms, end_ms)

    def read(self, start_ms: int, end_ms: int, *, ignored: Collection[Path] = ()) -> Stored:
        """Return the candles that open in the span, as far as they are here; files in *ignored* count as absent.

        Raises:
            DamagedFileError: a file is not what was written.
            NewerFileError: a file was written by a newer version.
            MissingCandlesError: a file cannot be read.
            BadCandleError: the candles are what was written, and break a rule of the door.
        """
        start_ms, end_ms = self.whole(start_ms, end_ms)
        files = [file for file in self.files(start_ms, end_ms) if file not in ignored]
        if not files or end_ms <= start_ms:
            return Stored(Candles.empty(), (), ())
        stored = self._read_quickly(files, start_ms, end_ms)
        return self._read_carefully(files, start_ms, end_ms) if stored is None else stored

    def add(self, candles: Candles, covered: Sequence[Span], *, new_wins: bool = False) -> None:
        """Merge *candles*, sorted and within the spans *covered*, into the months; call it inside of `locked()`.

        Of two candles at the same time the stored one stays, unless *new_wins*.

        Raises:
            StorageError: a file cannot be written; what was there is intact.
            DataError: a file that is there is damaged, of a newer version, or cannot be read.
        """
        for start_ms, end_ms in months_between(covered[0][0], covered[-1][1]) if covered else ():
            spans = clipped(covered, start_ms, end_ms)
            if not spans:
                continue
            file = self.path / file_name((start_ms, end_ms))
            parts = [candles.between(start_ms, end_ms)]
            if file.exists():
                facts, held = read_month(file, self.length_ms)
                spans = merged((*spans, *facts.covered))
                parts.insert(0 if new_wins else 1, held)
            write_month(file, united(parts), spans, self.length_ms)

    def promised(self, file: Path) -> tuple[Span, ...]:
        """Return what a damaged *file* covered by its map, nothing where that cannot be read either."""
        return promised(file, self.length_ms)

    def set_aside(self, file: Path) -> Path | None:
        """Rename *file* to `….damaged` if it still is, and return its new name; call it inside of `locked()`.

        Raises:
            StorageError: the file cannot be renamed.
        """
        try:
            read_month(file, self.length_ms)
        except DamagedFileError:
            pass
        except FileNotFoundError:
            return None
        else:
            return None
        target, number = file.with_name(file.name + _SUFFIX), 1
        while target.exists():
            number += 1
            target = file.with_name(f"{file.name}{_SUFFIX}.{number}")
        try:
            file.rename(target)
        except OSError as error:
            raise StorageError(f"{file}: cannot be moved aside: {error.strerror or error}") from error
        return target

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep all other writers out, in this process and in others; see `only_writer`."""
        return only_writer(self.path)

    def _names(self) -> list[str]:
        try:
            return [entry.name for entry in self.path.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise MissingCandlesError(f"{self.path}: cannot be read: {error.strerror or error}") from error

    def _facts(self, files: Sequence[Path]) -> list[MonthFacts]:
        found = []
        for file in files:
            with suppress(FileNotFoundError):  # moved aside since the folder was listed
                found.append(read_facts(file, self.length_ms))
        return found

    def _read_quickly(self, files: Sequence[Path], start_ms: int, end_ms: int) -> Stored | None:
        """Return what the maps promise, or None where that is not what is found: then each file needs a look.

        A file may be replaced between the look at its map and the look at its candles, so that a
        difference is no damage yet.
        """
        facts = self._facts(files)
        candles = read_rows(files, start_ms, end_ms)
        if candles is None:
            return None
        stored = _stored(facts, candles, start_ms, end_ms)
        try:
            check(stored.candles, self.length_ms, str(self.path), row_word="candle")
        except BadCandleError:
            return None
        return stored if _is_promised(stored, start_ms, end_ms, self.length_ms) else None

    def _read_carefully(self, files: Sequence[Path], start_ms: int, end_ms: int) -> Stored:
        found = []
        for file in files:
            with suppress(FileNotFoundError):
                found.append(read_month(file, self.length_ms))
        candles = united([candles for _, candles in found])
        stored = _stored([facts for facts, _ in found], candles.between(start_ms, end_ms), start_ms, end_ms)
        check(stored.candles, self.length_ms, str(self.path), row_word="candle")
        return stored


def _stored(facts: Sequence[MonthFacts], candles: Candles, start_ms: int, end_ms: int) -> Stored:
    covered = clipped((span for month in facts for span in month.covered), start_ms, end_ms)
    gaps = clipped((span for month in facts for span in month.gaps), start_ms, end_ms)
    return Stored(candles, covered, gaps)


def united(parts: Sequence[Candles]) -> Candles:
    """Return all candles of *parts*, oldest first; of two at the same time the one of the later part."""
    if len(parts) == 1:
        return parts[0]
    newest_first = Candles.joined(parts[::-1])
    _, rows = np.unique(newest_first.timestamp, return_index=True)
    return newest_first.chosen(rows)


def _is_promised(stored: Stored, start_ms: int, end_ms: int, length_ms: int) -> bool:
    """Say whether *stored* has a candle wherever its map says so and nowhere else; the times have passed the door."""
    holes = merged((*without([(start_ms, end_ms)], stored.covered), *stored.gaps))
    if len(stored.candles) * length_ms != end_ms - start_ms - total_ms(holes):
        return False
    edges = np.searchsorted(stored.candles.timestamp, np.array(holes, dtype=np.int64).reshape(-1, 2))
    return bool((edges[:, 0] == edges[:, 1]).all())
