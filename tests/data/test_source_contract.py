"""What every source of candles promises; a new one joins by a line in the table."""

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import pytest

from backtestkit_cli.data.cache.folder import CacheFolder
from backtestkit_cli.data.cache.source import CachedSource
from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.data.files.names import CSV_SUFFIXES, PARQUET_SUFFIXES
from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.data.sql.source import SqlTable
from backtestkit_cli.data.user_class import UserSource
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.errors import MissingCandlesError, UnknownNameError
from backtestkit_cli.exchange.source import CcxtSource
from backtestkit_cli.ports import CandleSource
from tests.data.cache import remotes
from tests.data.candle_files import COLUMNS, START, a_market, bytes_of, columns_of, frame_of, write_csv, write_parquet
from tests.data.candle_tables import iso, rows_of, write_postgres, write_sqlite
from tests.data.own_markets import AsyncOwnMarket, OwnMarket
from tests.servers.postgres import PostgresServer
from tests.venue.market import VenueMarket
from tests.venue.server import Venue
from tests.venue.tapes import held

COUNT = 300
END = START + COUNT * MINUTE_MS
NOW = END + 2 * DAY_MS
LONG_BEFORE = (0, 7 * DAY_MS)

Made: TypeAlias = CandleSource | AbstractAsyncContextManager[CandleSource]
"""A source, or what has one while it lasts."""


def a_parquet_folder(folder: Path) -> CandleSource:
    write_parquet(folder / "BTCUSDT" / "1m.parquet", a_market(COUNT))
    return CandleFiles(folder, "parquet", suffixes=PARQUET_SUFFIXES)


def a_parquet_file(folder: Path) -> CandleSource:
    return CandleFiles(write_parquet(folder / "BTCUSDT-1m.parquet", a_market(COUNT)), "parquet")


def a_parquet_file_of_datetimes_and_text(folder: Path) -> CandleSource:
    times = pl.from_epoch("timestamp", "ms")
    texts = pl.col("open", "high", "low", "close", "volume").cast(pl.String)
    frame_of(a_market(COUNT)).with_columns(times, texts).write_parquet(folder / "BTCUSDT.parquet")
    return CandleFiles(folder / "BTCUSDT.parquet", "parquet")


def a_csv_file(folder: Path) -> CandleSource:
    return CandleFiles(write_csv(folder / "BTCUSDT.csv", a_market(COUNT)), "csv")


def a_csv_folder(folder: Path) -> CandleSource:
    write_csv(folder / "BTCUSDT" / "1m.csv", a_market(COUNT))
    return CandleFiles(folder, "csv", suffixes=CSV_SUFFIXES)


def a_csv_file_as_venues_publish_it(folder: Path) -> CandleSource:
    """No header, the close time and others behind, in microseconds, and packed."""
    frame = frame_of(a_market(COUNT)).with_columns(pl.col("timestamp") * 1000, close_time=pl.lit(0), trades=pl.lit(1))
    content = frame.write_csv(include_header=False).encode()
    (folder / "BTCUSDT-1m-2025-01.csv.gz").write_bytes(gzip.compress(content))
    return CandleFiles(folder / "BTCUSDT-1m-2025-01.csv.gz", "csv")


def a_csv_file_of_iso_times(folder: Path) -> CandleSource:
    iso = pl.from_epoch("timestamp", "ms").dt.to_string("%Y-%m-%dT%H:%M:%SZ").alias("Date")
    frame = frame_of(a_market(COUNT)).with_columns(iso).drop("timestamp").reverse()
    frame.write_csv(folder / "BTCUSDT.csv", separator=";")
    return CandleFiles(folder / "BTCUSDT.csv", "csv")


def the_demo_market(_: Path) -> CandleSource:
    return DemoMarket()


def a_sqlite_table(folder: Path) -> CandleSource:
    return SqlTable(write_sqlite(folder / "market.db", rows_of(a_market(COUNT))), "candles", "sqlite")


