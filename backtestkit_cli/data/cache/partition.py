"""One month of one series: a Parquet file that carries its own part of the gap map.

The map is JSON under the key `btk` of the file's metadata: which spans the source has answered, where it
had nothing, how many rows there are and what they hash to. A file and its map are replaced together, so
that they cannot disagree after a crash. Equal candles and spans give equal bytes, however they came together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
from polars.exceptions import PanicException, PolarsError

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.data.cache.months import month_named
from backtestkit_cli.domain.candle import NUMBERS, Candles, fingerprint
from backtestkit_cli.domain.spans import Span, clipped, merged, total_ms, without
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError, StorageError

_SCHEMA = pl.Schema({"timestamp": pl.Int64(), **dict.fromkeys(NUMBERS, pl.Float64())})
_KEY = "btk"
_VERSION = 1
_ROWS_PER_GROUP = 50_000  # a month of minutes is one group


class DamagedFileError(BadCandleError):
    """A file of the cache is not what was written."""

    def __init__(self, file: Path, problem: str) -> None:
        """Say what is wrong with *file*."""
        super().__init__(f"{file}: damaged: {problem}")
        self.file = file
        self.problem = problem

    def __reduce__(self) -> tuple[type["DamagedFileError"], tuple[Path, str]]:
        return type(self), (self.file, self.problem)  # so that it survives the way between processes


class NewerFileError(DataError):
    """A file of the cache was written by a newer version of this program: it is sound, and stays where it is."""


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """The map of one month, in half-open spans of Unix ms: `gaps` are the covered spans without candles."""

    covered: tuple[Span, ...]
    gaps: tuple[Span, ...]
    rows: int
    fingerprint: str


def gaps_in(candles: Candles, covered: Sequence[Span], length_ms: int) -> tuple[Span, ...]:
    """Return where in *covered* there are no *candles* of *length_ms*."""
    if len(candles) == 0:
        return merged(covered)
    times = candles.timestamp
    breaks = np.flatnonzero(np.diff(times) != length_ms)
    starts = times[np.concatenate(([0], breaks + 1))].tolist()
    ends = (times[np.concatenate((breaks, [len(times) - 1]))] + length_ms).tolist()
    return without(covered, zip(starts, ends, strict=True))


def write_month(file: Path, candles: Candles, covered: Sequence[Span], length_ms: int) -> None:
    """Replace *file* by sorted *candles*, all of them within the spans *covered* of its month.

    Raises:
        StorageError: it cannot be written; what was there is still there.
    """
    spans = merged(covered)
    facts = {
        "version": _VERSION,
        "symbol": _symbol_of(file),
        "interval_ms": length_ms,
        "covered": spans,
        "gaps": gaps_in(candles, spans, length_ms),
        "rows": len(candles),
        "fingerprint": fingerprint(candles),
    }
    # Uncompressed, a file is twice the size of lz4 and read in half the time. polars writes to memory:
    # what a full disk says comes from Python then, always as an OSError.
    content = BytesIO()
    _frame(candles).write_parquet(
        content,
        compression="uncompressed",
        statistics=False,  # the name of a file says which candles it holds
        row_group_size=_ROWS_PER_GROUP,
        metadata={_KEY: orjson.dumps(facts).decode()},
    )
    try:
        write_bytes(file, content.getvalue())
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror or error}; what was there is intact") from error


def _symbol_of(file: Path) -> str:
    """Return the name of the symbol's folder: a file copied to another one must not pass for its own."""
    return file.absolute().parent.parent.name


def read_facts(file: Path, length_ms: int) -> MonthFacts:
    """Return the map of *file* without a look at its candles.

    Raises:
        DamagedFileError: there is no map, or none that can be of this month and interval.
        NewerFileError: another version wrote it.
        MissingCandlesError: the file cannot be read.
        FileNotFoundError: somebody moved the file.
    """
    with _readable(file):
        metadata = pl.read_parquet_metadata(file)
    return _facts(file, metadata, length_ms)


def promised(file: Path, length_ms: int) -> tuple[Span, ...]:
    """Return what a damaged *file* covered by its map, of whatever month; nothing where there is no such map."""
    try:
        raw = orjson.loads(pl.read_parquet_metadata(file)[_KEY])
        spans = _spans(raw["covered"])
        is_own = (int(raw["interval_ms"]), str(raw["symbol"])) == (length_ms, _symbol_of(file))
    except (OSError, PolarsError, PanicException, KeyError, TypeError, ValueError):
        return ()
    return merged(spans) if is_own else ()


