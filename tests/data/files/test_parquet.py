"""Parquet files: what is read, and what is said of files that are not as they must be."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from backtestkit_cli.data.files.names import PARQUET_SUFFIXES
from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS
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
    without,
    write_parquet,
)

END = START + 300 * MINUTE_MS


def source_of(path: Path) -> CandleFiles:
    return CandleFiles(path, "test", suffixes=PARQUET_SUFFIXES)


async def fetch(folder: Path, interval: str = "1m", *, until: int = END) -> Candles:
    return await source_of(folder).fetch("BTCUSDT", interval, START, until)


async def refusal(folder: Path, kind: type[DataError], interval: str = "1m", *, until: int = END) -> str:
    with pytest.raises(kind) as caught:
        await fetch(folder, interval, until=until)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write(folder: Path, frame: pl.DataFrame, interval: str = "1m", *, row_group_size: int | None = None) -> Path:
    file = folder / "BTCUSDT" / f"{interval}.parquet"
    file.parent.mkdir(exist_ok=True)
    frame.write_parquet(file, row_group_size=row_group_size)
    return file


async def refusal_of(folder: Path, frame: pl.DataFrame, kind: type[DataError] = BadCandleError) -> str:
    file = write(folder, frame)
    message = await refusal(folder, kind)
    assert message.startswith(f"{file}: ")
    return message


async def test_it_reads_back_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, frame_of(a_market()))
    assert bytes_of(await fetch(tmp_path)) == bytes_of(a_market())


async def test_it_finds_the_span_across_row_groups(tmp_path: Path) -> None:
    market = a_market()
    write(tmp_path, frame_of(market), row_group_size=64)
    got = await source_of(tmp_path).fetch("BTCUSDT", "1m", START + 60 * MINUTE_MS, START + 200 * MINUTE_MS)
    assert bytes_of(got) == bytes_of(market.slice(60, 200))


async def test_other_columns_their_order_and_other_names_do_not_matter(tmp_path: Path) -> None:
    market = a_market()
    frame = frame_of(market).with_columns(trades=pl.lit(1), note=pl.lit("x")).select("note", *reversed(COLUMNS))
    write(tmp_path, frame.rename({"timestamp": "Open Time", "volume": "vol", "open": "O"}))
    assert bytes_of(await fetch(tmp_path)) == bytes_of(market)


async def test_a_folder_may_have_glob_characters_in_its_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "[a]*" / "BTCUSDT" / "1m.parquet", a_market())
    assert len(await fetch(tmp_path / "[a]*")) == 300


@pytest.mark.parametrize(
    "kind",
    [
        *(pl.Float64(), pl.UInt64(), pl.Int64(), pl.Decimal(38, 0), pl.String()),
        *(
            pl.Datetime("ms"),
            pl.Datetime("us"),
            pl.Datetime("ns"),
            pl.Datetime("us", "UTC"),
            pl.Datetime("us", "Asia/Tokyo"),
        ),
    ],
    ids=str,
)
async def test_whole_times_of_other_types_are_converted(tmp_path: Path, kind: pl.DataType) -> None:
    market = a_market()
    per_ms = {"us": 1_000, "ns": 1_000_000}.get(kind.time_unit, 1) if isinstance(kind, pl.Datetime) else 1
    write(tmp_path, frame_of(market).with_columns((pl.col("timestamp") * per_ms).cast(kind)))
    assert bytes_of(await fetch(tmp_path, until=START + 10 * MINUTE_MS)) == bytes_of(market.slice(0, 10))


@pytest.mark.parametrize(
    "scale", [pl.col("timestamp") // 1000, pl.col("timestamp") * 1000, pl.col("timestamp") * 10**6]
)
async def test_numbers_of_another_unit_are_known_by_their_size(tmp_path: Path, scale: pl.Expr) -> None:
    write(tmp_path, frame_of(a_market()).with_columns(scale))
    assert bytes_of(await fetch(tmp_path)) == bytes_of(a_market())
    assert len(await source_of(tmp_path).fetch("BTCUSDT", "1m", 0, END)) == 300


async def test_dates_are_midnights_in_utc(tmp_path: Path) -> None:
    market = a_market(30, length_ms=DAY_MS)
    write(tmp_path, frame_of(market).with_columns(pl.col("timestamp").cast(pl.Datetime("ms")).cast(pl.Date)), "1d")
    assert bytes_of(await fetch(tmp_path, "1d", until=START + 30 * DAY_MS)) == bytes_of(market)


@pytest.mark.parametrize("kind", [pl.Int32(), pl.UInt8(), pl.Float32(), pl.Decimal(12, 4), pl.String()], ids=str)
async def test_numbers_of_other_types_are_converted(tmp_path: Path, kind: pl.DataType) -> None:
    write(tmp_path, frame_of(a_market()).with_columns(pl.lit(2).cast(kind).alias("volume")))
    assert (await fetch(tmp_path)).volume.tolist() == [2.0] * 300


async def test_the_newest_candle_may_come_first(tmp_path: Path) -> None:
    file = write(tmp_path, frame_of(a_market()).reverse())
    assert bytes_of(await fetch(tmp_path)) == bytes_of(a_market())
    write(tmp_path, frame_of(changed(a_market(), 7, high=0.5)).reverse())
    assert f"{file}: row 293 (2025-01-01 00:07): expected high" in await refusal(tmp_path, BadCandleError)


async def test_what_is_parquet_is_known_by_its_content_too(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT.csv", a_market())
    assert bytes_of(await fetch(tmp_path / "BTCUSDT.csv")) == bytes_of(a_market())


async def test_a_file_without_rows_has_no_candles(tmp_path: Path) -> None:
    assert "expected candles, found none" in await refusal_of(tmp_path, frame_of(Candles.empty()), MissingCandlesError)


@pytest.mark.parametrize("content", [b"", b"timestamp,open\n1,2\n", b"PAR1" + b"\0" * 50 + b"PAR1"])
async def test_what_is_not_a_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "BTCUSDT").mkdir()
    (tmp_path / "BTCUSDT" / "1m.parquet").write_bytes(content)
    assert "1m.parquet: expected a Parquet file of candles" in await refusal(tmp_path, BadCandleError)


async def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, frame_of(a_market()))
    file.write_bytes(file.read_bytes()[:-300])
    assert "1m.parquet: expected a Parquet file of candles" in await refusal(tmp_path, BadCandleError)


async def test_missing_columns_are_named_beside_those_found(tmp_path: Path) -> None:
    message = await refusal_of(tmp_path, frame_of(a_market()).rename({"timestamp": "when", "volume": "amount"}))
    assert "expected the columns timestamp, open, high, low, close, volume; timestamp, volume missing" in message
    assert "found when, open, high, low, close, amount" in message


async def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("close").alias("Close"))
    assert "; close twice, found timestamp" in await refusal_of(tmp_path, frame)


async def test_columns_of_the_wrong_type_are_named_with_it(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("timestamp") > 0, pl.concat_list("close").alias("close"))
    assert "found timestamp Boolean, close List(Float64)" in await refusal_of(tmp_path, frame)


async def test_text_that_is_no_number_is_named_by_its_row(tmp_path: Path) -> None:
    texts = ["x" if row in {4, 9} else "100" for row in range(300)]
    frame = frame_of(a_market()).with_columns(pl.Series("close", texts)).rename({"close": "Close"})
    message = await refusal_of(tmp_path, frame)
    assert "row 5: column Close: expected a number, found 'x'; 2 bad rows in all" in message


async def test_a_fraction_of_a_millisecond_is_refused(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("timestamp").cast(pl.Float64) + 0.5)
    message = await refusal_of(tmp_path, frame)
    assert "row 1: column timestamp: expected a time in whole milliseconds, found 1735689600000.5; 300 bad" in message
    micro = frame_of(a_market()).with_columns((pl.col("timestamp") * 1000 + 1).cast(pl.Datetime("us")))
    assert "row 1: column timestamp: expected a time in whole milliseconds" in await refusal_of(tmp_path, micro)


@pytest.mark.parametrize("kind", [pl.Int64(), pl.Float64(), pl.String(), pl.Datetime("ms")], ids=str)
async def test_a_missing_time_is_refused(tmp_path: Path, kind: pl.DataType) -> None:
    is_missing = pl.int_range(pl.len()) == 4
    frame = frame_of(a_market()).with_columns(timestamp=pl.when(is_missing).then(None).otherwise("timestamp"))
    message = await refusal_of(tmp_path, frame.with_columns(pl.col("timestamp").cast(kind)))
    assert "row 5: column timestamp: expected a time " in message
    assert message.endswith("found no value")


async def test_a_missing_price_is_refused(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(close=pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise("close"))
    assert "row 5 (2025-01-01 00:04): expected finite prices, found close nan" in await refusal_of(tmp_path, frame)


async def test_a_bad_candle_is_named_by_its_row_in_the_file_not_in_the_span(tmp_path: Path) -> None:
    write(tmp_path, frame_of(changed(a_market(), 249, close=math.nan)))
    source = source_of(tmp_path)
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


@pytest.mark.parametrize("minutes", [1, 5, 6, 300])
async def test_candles_of_five_minutes_are_not_taken_for_gappy_minutes(tmp_path: Path, minutes: int) -> None:
    write(tmp_path, frame_of(a_market(60, length_ms=5 * MINUTE_MS)))
    message = await refusal(tmp_path, MissingCandlesError, until=START + minutes * MINUTE_MS)
    assert "1m.parquet: no 1m candles; the file holds 5m candles" in message


async def test_minutes_are_not_taken_for_hours(tmp_path: Path) -> None:
    write(tmp_path, frame_of(a_market()), "1h")
    message = await refusal(tmp_path, MissingCandlesError, "1h")
    assert "1h.parquet: no 1h candles; the file holds 1m candles" in message


async def test_a_span_of_one_candle_or_of_a_gap_is_served(tmp_path: Path) -> None:
    write(tmp_path, frame_of(without(a_market(), *range(10, 20))))
    source = source_of(tmp_path)
    for first, last in ((0, 1), (9, 20), (9, 21), (10, 20)):
        got = await source.fetch("BTCUSDT", "1m", START + first * MINUTE_MS, START + last * MINUTE_MS)
        there = [minute for minute in range(first, last) if not 10 <= minute < 20]
        assert got.timestamp.tolist() == [START + minute * MINUTE_MS for minute in there]


async def test_a_longer_interval_is_aggregated_from_the_longest_that_divides_it(tmp_path: Path) -> None:
    quarters = a_market(40, length_ms=15 * MINUTE_MS, seed=2)
    write(tmp_path, frame_of(a_market(600)))
    write(tmp_path, frame_of(quarters), "15m")
    write(tmp_path, frame_of(a_market(9, length_ms=2 * HOUR_MS)), "2h")
    hours = await fetch(tmp_path, "1h", until=START + DAY_MS)
    assert bytes_of(hours) == bytes_of(aggregated(quarters, HOUR_MS, 15 * MINUTE_MS))
    assert len(hours) == 10
    assert bytes_of(await fetch(tmp_path, "1h", until=START + 3 * HOUR_MS)) == bytes_of(hours.slice(0, 3))


@pytest.mark.skipif(not REAL_CANDLES.is_dir(), reason=f"no real candles in {REAL_CANDLES}")
async def test_real_candles_pass_the_door() -> None:
    files = sorted(REAL_CANDLES.glob("*/*/1m.parquet"))
    assert files
    for file in files:
        candles = await source_of(file.parents[1]).fetch(file.parent.name, "1m", 0, 2 * END)
        assert len(candles) == pl.scan_parquet(file).select(pl.len()).collect().item()
