"""CSV files: one file or a folder, and mistakes named by line and column."""

from pathlib import Path

import polars as pl
import pytest

from backtestkit_cli.data.csv_file import CsvFiles
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError
from tests.data.candle_files import START, a_market, bytes_of, changed, frame_of, write_csv

END = START + 300 * MINUTE_MS
HEADER = "timestamp,open,high,low,close,volume"


def a_line(minute: int, **values: str) -> str:
    fields = {"timestamp": str(START + minute * MINUTE_MS), "open": "100", "high": "102", "low": "99", "close": "101"}
    return ",".join(({**fields, "volume": "5"} | values).values())


def lines(*more: str, header: str = HEADER, before: int = 3) -> str:
    return "\n".join([header, *(a_line(minute) for minute in range(before)), *more]) + "\n"


async def fetch(path: Path, symbol: str = "BTCUSDT", interval: str = "1m") -> Candles:
    return await CsvFiles(path, "test").fetch(symbol, interval, START, END)


async def refusal(path: Path, kind: type[DataError], symbol: str = "BTCUSDT", interval: str = "1m") -> str:
    with pytest.raises(kind) as caught:
        await fetch(path, symbol, interval)
    message = str(caught.value)
    assert "\n" not in message
    return message


async def refusal_of(folder: Path, text: str, kind: type[DataError] = BadCandleError) -> str:
    file = folder / "BTCUSDT.csv"
    file.write_text(text, encoding="utf-8", newline="")
    message = await refusal(file, kind)
    assert message.startswith(f"{file}: ")
    return message


async def closes_of(folder: Path, text: str) -> list[float]:
    file = folder / "BTCUSDT.csv"
    file.write_text(text, encoding="utf-8", newline="")
    return [candle.close for candle in await fetch(file)]


@pytest.mark.parametrize("place", ["BTCUSDT.csv", "BTCUSDT/1m.csv"])
async def test_a_folder_serves_a_file_or_a_folder_per_symbol(tmp_path: Path, place: str) -> None:
    write_csv(tmp_path / place, a_market())
    assert bytes_of(await fetch(tmp_path)) == bytes_of(a_market())


@pytest.mark.parametrize("name", ["BTCUSDT.csv", "BTCUSDT-1m-2025-01.csv", "BTCUSDT_1m.csv", "BTCUSDT.1m.csv"])
async def test_a_single_file_serves_the_symbol_it_is_named_after(tmp_path: Path, name: str) -> None:
    file = write_csv(tmp_path / name, a_market())
    assert len(await fetch(file)) == 300
    assert "no candles of 'ETHUSDT'; the file holds 'BTCUSDT'" in await refusal(file, MissingCandlesError, "ETHUSDT")


async def test_the_symbol_of_a_single_file_can_be_given(tmp_path: Path) -> None:
    source = CsvFiles(write_csv(tmp_path / "export.csv", a_market()), "test", symbol="ETH/USDT")
    assert len(await source.fetch("ETH/USDT", "1m", START, END)) == 300


async def test_a_file_is_parsed_once(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market())
    source = CsvFiles(file, "test")
    await source.fetch("BTCUSDT", "1m", START, END)
    file.unlink()
    (tmp_path / "BTCUSDT.csv").touch()
    assert len(await source.fetch("BTCUSDT", "1m", START, END)) == 300


async def test_columns_may_stand_in_any_order_and_case_among_others(tmp_path: Path) -> None:
    text = f"Close,note,OPEN, high ,low,Volume,Timestamp\n101,hello,100,102,99,5,{START}\n"
    assert await closes_of(tmp_path, text) == [101.0]


@pytest.mark.parametrize(
    "text",
    [lines().replace("\n", "\r\n"), "\ufeff" + lines(), lines().rstrip("\n"), lines() + "\n\n", lines("", "  ")],
    ids=["windows line ends", "byte order mark", "no line end", "blank lines at the end", "blanks at the end"],
)
async def test_the_ways_of_editors_are_no_mistakes(tmp_path: Path, text: str) -> None:
    assert await closes_of(tmp_path, text) == [101.0] * 3


async def test_numbers_may_be_written_with_an_exponent_quotes_or_blanks(tmp_path: Path) -> None:
    text = lines(a_line(3, close=" 1.01e2"), a_line(4, close='"101"'))
    assert await closes_of(tmp_path, text) == [101.0] * 5


