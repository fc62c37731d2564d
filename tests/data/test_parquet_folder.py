"""The Parquet folder: what it reads, and what it says of files that are not as they must be."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backtestkit_cli.data.parquet_folder import ParquetFolder
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError
from tests.data.candle_files import (
    COLUMNS,
    REAL_CANDLES,
    START,
    a_market,
    bytes_of,
    changed,
    columns_of,
    frame_of,
    write_parquet,
)

END = START + 300 * MINUTE_MS


async def fetch(folder: Path, symbol: str = "BTCUSDT", interval: str = "1m", *, until: int = END) -> Candles:
    return await ParquetFolder(folder, "test").fetch(symbol, interval, START, until)


async def refusal(folder: Path, kind: type[DataError], symbol: str = "BTCUSDT", interval: str = "1m") -> str:
    with pytest.raises(kind) as caught:
        await fetch(folder, symbol, interval)
    message = str(caught.value)
    assert "\n" not in message
    return message


async def refusal_of(folder: Path, frame: pl.DataFrame, kind: type[DataError] = BadCandleError) -> str:
    file = folder / "BTCUSDT" / "1m.parquet"
    file.parent.mkdir(exist_ok=True)
    frame.write_parquet(file)
    message = await refusal(folder, kind)
    assert str(file) in message
    return message


async def test_it_reads_back_what_was_written(tmp_path: Path) -> None:
    market = a_market()
    write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", market)
    assert bytes_of(await fetch(tmp_path)) == bytes_of(market)


async def test_it_finds_the_span_across_row_groups(tmp_path: Path) -> None:
    market = a_market()
    (tmp_path / "BTCUSDT").mkdir()
    frame_of(market).write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", row_group_size=64)
    source = ParquetFolder(tmp_path, "test")
    got = await source.fetch("BTCUSDT", "1m", START + 60 * MINUTE_MS, START + 200 * MINUTE_MS)
    assert bytes_of(got) == bytes_of(market.slice(60, 200))


async def test_other_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    market = a_market()
    (tmp_path / "BTCUSDT").mkdir()
    frame = frame_of(market).with_columns(trades=pl.lit(1), note=pl.lit("x")).select("note", *reversed(COLUMNS))
    frame.write_parquet(tmp_path / "BTCUSDT" / "1m.parquet")
    assert bytes_of(await fetch(tmp_path)) == bytes_of(market)


async def test_a_folder_may_have_glob_characters_in_its_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "[a]*" / "BTCUSDT" / "1m.parquet", a_market())
    assert len(await fetch(tmp_path / "[a]*")) == 300


@pytest.mark.parametrize(
    "kind",
    [pl.Float64(), pl.UInt64(), pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("us", "UTC")],
    ids=str,
)
async def test_whole_times_of_other_types_are_converted(tmp_path: Path, kind: pl.DataType) -> None:
    market = a_market()
    frame = frame_of(market)
    per_ms = {"us": 1_000, "ns": 1_000_000}.get(kind.time_unit, 1) if isinstance(kind, pl.Datetime) else 1
    (tmp_path / "BTCUSDT").mkdir()
    frame.with_columns((pl.col("timestamp") * per_ms).cast(kind)).write_parquet(tmp_path / "BTCUSDT" / "1m.parquet")
    assert bytes_of(await fetch(tmp_path, until=START + 10 * MINUTE_MS)) == bytes_of(market.slice(0, 10))


async def test_dates_are_midnights_in_utc(tmp_path: Path) -> None:
    market = a_market(30, length_ms=DAY_MS)
    (tmp_path / "BTCUSDT").mkdir()
    frame = frame_of(market).with_columns(pl.col("timestamp").cast(pl.Datetime("ms")).cast(pl.Date))
    frame.write_parquet(tmp_path / "BTCUSDT" / "1d.parquet")
    assert bytes_of(await fetch(tmp_path, "BTCUSDT", "1d", until=START + 30 * DAY_MS)) == bytes_of(market)


async def test_numbers_of_other_types_are_converted(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT").mkdir()
    frame = frame_of(a_market()).with_columns(pl.lit(2, pl.Int32).alias("volume"))
    frame.write_parquet(tmp_path / "BTCUSDT" / "1m.parquet")
    assert (await fetch(tmp_path)).volume.tolist() == [2.0] * 300


async def test_an_unknown_symbol_offers_the_nearest(tmp_path: Path) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
        write_parquet(tmp_path / symbol / "1m.parquet", a_market())
    message = await refusal(tmp_path, MissingCandlesError, "BTC/USDT")
    assert "no candles of 'BTC/USDT'; did you mean 'BTCUSDT'" in message


@pytest.mark.parametrize("symbol", ["..", ".", "", "../other/BTCUSDT"])
async def test_a_symbol_cannot_leave_the_folder(tmp_path: Path, symbol: str) -> None:
    write_parquet(tmp_path / "1m.parquet", a_market())
    write_parquet(tmp_path / "other" / "BTCUSDT" / "1m.parquet", a_market())
    write_parquet(tmp_path / "mine" / "BTCUSDT" / "1m.parquet", a_market())
    await refusal(tmp_path / "mine", MissingCandlesError, symbol)


async def test_a_missing_interval_names_those_that_are_there_shortest_first(tmp_path: Path) -> None:
    for interval in ("1h", "15m", "5m"):
        write_parquet(tmp_path / "BTCUSDT" / f"{interval}.parquet", a_market())
    assert "no 1m candles of BTCUSDT; there: 5m, 15m, 1h" in await refusal(tmp_path, MissingCandlesError)


async def test_a_missing_or_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    assert "expected a folder" in await refusal(tmp_path / "none", MissingCandlesError)
    assert "found no symbol" in await refusal(tmp_path, MissingCandlesError)
    (tmp_path / "BTCUSDT").mkdir()
    assert "there: no Parquet file" in await refusal(tmp_path, MissingCandlesError)


async def test_a_file_without_rows_has_no_candles(tmp_path: Path) -> None:
    assert "found no row" in await refusal_of(tmp_path, frame_of(Candles.empty()), MissingCandlesError)


@pytest.mark.parametrize("content", [b"", b"timestamp,open\n1,2\n", b"PAR1" + b"\0" * 50 + b"PAR1"])
async def test_what_is_not_a_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "BTCUSDT").mkdir()
    (tmp_path / "BTCUSDT" / "1m.parquet").write_bytes(content)
    assert "1m.parquet: expected a Parquet file of candles" in await refusal(tmp_path, BadCandleError)


async def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", a_market())
    file.write_bytes(file.read_bytes()[:-300])
    assert "1m.parquet: expected a Parquet file of candles" in await refusal(tmp_path, BadCandleError)


async def test_missing_columns_are_named_beside_those_found(tmp_path: Path) -> None:
    message = await refusal_of(tmp_path, frame_of(a_market()).rename({"timestamp": "time", "volume": "vol"}))
    assert "expected the columns timestamp, open, high, low, close, volume; timestamp, volume missing" in message
    assert "found time, open, high, low, close, vol" in message


async def test_columns_of_the_wrong_type_are_named_with_it(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("close", "timestamp").cast(pl.String))
    assert "found timestamp String, close String" in await refusal_of(tmp_path, frame)


async def test_a_fraction_of_a_millisecond_is_refused(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("timestamp").cast(pl.Float64) + 0.5)
    message = await refusal_of(tmp_path, frame)
    assert "row 1: expected a time in whole milliseconds, found 1735689600000.5; 300 bad rows in all" in message
    micro = frame_of(a_market()).with_columns((pl.col("timestamp") * 1000 + 1).cast(pl.Datetime("us")))
    assert "row 1: expected a time in whole milliseconds" in await refusal_of(tmp_path, micro)


async def test_a_missing_time_is_refused(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(
        timestamp=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("timestamp")
    )
    assert "row 5: expected a time in whole milliseconds, found no value" in await refusal_of(tmp_path, frame)


async def test_a_missing_price_is_refused(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(close=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("close"))
    assert "row 5 (2025-01-01 00:04): expected finite prices, found close nan" in await refusal_of(tmp_path, frame)


async def test_a_bad_candle_is_named_by_its_row_in_the_file_not_in_the_span(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", changed(a_market(), 249, close=math.nan))
    source = ParquetFolder(tmp_path, "test")
    with pytest.raises(BadCandleError, match=r"1m.parquet: row 250 \(2025-01-01 04:09\)"):
        await source.fetch("BTCUSDT", "1m", START + 200 * MINUTE_MS, END)
    assert len(await source.fetch("BTCUSDT", "1m", START, START + 200 * MINUTE_MS)) == 200


@pytest.mark.parametrize("value", [0, START + 5 * DAY_MS, START // 1000], ids=["1970", "in five days", "in seconds"])
async def test_a_stray_time_inside_the_span_is_named_not_taken_for_a_gap(tmp_path: Path, value: int) -> None:
    message = await refusal_of(tmp_path, frame_of(changed(a_market(), 100, timestamp=value)))
    assert "row 10" in message  # where rows go back in time, the row before or after the stray one


async def test_unsorted_and_duplicate_rows_are_told_apart(tmp_path: Path) -> None:
    rows = np.arange(300)
    rows[[10, 11]] = [11, 10]
    swapped = pl.DataFrame({name: column[rows] for name, column in columns_of(a_market()).items()})
    assert "row 12 (2025-01-01 00:10): candles are not sorted" in await refusal_of(tmp_path, swapped)
    doubled = pl.concat([frame_of(a_market(20)), frame_of(a_market()).slice(19)])
    assert "row 21 (2025-01-01 00:19): duplicate candle" in await refusal_of(tmp_path, doubled)


async def test_a_whole_file_in_seconds_is_refused_though_no_row_is_in_the_span(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("timestamp") // 1000)
    assert "(are these seconds?)" in await refusal_of(tmp_path, frame)


@pytest.mark.skipif(not REAL_CANDLES.is_dir(), reason=f"no real candles in {REAL_CANDLES}")
async def test_real_candles_pass_the_door() -> None:
    files = sorted(REAL_CANDLES.glob("*/*/1m.parquet"))
    assert files
    for file in files:
        candles = await ParquetFolder(file.parents[1], "real").fetch(file.parent.name, "1m", 0, 2 * END)
        assert len(candles) == pl.scan_parquet(file).select(pl.len()).collect().item()
