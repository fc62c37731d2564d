"""Looking after the cache: what is in it, and whether its files are what was written."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey
from backtestkit_cli.data.cache.months import month_named
from backtestkit_cli.data.cache.partition import DamagedFileError, MonthFacts, read_facts, read_month
from backtestkit_cli.data.cache.series import SeriesFolder
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.spans import Span, merged, total_ms, without
from backtestkit_cli.errors import BacktestKitError, DataError


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One series at a glance; times in Unix ms, spans half-open, `last_ms` the open of the newest candle.

    `missing` counts the candles that would fill the `gaps`; `problems` are files that could not be read, a line each.
    """

    key: SeriesKey
    first_ms: int | None
    last_ms: int | None
    candles: int
    covered: tuple[Span, ...]
    gaps: tuple[Span, ...]
    missing: int
    size_bytes: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What checking one file found: `problem` is None where it is sound, and says what is wrong in one line.

    `lost` are the spans (Unix ms) the cache no longer covers once the file is `moved_to` its new name;
    `refetch_problem` is why they could not be fetched again.
    """

    key: SeriesKey
    file: Path
    candles: int
    problem: str | None = None
    moved_to: Path | None = None
    lost: tuple[Span, ...] = ()
    refetched: bool = False
    refetch_problem: str | None = None


def summaries(folder: CacheFolder) -> list[SeriesSummary]:
    """Return every series that has a file, by exchange, symbol and length of interval; candles are not read."""
    found = (_summary(key, series) for key, series in _all_series(folder))
    return [summary for summary in found if summary is not None]


async def verify(
    folder: CacheFolder,
    *,
    wanted: Callable[[SeriesKey], bool] = lambda _: True,
    moves: bool = False,
    refetch: Callable[[SeriesKey, Span], Awaitable[object]] | None = None,
) -> list[FileCheck]:
    """Check every file of the *wanted* series: columns, times, gaps, fingerprint and the rules of the door.

    Damaged files are moved aside if *moves*; what they covered (the whole month where that cannot be
    read) is then asked of *refetch*, usually `CachedSource.warm`. A file of a newer version is reported and
    stays. So does one whose candles break a rule and are what was written: fetching would bring them again.

    Raises:
        StorageError: a damaged file cannot be moved.
    """
    checks = []
    for key, series in filter(lambda held: wanted(held[0]), _all_series(folder)):
        for file in series.all_files():
            found = _checked(key, series, file)
            if found is not None and found.lost and moves:
                found = await _repaired(found, series, refetch)
            if found is not None:
                checks.append(found)
    return checks


def _all_series(folder: CacheFolder) -> Iterator[tuple[SeriesKey, SeriesFolder]]:
    for exchange in folder.exchanges():
        for symbol in folder.symbols(exchange):
            for interval in folder.intervals(exchange, symbol):
                yield SeriesKey(exchange, symbol, interval), folder.series(exchange, symbol, interval)


def _summary(key: SeriesKey, series: SeriesFolder) -> SeriesSummary | None:
    months: list[MonthFacts] = []
    problems: list[str] = []
    size = 0
    for file in series.all_files():
        try:
            size += file.stat().st_size
            months.append(read_facts(file, series.length_ms))
        except FileNotFoundError:
            continue
        except DataError as error:
            problems.append(str(error))
    if not months and not problems:
        return None
    covered = merged(span for month in months for span in month.covered)
    gaps = merged(span for month in months for span in month.gaps)
    held = without(covered, gaps)
    return SeriesSummary(
        key=key,
        first_ms=held[0][0] if held else None,
        last_ms=held[-1][1] - series.length_ms if held else None,
        candles=sum(month.rows for month in months),
        covered=covered,
        gaps=gaps,
        missing=total_ms(gaps) // series.length_ms,
        size_bytes=size,
        problems=tuple(problems),
    )


def _checked(key: SeriesKey, series: SeriesFolder, file: Path) -> FileCheck | None:
    """Return what is to say of *file*, or None where somebody moved it."""
    try:
        _, candles = read_month(file, series.length_ms)
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        return FileCheck(key, file, 0, str(error), lost=series.promised(file) or _month_of(file))
    except DataError as error:
        return FileCheck(key, file, 0, str(error))
    try:
        check(candles, series.length_ms, str(file))
    except DataError as error:
        return FileCheck(key, file, len(candles), str(error))
    return FileCheck(key, file, len(candles))


def _month_of(file: Path) -> tuple[Span, ...]:
    month = month_named(file.name)
    return (month,) if month else ()


async def _repaired(
    found: FileCheck, series: SeriesFolder, refetch: Callable[[SeriesKey, Span], Awaitable[object]] | None
) -> FileCheck:
    async with series.locked():
        target = series.set_aside(found.file)
    found = replace(found, moved_to=target)
    if target is None or refetch is None:  # None: another process was faster
        return found
    try:
        for span in found.lost:
            await refetch(found.key, span)
    except BacktestKitError as error:
        return replace(found, refetch_problem=str(error))
    return replace(found, refetched=True)