MISTAKES = {
    "text": (a_line(3, close="abc"), "line 5: column close: expected a number, found 'abc'"),
    "nothing": (a_line(3, volume=""), "line 5: column volume: expected a number, found ''"),
    "decimal comma": (a_line(3, close='"101,5"'), "line 5: column close: expected a number, found '101,5'"),
    "number and text": (a_line(3, low="99 USD"), "line 5: column low: expected a number, found '99 USD'"),
    "fraction": (a_line(3, timestamp="1.5"), "line 5: column timestamp: expected whole Unix milliseconds, found '1.5'"),
    "date": (a_line(3, timestamp="2025-01-01"), "line 5: column timestamp: expected whole Unix milliseconds, found"),
    "huge time": (a_line(3, timestamp="9" * 20), "line 5: column timestamp: expected whole Unix milliseconds, found"),
    "too few": (f"{START},1,2", "line 5: expected 6 fields, found 3"),
    "too many": (a_line(3) + ",7", "line 5: expected 6 fields, found 7"),
    "blank line": ("\n" + a_line(3), "line 5: expected 6 fields, found a blank line"),
    "NaN": (a_line(3, open="NaN"), "line 5 (2025-01-01 00:03): expected finite prices, found open nan"),
    "unsorted": (a_line(1), "line 5 (2025-01-01 00:01): candles are not sorted"),
    "duplicate": (a_line(2), "line 5 (2025-01-01 00:02): duplicate candle"),
    "high below low": (a_line(3, high="98"), "line 5 (2025-01-01 00:03): expected high to be the highest"),
    "negative": (a_line(3, volume="-1"), "line 5 (2025-01-01 00:03): expected a finite volume of 0 or more"),
}


@pytest.mark.parametrize(("line", "expected"), MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_named_by_its_line(tmp_path: Path, line: str, expected: str) -> None:
    assert expected in await refusal_of(tmp_path, lines(line))


async def test_times_in_seconds_are_named_as_such(tmp_path: Path) -> None:
    frame = frame_of(a_market()).with_columns(pl.col("timestamp") // 1000)
    assert "(are these seconds?)" in await refusal_of(tmp_path, frame.write_csv())


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("timestamp,open,high,low,close", "volume missing, found timestamp,open,high,low,close"),
        (HEADER.replace(",", ";"), "missing, found timestamp;open;high;low;close;volume"),
        (a_line(0), f"missing, found {START},100,102,99,101,5"),
        ("timestamp,open,open,high,low,close,volume", "open twice"),
        ("", "missing, found a blank line"),
    ],
    ids=["a column less", "semicolons", "no header", "a column twice", "blank"],
)
async def test_a_wrong_header_is_named(tmp_path: Path, header: str, problem: str) -> None:
    message = await refusal_of(tmp_path, lines(header=header))
    assert f"line 1: expected the header {HEADER}; " in message
    assert problem in message


async def test_a_file_with_no_candles_is_refused(tmp_path: Path) -> None:
    expected = "expected candles below the header, found none"
    assert expected in await refusal_of(tmp_path, HEADER + "\n", MissingCandlesError)
    assert "found a blank line" in await refusal_of(tmp_path, "")


async def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT.csv").write_bytes(bytes(range(256)))
    assert "expected a CSV file of candles" in await refusal(tmp_path, BadCandleError)
    (tmp_path / "BTCUSDT.csv").write_bytes(lines().encode() + b"\xff\xfe\n")
    assert "BTCUSDT.csv: " in await refusal(tmp_path, BadCandleError)


@pytest.mark.parametrize(("held_ms", "held"), [(5 * MINUTE_MS, "5m"), (HOUR_MS, "1h"), (24 * HOUR_MS, "1d")])
async def test_candles_of_a_longer_interval_are_not_taken_for_gaps(tmp_path: Path, held_ms: int, held: str) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market(50, length_ms=held_ms))
    assert f"no 1m candles; the file holds {held} candles" in await refusal(file, MissingCandlesError)
    assert len(await fetch(file, interval=held)) > 0


async def test_candles_of_a_shorter_interval_are_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market())
    assert "no 1h candles; the file holds 1m candles" in await refusal(file, MissingCandlesError, interval="1h")


async def test_one_misaligned_candle_does_not_make_another_interval(tmp_path: Path) -> None:
    market = changed(a_market(50, length_ms=HOUR_MS), 7, timestamp=START + 7 * HOUR_MS + MINUTE_MS)
    file = write_csv(tmp_path / "BTCUSDT.csv", market)
    assert "line 9 (2025-01-01 07:01): expected a time that" in await refusal(file, BadCandleError, interval="1h")


async def test_what_a_folder_does_not_have_is_named_with_what_it_has(tmp_path: Path) -> None:
    assert "expected a CSV file or a folder of them" in await refusal(tmp_path / "none", MissingCandlesError)
    assert "found no such file" in await refusal(tmp_path, MissingCandlesError)
    write_csv(tmp_path / "BTCUSDT.csv", a_market())
    write_csv(tmp_path / "ETHUSDT" / "5m.csv", a_market(length_ms=5 * MINUTE_MS))
    assert "did you mean 'BTCUSDT'" in await refusal(tmp_path, MissingCandlesError, "BTCUSD")
    assert "no 1m candles of ETHUSDT; there: 5m" in await refusal(tmp_path, MissingCandlesError, "ETHUSDT")


@pytest.mark.parametrize("symbol", ["..", ".", "", "../BTCUSDT", "sub/BTCUSDT"])
async def test_a_symbol_cannot_leave_the_folder(tmp_path: Path, symbol: str) -> None:
    write_csv(tmp_path / "BTCUSDT.csv", a_market())
    write_csv(tmp_path / "1m.csv", a_market())
    write_csv(tmp_path / "mine" / "sub" / "BTCUSDT.csv", a_market())
    await refusal(tmp_path / "mine", MissingCandlesError, symbol)
