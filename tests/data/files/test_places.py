"""Which file serves a symbol and interval, and what is said when none does."""

import gzip
from pathlib import Path

import pytest

from backtestkit_cli.data.files.names import CSV_SUFFIXES, PARQUET_SUFFIXES
from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS, interval_ms
from backtestkit_cli.errors import MissingCandlesError
from tests.data.candle_files import START, a_market, bytes_of, write_csv, write_parquet

END = START + 300 * MINUTE_MS


def a_file(file: Path, interval: str = "1m") -> Path:
    market = a_market(length_ms=interval_ms(interval))
    if file.suffix == ".parquet":
        return write_parquet(file, market)
    if file.suffix == ".gz":
        plain = write_csv(file.with_suffix(""), market)
        file.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        return file
    return write_csv(file, market)


async def count(path: Path, symbol: str = "BTCUSDT", interval: str = "1m") -> int:
    return len(await CandleFiles(path, "test").fetch(symbol, interval, START, END))


async def refusal(source: CandleFiles, symbol: str = "BTCUSDT", interval: str = "1m") -> str:
    with pytest.raises(MissingCandlesError) as caught:
        await source.fetch(symbol, interval, START, END)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".csv.gz", ".CSV"])
@pytest.mark.parametrize(
    "name", ["BTCUSDT", "BTCUSDT/1m", "BTCUSDT-1m", "BTCUSDT_1m", "Binance_BTCUSDT_1m", "BTC_USDT-1m"]
)
async def test_a_folder_serves_a_file_or_a_folder_per_symbol(tmp_path: Path, name: str, suffix: str) -> None:
    a_file(tmp_path / f"{name}{suffix}")
    a_file(tmp_path / f"ETHUSDT{suffix}", "1h")
    assert await count(tmp_path) == 300
    assert await count(tmp_path, "BTC/USDT") == 300
    assert await count(tmp_path, "BTC/USDT:USDT") == 300


@pytest.mark.parametrize(
    "name",
    [
        *("BTCUSDT.csv", "BTCUSDT-1m-2025-01.csv", "BTCUSDT_1m.csv", "BTCUSDT.1m.csv", "BTCUSDT_export.csv"),
        *("Binance_BTCUSDT_1m.csv", "BTC-USDT.csv", "btcusdt.csv", "BTCUSDT", "BTCUSDT.txt"),
    ],
)
async def test_a_single_file_serves_the_symbol_it_is_named_after(tmp_path: Path, name: str) -> None:
    source = CandleFiles(a_file(tmp_path / name), "test")
    assert len(await source.fetch("BTCUSDT", "1m", START, END)) == 300
    assert "no candles of 'ETHUSDT'; the file holds '" in await refusal(source, "ETHUSDT")


async def test_the_symbol_of_a_single_file_can_be_given(tmp_path: Path) -> None:
    source = CandleFiles(a_file(tmp_path / "BTCUSDT.csv"), "test", symbol="ETH/USDT")
    assert len(await source.fetch("ETH/USDT", "1m", START, END)) == 300
    assert len(await source.fetch("ETHUSDT", "1m", START, END)) == 300
    assert "no candles of 'BTCUSDT'; the file holds 'ETH/USDT'" in await refusal(source)


async def test_the_interval_in_a_name_is_kept_to_unless_another_is_given(tmp_path: Path) -> None:
    file = a_file(tmp_path / "BTCUSDT-1m.csv", "5m")
    assert "no 1m candles; the file holds 5m candles" in await refusal(CandleFiles(file, "test"), interval="5m")
    assert len(await CandleFiles(file, "test", interval="5m").fetch("BTCUSDT", "5m", START, END)) == 60
    wrong = CandleFiles(a_file(tmp_path / "BTCUSDT.csv", "5m"), "test", interval="1m")
    assert "no 1m candles; the file holds 5m candles" in await refusal(wrong, interval="5m")


async def test_the_nearest_file_is_chosen(tmp_path: Path) -> None:
    a_file(tmp_path / "BTCUSDT-1m.csv")
    a_file(tmp_path / "BTCUSDT" / "15m.csv", "15m")
    assert await count(tmp_path, interval="1m") == 300
    assert await count(tmp_path, interval="15m") == 20
    assert await count(tmp_path, interval="30m") == 10
    hours = a_market(5, length_ms=HOUR_MS, seed=9)
    write_csv(tmp_path / "BTCUSDT.csv", hours)
    assert bytes_of(await CandleFiles(tmp_path, "test").fetch("BTCUSDT", "1h", START, END)) == bytes_of(hours)


async def test_the_exact_spelling_and_the_first_suffix_are_preferred(tmp_path: Path) -> None:
    a_file(tmp_path / "BTC-USDT.csv", "1h")
    write_csv(tmp_path / "BTCUSDT.csv", a_market(10))
    write_parquet(tmp_path / "BTCUSDT.parquet", a_market(20))
    assert await count(tmp_path) == 20
    assert len(await CandleFiles(tmp_path, "test", suffixes=CSV_SUFFIXES).fetch("BTCUSDT", "1m", START, END)) == 10


async def test_an_unknown_symbol_offers_the_nearest(tmp_path: Path) -> None:
    a_file(tmp_path / "BTCUSDT.csv")
    a_file(tmp_path / "ETHUSDT" / "1m.parquet")
    source = CandleFiles(tmp_path, "test")
    assert f"{tmp_path}: no candles of 'BTCUSD'; did you mean 'BTCUSDT'" in await refusal(source, "BTCUSD")
    assert "; did you mean 'ETHUSDT'" in await refusal(source, "ETH/USD")
    assert "; known: BTCUSDT, ETHUSDT" in await refusal(source, "XYZ")


async def test_a_missing_interval_names_those_that_are_there_shortest_first(tmp_path: Path) -> None:
    for interval in ("1h", "15m", "5m"):
        a_file(tmp_path / "BTCUSDT" / f"{interval}.parquet", interval)
    message = await refusal(CandleFiles(tmp_path, "test"))
    assert f"{tmp_path / 'BTCUSDT'}: no 1m candles of BTCUSDT; there: 5m, 15m, 1h" in message


async def test_a_missing_or_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    source = CandleFiles(tmp_path / "mine", "test", suffixes=PARQUET_SUFFIXES)
    assert "mine: expected a file of candles or a folder of them, found none" in await refusal(source)
    (tmp_path / "mine").mkdir()
    a_file(tmp_path / "mine" / "BTCUSDT.csv")
    message = await refusal(source)
    assert "expected <symbol>.parquet or <symbol>/<interval>.parquet, found no such file" in message
    (tmp_path / "mine" / "BTCUSDT").mkdir()
    assert "no 1m candles of BTCUSDT; there: no .parquet file" in await refusal(source)


@pytest.mark.parametrize("symbol", ["..", ".", "", "../BTCUSDT", "../other/BTCUSDT", "sub/BTCUSDT"])
async def test_a_symbol_cannot_leave_the_folder(tmp_path: Path, symbol: str) -> None:
    for name in ("BTCUSDT.csv", "1m.csv", "other/BTCUSDT/1m.csv", "mine/sub/BTCUSDT.csv", "mine/BTCUSDT/1m.csv"):
        a_file(tmp_path / name)
    await refusal(CandleFiles(tmp_path / "mine", "test"), symbol)


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT.csv").mkdir()
    (tmp_path / "BTCUSDT" / "1m.csv").mkdir(parents=True)
    assert "1m.csv: cannot be read: Is a directory" in await refusal(CandleFiles(tmp_path, "test"))