def read_rows(files: Sequence[Path], start_ms: int, end_ms: int) -> Candles | None:
    """Return the candles of *files* that open in `[start_ms, end_ms)`, unchecked, or None where a file is no such file.

    *files* come oldest first; polars reads them side by side.
    """
    try:
        # glob=False: a folder may be called `[old]`, or `a=b`. All rows are read: a filter copies those it keeps.
        frame = pl.scan_parquet(list(files), glob=False, hive_partitioning=False).select(*_SCHEMA).collect()
    except (OSError, PolarsError, PanicException):
        return None
    return _candles(frame).between(start_ms, end_ms) if _is_sound(frame) else None


def read_month(file: Path, length_ms: int) -> tuple[MonthFacts, Candles]:
    """Return the map and all candles of *file*, each checked against the other to the last bit.

    Raises:
        DamagedFileError: something is not as it was written.
        NewerFileError: another version wrote it.
        MissingCandlesError: the file cannot be read.
        FileNotFoundError: somebody moved the file.
    """
    with _readable(file):
        content = file.read_bytes()  # once: another process may replace the file at any time
        facts = _facts(file, pl.read_parquet_metadata(BytesIO(content)), length_ms)
        frame = pl.read_parquet(BytesIO(content), hive_partitioning=False)
    if frame.schema != _SCHEMA or not _is_sound(frame):
        raise DamagedFileError(file, f"expected the columns {', '.join(_SCHEMA)} without nulls, found {frame.schema}")
    candles = _candles(frame)
    if len(candles) != facts.rows:
        raise DamagedFileError(file, f"expected {facts.rows:,} rows, as its map says, found {len(candles):,}")
    if fingerprint(candles) != facts.fingerprint:
        raise DamagedFileError(file, "the candles do not have the fingerprint of its map")
    steps = np.diff(candles.timestamp)
    if not (steps > 0).all() or gaps_in(candles, facts.covered, length_ms) != facts.gaps:
        raise DamagedFileError(file, "the times of the candles are not those of its map")
    return facts, candles


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn what polars and the file system say of *file* into our errors; a missing file stays one."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise MissingCandlesError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (PolarsError, PanicException) as error:
        found = next(iter(str(error).splitlines()), "nothing")
        raise DamagedFileError(file, f"expected a Parquet file, found: {found}") from error


def _facts(file: Path, metadata: Mapping[str, str], length_ms: int) -> MonthFacts:
    try:
        raw = orjson.loads(metadata[_KEY])
        version = int(raw["version"])
        if version > _VERSION:
            raise NewerFileError(
                f"{file}: written by a newer btk (format {version}, this one reads {_VERSION});"
                " upgrade btk or choose another data folder"
            )
        facts = MonthFacts(_spans(raw["covered"]), _spans(raw["gaps"]), int(raw["rows"]), str(raw["fingerprint"]))
        held = int(raw["interval_ms"]), str(raw["symbol"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(file, "there is no map of what it covers") from error
    is_own = version == _VERSION and held == (length_ms, _symbol_of(file))
    if not is_own or not _is_possible(facts, month_named(file.name), length_ms):
        raise DamagedFileError(file, "its map is not of this symbol, month and interval")
    return facts


def _spans(raw: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    return tuple((int(start), int(end)) for start, end in raw)


def _is_possible(facts: MonthFacts, month: Span | None, length_ms: int) -> bool:
    return (
        month is not None
        and facts.covered == clipped(facts.covered, *month)
        and facts.gaps == merged(facts.gaps)
        and not without(facts.gaps, facts.covered)
        and all(at % length_ms == 0 for span in (*facts.covered, *facts.gaps) for at in span)
        and facts.rows * length_ms == total_ms(facts.covered) - total_ms(facts.gaps)
    )


def _is_sound(frame: pl.DataFrame) -> bool:
    return frame.schema == _SCHEMA and not any(column.null_count() for column in frame.get_columns())


def _frame(candles: Candles) -> pl.DataFrame:
    return pl.DataFrame({name: getattr(candles, name) for name in _SCHEMA}, schema=_SCHEMA)


def _candles(frame: pl.DataFrame) -> Candles:
    return Candles.frozen(_array(frame["timestamp"]), *(_array(frame[name]) for name in NUMBERS))


def _array(column: pl.Series) -> npt.NDArray[Any]:
    """Return *column* as one array; polars would join the months in memory that is slower to come by than numpy's."""
    months = [part.to_numpy() for part in column.get_chunks()]
    return months[0] if len(months) == 1 else np.concatenate(months)