def a_postgres_table(_: Path, server: PostgresServer) -> CandleSource:
    rows = rows_of(a_market(COUNT), time=iso, number=repr)
    return SqlTable(write_postgres(server, rows, "timestamp", "numeric"), "candles", "postgres")


def a_class_of_lists(_: Path) -> CandleSource:
    return UserSource("own", OwnMarket(a_market(COUNT)), now_ms=lambda: END + DAY_MS)


def a_class_of_frames(_: Path) -> CandleSource:
    return UserSource("own", AsyncOwnMarket(a_market(COUNT)), now_ms=lambda: END + DAY_MS)


def of_whole_volumes() -> Candles:
    """Return candles whose volumes add up to the same in any order: a venue has hours of its own."""
    columns = columns_of(a_market(COUNT))
    return Candles.frozen(**columns | {"volume": np.ceil(columns["volume"])})


@asynccontextmanager
async def ccxt_at_the_venue(_: Path) -> AsyncIterator[CcxtSource]:
    async with Venue(VenueMarket(held({"BTCUSDT": of_whole_volumes()}), now_ms=lambda: NOW)) as venue:
        source = CcxtSource(name="venue", exchange_id="binance", url=venue.url, environ={}, now_ms=lambda: NOW)
        try:
            yield source
        finally:
            await source.close()


@asynccontextmanager
async def ccxt_behind_the_cache(folder: Path) -> AsyncIterator[CandleSource]:
    async with ccxt_at_the_venue(folder) as remote:
        yield CachedSource(remote, CacheFolder(folder), "venue", now_ms=lambda: NOW)


