"""The same candles, however they are written, are the same to the last bit."""

import asyncio
import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.errors import BadCandleError
from tests.data.candle_files import COLUMNS, START, a_market, bytes_of, frame_of
from tests.laws import tried

MARKET = a_market(20)


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def in_tokyo(at_ms: int) -> datetime:
    return moment(at_ms).astimezone(timezone(timedelta(hours=9)))


TIMES: dict[str, Callable[[int], str]] = {
    "ms": str,
    "seconds": lambda at_ms: str(at_ms // 1000),
    "microseconds": lambda at_ms: f"{at_ms}000",
    "nanoseconds": lambda at_ms: f"{at_ms}000000",
    "seconds as a float": lambda at_ms: f"{at_ms / 1000:.1f}",
    "ms as a float": lambda at_ms: f"{at_ms}.0",
    "scientific seconds": lambda at_ms: f"{Decimal(at_ms) / 1000:e}",
    "scientific ms": lambda at_ms: f"{at_ms:.12e}",
    "padded": lambda at_ms: f" {at_ms} ",
    "ISO in UTC": lambda at_ms: moment(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "ISO with an offset": lambda at_ms: in_tokyo(at_ms).isoformat(),
    "ISO with a short offset": lambda at_ms: in_tokyo(at_ms).strftime("%Y-%m-%dT%H:%M%z"),
    "ISO without a zone": lambda at_ms: moment(at_ms).strftime("%Y-%m-%d %H:%M:%S"),
    "ISO with milliseconds": lambda at_ms: moment(at_ms).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "to the minute": lambda at_ms: moment(at_ms).strftime("%Y-%m-%d %H:%M"),
    "with a named zone": lambda at_ms: moment(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC"),
    "by turns": lambda at_ms: moment(at_ms).strftime("%Y-%m-%dT%H:%M" + ("Z" if at_ms // MINUTE_MS % 2 else ":%S.0")),
}
NUMBERS: dict[str, Callable[[float], str]] = {
    "plain": repr,
    "scientific": lambda number: f"{number:.17e}",
    "capital": lambda number: f"{number:.17E}",
    "signed": lambda number: f"+{number!r}",
    "padded": lambda number: f" {number!r} ",
    "many digits": lambda number: f"{Decimal(number):f}",
}
HEADERS = {
    "usual": COLUMNS,
    "capital": ("Date", "Open", "High", "Low", "Close", "Volume"),
    "short": ("ts", "o", "h", "l", "c", "v"),
    "of a venue": ("open_time", "open", "high", "low", "close", "base_volume"),
    "none": (),
}


class Style(NamedTuple):
    """One way to write a file of candles."""

    time: str
    number: str
    header: str
    more: int
    order: list[int]
    separator: str
    is_quoted: bool
    line_end: str
    mark: str
    is_packed: bool
    is_reversed: bool


STYLES = st.builds(
    Style,
    time=st.sampled_from(sorted(TIMES)),
    number=st.sampled_from(sorted(NUMBERS)),
    header=st.sampled_from(sorted(HEADERS)),
    more=st.integers(0, 3),
    order=st.permutations(range(6)),
    separator=st.sampled_from(",;\t"),
    is_quoted=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    is_packed=st.booleans(),
    is_reversed=st.booleans(),
)


@tried(30, 150)
@given(style=STYLES)
def test_any_way_of_writing_reads_back_to_the_same_bytes(style: Style) -> None:
    assert bytes_of(read(written(style))) == bytes_of(MARKET)


def written(style: Style) -> bytes:
    names = HEADERS[style.header]
    places = style.order if names else range(6)
    rows = [[TIMES[style.time](row[0]), *map(NUMBERS[style.number], row[1:])] for row in MARKET.rows()]
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=style.separator,
        quoting=csv.QUOTE_ALL if style.is_quoted else csv.QUOTE_MINIMAL,
        lineterminator=style.line_end,
    )
    if names:
        writer.writerow([names[place] for place in places] + ["other"] * style.more)
    for row in reversed(rows) if style.is_reversed else rows:
        writer.writerow([row[place] for place in places] + ["x"] * style.more)
    content = (style.mark + text.getvalue()).encode()
    return gzip.compress(content) if style.is_packed else content


def read(content: bytes) -> Candles:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "BTCUSDT.csv"
        file.write_bytes(content)
        return fetched(file)


def fetched(file: Path) -> Candles:
    return asyncio.run(CandleFiles(file, "test", symbol="A").fetch("A", "1m", START, START + 20 * MINUTE_MS))


@pytest.mark.parametrize("time", TIMES)
def test_text_in_parquet_is_read_like_text_in_csv(tmp_path: Path, time: str) -> None:
    frame = frame_of(MARKET).with_columns(
        pl.Series("timestamp", [TIMES[time](at_ms) for at_ms in MARKET.timestamp.tolist()]),
        *(pl.Series(name, [f" {value:.17e}" for value in getattr(MARKET, name)]) for name in COLUMNS[1:]),
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert bytes_of(fetched(tmp_path / "a.parquet")) == bytes_of(MARKET)


NO_TIMES = {
    "between seconds and ms": "100000000000",
    "between ms and us": "100000000000000",
    "before 1980": "86400000",
    "a compact date": "20250101",
    "no day of the calendar": "2025-02-30",
    "an hour of no day": "2025-01-01 25:00",
    "a word": "today",
    "a fraction of a millisecond": "1735689600000.5",
    "microseconds within a millisecond": "1735689600000001",
    "nanoseconds in ISO": "2025-01-01T00:00:00.000000001Z",
    "a local order": "01/02/2025",
}


@pytest.mark.parametrize("time", NO_TIMES.values(), ids=NO_TIMES)
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_no_time_or_ambiguous_is_refused(time: str, count: int) -> None:
    line = f"{time},1,2,1,2,3\n"
    with pytest.raises(BadCandleError, match=r"line 2: column date: expected a time (of 1980 to 2100|in whole)"):
        read(f"date,o,h,l,c,v\n{line * count}".encode())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ms", "seconds"),
        ("ms", "scientific seconds"),
        ("ms", "nanoseconds"),
        ("seconds", "ms"),
        ("seconds as a float", "scientific ms"),
        ("microseconds", "ms"),
        ("ms", "ISO in UTC"),
        ("ISO in UTC", "ms"),
    ],
)
def test_a_column_that_mixes_ways_to_count_is_refused_by_row(first: str, second: str) -> None:
    times = [TIMES[first](START + row * MINUTE_MS) for row in range(5)] + [TIMES[second](START + 5 * MINUTE_MS)]
    with pytest.raises(BadCandleError, match=r"line 6: column timestamp: expected (Unix|a time of 1980)"):
        read("".join(f"{time},1,2,1,2,3\n" for time in times).encode())