@asynccontextmanager
async def the_cache_alone(folder: Path) -> AsyncIterator[CandleSource]:
    venue = remotes.Venue({("BTCUSDT", "1m"): a_market(COUNT)}, page=8 * DAY_MS // MINUTE_MS)
    for start, end in (LONG_BEFORE, (START - DAY_MS, END + DAY_MS)):
        await remotes.cached(folder, venue).warm("BTCUSDT", "1m", start, end)
    yield remotes.cached(folder, None)


SOURCES: dict[str, Callable[..., Made]] = {
    "parquet folder": a_parquet_folder,
    "parquet file": a_parquet_file,
    "parquet file of datetimes and text": a_parquet_file_of_datetimes_and_text,
    "csv file": a_csv_file,
    "csv folder": a_csv_folder,
    "csv file as venues publish it": a_csv_file_as_venues_publish_it,
    "csv file of iso times": a_csv_file_of_iso_times,
    "demo": the_demo_market,
    "sqlite": a_sqlite_table,
    "postgres": a_postgres_table,
    "user class (sync list of dicts)": a_class_of_lists,
    "user class (async frame)": a_class_of_frames,
    "ccxt at the loopback venue": ccxt_at_the_venue,
    "ccxt behind the cache": ccxt_behind_the_cache,
    "cache alone after a warm-up (offline)": the_cache_alone,
}
FINITE = [name for name in SOURCES if name != "demo"]  # the demo market has every symbol and every minute


async def made(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[CandleSource]:
    servers = [request.getfixturevalue("postgres_server")] if request.param == "postgres" else []
    one = SOURCES[request.param](folder, *servers)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(one) if isinstance(one, AbstractAsyncContextManager) else one


@pytest.fixture(params=SOURCES)
async def source(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CandleSource]:
    async for one in made(request, tmp_path):
        yield one


@pytest.fixture(params=FINITE)
async def finite_source(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CandleSource]:
    async for one in made(request, tmp_path):
        yield one


async def fetch(source: CandleSource, start: int = START, end: int = END) -> Candles:
    return await source.fetch("BTCUSDT", "1m", start, end)


def test_a_source_has_a_name_and_says_whether_it_is_made_up(source: CandleSource) -> None:
    assert source.name
    assert source.is_synthetic is (source.name == "demo")


async def test_a_span_is_half_open_and_oldest_first(source: CandleSource) -> None:
    start, end = START + 10 * MINUTE_MS, START + 20 * MINUTE_MS
    assert (await fetch(source, start, end)).timestamp.tolist() == list(range(start, end, MINUTE_MS))


async def test_a_candle_belongs_to_the_span_it_opens_in(source: CandleSource) -> None:
    candles = await fetch(source, START + 1, START + 2 * MINUTE_MS + 1)
    assert candles.timestamp.tolist() == [START + MINUTE_MS, START + 2 * MINUTE_MS]


async def test_columns_are_contiguous_read_only_and_of_the_right_type(source: CandleSource) -> None:
    for candles in (await fetch(source), await fetch(source, START + 10 * MINUTE_MS), await fetch(source, END, END)):
        for name in COLUMNS:
            column = getattr(candles, name)
            assert column.flags.c_contiguous
            assert not column.flags.writeable
            assert column.dtype == (np.int64 if name == "timestamp" else np.float64)
            assert len(column) == len(candles)


async def test_candles_have_passed_the_door(source: CandleSource) -> None:
    candles = await fetch(source)
    assert len(candles) == COUNT
    check(candles, MINUTE_MS, source.name)


async def test_a_part_is_the_same_as_in_the_whole(source: CandleSource) -> None:
    part = await fetch(source, START + 50 * MINUTE_MS, START + 250 * MINUTE_MS)
    assert bytes_of(part) == bytes_of((await fetch(source)).slice(50, 250))


async def test_asking_again_gives_the_same(source: CandleSource) -> None:
    assert bytes_of(await fetch(source)) == bytes_of(await fetch(source))


@pytest.mark.parametrize("span", [(START, START), (END, START), (START + 1, START + 2)], ids=str)
async def test_a_span_in_which_nothing_can_open_is_empty(source: CandleSource, span: tuple[int, int]) -> None:
    assert len(await fetch(source, *span)) == 0


async def test_what_was_before_all_candles_is_left_out(source: CandleSource) -> None:
    assert len(await fetch(source, *LONG_BEFORE)) == 0


async def test_an_interval_that_is_not_there_is_made_of_minutes_or_is_an_error(source: CandleSource) -> None:
    try:
        candles = await source.fetch("BTCUSDT", "5m", START, END)
    except MissingCandlesError as error:
        assert "5m" in str(error)  # noqa: PT017 - either answer keeps the promise
    else:
        assert bytes_of(candles) == bytes_of(aggregated(await fetch(source), 5 * MINUTE_MS, MINUTE_MS))


async def test_a_part_of_what_is_made_of_minutes_is_the_same_as_in_the_whole(source: CandleSource) -> None:
    try:
        whole = await source.fetch("BTCUSDT", "1h", START, END)
    except MissingCandlesError:
        return
    part = await source.fetch("BTCUSDT", "1h", START + 60 * MINUTE_MS, START + 150 * MINUTE_MS)
    assert bytes_of(part) == bytes_of(whole.slice(1, 3))


async def test_what_is_no_interval_is_an_error(source: CandleSource) -> None:
    with pytest.raises(UnknownNameError, match="unknown interval '7x'"):
        await source.fetch("BTCUSDT", "7x", START, END)


async def test_what_was_after_all_candles_is_left_out(finite_source: CandleSource) -> None:
    assert len(await fetch(finite_source, END, END + DAY_MS)) == 0
    assert len(await fetch(finite_source, START - DAY_MS, END + DAY_MS)) == COUNT


async def test_a_symbol_that_is_not_there_is_an_error(finite_source: CandleSource) -> None:
    with pytest.raises(MissingCandlesError, match=r"\bBTCUSD\b.*'BTCUSDT'"):
        await finite_source.fetch("BTCUSD", "1m", START, END)
