"""CSV files: what they may look like, and mistakes named by line and column."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from backtestkit_cli.data.files.csv_table import read_csv
from backtestkit_cli.data.files.names import CSV_SUFFIXES
from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.data.files.table import Table
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError
from tests.data.candle_files import START, a_market, bytes_of, changed, frame_of, without, write_csv

END = START + 300 * MINUTE_MS
HEADER = "timestamp,open,high,low,close,volume"


def a_line(minute: int, **values: str) -> str:
    fields = {"timestamp": str(START + minute * MINUTE_MS), "open": "100", "high": "102", "low": "99", "close": "101"}
    return ",".join(({**fields, "volume": "5"} | values).values())


def lines(*more: str, header: str = HEADER, before: int = 3) -> str:
    return "\n".join([header, *(a_line(minute) for minute in range(before)), *more]) + "\n"


async def fetch(path: Path, symbol: str = "BTCUSDT", interval: str = "1m") -> Candles:
    return await CandleFiles(path, "test", suffixes=CSV_SUFFIXES).fetch(symbol, interval, START, END)


async def refusal(path: Path, kind: type[DataError], interval: str = "1m") -> str:
    with pytest.raises(kind) as caught:
        await fetch(path, interval=interval)
    message = str(caught.value)
    assert "\n" not in message
    return message


async def refusal_of(folder: Path, content: str | bytes, kind: type[DataError] = BadCandleError) -> str:
    file = folder / "BTCUSDT.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    message = await refusal(file, kind)
    assert message.startswith(f"{file}: ")
    return message


async def closes_of(folder: Path, text: str) -> list[float]:
    file = folder / "BTCUSDT.csv"
    file.write_text(text, encoding="utf-8", newline="")
    return [candle.close for candle in await fetch(file)]


async def test_two_identical_calls_parse_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def counted(file: Path) -> Table:
        parsed.append(file)
        return read_csv(file)

    monkeypatch.setattr("backtestkit_cli.data.files.source.read_csv", counted)
    source = CandleFiles(write_csv(tmp_path / "BTCUSDT.csv", a_market()), "test")
    first = await source.fetch("BTCUSDT", "1m", START, END)
    assert bytes_of(await source.fetch("BTCUSDT", "1m", START, END)) == bytes_of(first)
    assert len(await source.fetch("BTCUSDT", "5m", START, END)) == 60
    assert parsed == [tmp_path / "BTCUSDT.csv"]


async def test_a_file_that_is_gone_is_still_remembered(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market())
    source = CandleFiles(file, "test")
    await source.fetch("BTCUSDT", "1m", START, END)
    file.write_text("")
    assert len(await source.fetch("BTCUSDT", "1m", START, END)) == 300


async def test_a_second_symbol_is_not_read_until_it_is_asked_for(tmp_path: Path) -> None:
    write_csv(tmp_path / "BTCUSDT.csv", a_market())
    (tmp_path / "ETHUSDT.csv").write_text("no candles")
    source = CandleFiles(tmp_path, "test")
    assert len(await source.fetch("BTCUSDT", "1m", START, END)) == 300
    with pytest.raises(BadCandleError, match=r"ETHUSDT\.csv: line 1: expected the header"):
        await source.fetch("ETHUSDT", "1m", START, END)


async def test_columns_may_stand_in_any_order_and_case_among_others(tmp_path: Path) -> None:
    text = f"Close,note,OPEN, high ,low,Volume,Timestamp\n101,hello,100,102,99,5,{START}\n"
    assert await closes_of(tmp_path, text) == [101.0]


@pytest.mark.parametrize(
    "header",
    [
        "open_time,open,high,low,close,volume",
        "Open Time,O,H,L,C,V",
        "unix,open,high,low,close,Volume BTC",
        "ts,Open,High,Low,Close,Volume_(BTC)",
        "DATE,OPEN,HIGH,LOW,CLOSE,VOL",
    ],
)
async def test_columns_may_have_other_usual_names(tmp_path: Path, header: str) -> None:
    assert await closes_of(tmp_path, lines(header=header)) == [101.0] * 3


async def test_of_several_times_and_volumes_the_exact_one_and_the_first_are_taken(tmp_path: Path) -> None:
    """As CryptoDataDownload writes: its address, the newest candle first, the volume in both assets."""
    rows = [f"{(START + minute * MINUTE_MS) // 1000},?,BTC/USDT,1,2,1,2,{minute},7" for minute in (2, 1, 0)]
    text = "\n".join(["https://www.a.com", "unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT", *rows, ""])
    (tmp_path / "Binance_BTCUSDT_1m.csv").write_text(text)
    candles = await fetch(tmp_path / "Binance_BTCUSDT_1m.csv")
    assert candles.volume.tolist() == [0.0, 1.0, 2.0]
    assert candles.timestamp.tolist() == [START, START + MINUTE_MS, START + 2 * MINUTE_MS]


async def test_without_a_header_the_fields_have_the_order_of_venues(tmp_path: Path) -> None:
    rows = [f"{a_line(minute)},{START},0,12,0,0,0\n" for minute in range(3)]
    assert await closes_of(tmp_path, "".join(rows)) == [101.0] * 3


@pytest.mark.parametrize(
    "text",
    [lines().replace("\n", "\r\n"), "\ufeff" + lines(), lines().rstrip("\n"), lines() + "\n\n", lines("", "  ")],
    ids=["windows line ends", "byte order mark", "no line end", "blank lines at the end", "blanks at the end"],
)
async def test_the_ways_of_editors_are_no_mistakes(tmp_path: Path, text: str) -> None:
    assert await closes_of(tmp_path, text) == [101.0] * 3
    assert await closes_of(tmp_path, text.replace(HEADER, f"# made by hand\n{HEADER}")) == [101.0] * 3


async def test_numbers_may_be_written_with_an_exponent_quotes_or_blanks(tmp_path: Path) -> None:
    padded = a_line(5, close="101 ", timestamp=f"{START + 5 * MINUTE_MS} ")
    text = lines(a_line(3, close=" 1.01e2"), a_line(4, close='"101"'), padded)
    assert await closes_of(tmp_path, text) == [101.0] * 6


async def test_what_is_gzipped_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT.csv").write_bytes(gzip.compress(lines().encode()))
    assert len(await fetch(tmp_path)) == 3


@pytest.mark.parametrize("cut", [1, 8, 100])
async def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(frame_of(a_market()).write_csv().encode())
    assert "expected a whole gzip file, found: " in await refusal_of(tmp_path, packed[:-cut])


async def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(frame_of(a_market()).write_csv().encode()))
    packed[-6] ^= 1
    assert "expected a whole gzip file, found: " in await refusal_of(tmp_path, bytes(packed))


async def test_the_newest_candle_may_come_first(tmp_path: Path) -> None:
    market = a_market()
    file = tmp_path / "BTCUSDT.csv"
    frame_of(market).reverse().write_csv(file)
    assert bytes_of(await fetch(file)) == bytes_of(market)
    frame_of(changed(market, 7, high=0.5)).reverse().write_csv(file)
    assert f"{file}: line 294 (2025-01-01 00:07): expected high" in await refusal(file, BadCandleError)


MISTAKES = {
    "text": (a_line(3, close="abc"), "line 5: column close: expected a number, found 'abc'"),
    "nothing": (a_line(3, volume=""), "line 5: column volume: expected a number, found ''"),
    "decimal comma": (a_line(3, close='"101,5"'), "line 5: column close: expected a number, found '101,5'"),
    "number and text": (a_line(3, low="99 USD"), "line 5: column low: expected a number, found '99 USD'"),
    "no time": (a_line(3, timestamp=""), "line 5: column timestamp: expected a time, found ''"),
    "small time": (a_line(3, timestamp="1.5"), "line 5: column timestamp: expected Unix milliseconds as in most lines"),
    "in seconds": (
        a_line(3, timestamp=str(START // 1000 + 180)),
        "line 5: column timestamp: expected Unix milliseconds as in most lines, found 1735689780 (in seconds)",
    ),
    "date": (a_line(3, timestamp="2025-01-01"), "line 5: column timestamp: expected a time of 1980 to 2100 in Unix"),
    "huge time": (a_line(3, timestamp="9" * 20), "line 5: column timestamp: expected Unix milliseconds as in most"),
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
    message = await refusal_of(tmp_path, lines(line))
    assert expected in message


async def test_without_a_header_the_first_line_is_line_1(tmp_path: Path) -> None:
    text = lines(a_line(3, close="abc")).removeprefix(HEADER + "\n")
    assert "line 4: column close: expected a number, found 'abc'" in await refusal_of(tmp_path, text)


async def test_a_line_that_was_cut_off_is_refused_though_our_columns_are_whole(tmp_path: Path) -> None:
    rows = [f"{a_line(minute)},{START},7\n" for minute in range(3)]
    cut = "".join([*rows, a_line(3)])
    assert "line 4: expected 8 fields, found 6" in await refusal_of(tmp_path, cut)
    assert await closes_of(tmp_path, "".join(rows).replace(",7\n", ",\n")) == [101.0] * 3


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("timestamp,open,high,low,close", "volume missing, found timestamp,open,high,low,close"),
        ("first,second,third,fourth,fifth,sixth", "timestamp, open, high, low, close, volume missing, found first"),
        ("timestamp,open,open,high,low,close,volume", "open twice"),
        ("", "missing, found a blank line"),
    ],
    ids=["a column less", "other names", "a column twice", "blank"],
)
async def test_a_wrong_header_is_named(tmp_path: Path, header: str, problem: str) -> None:
    message = await refusal_of(tmp_path, lines(header=header))
    assert f"line 1: expected the header {HEADER}; " in message
    assert problem in message


async def test_a_header_with_another_separator_than_the_lines_is_refused(tmp_path: Path) -> None:
    message = await refusal_of(tmp_path, lines(header=HEADER.replace(",", ";")))
    assert "line 2: expected 6 fields, found 1" in message


async def test_too_few_fields_without_a_header_are_refused(tmp_path: Path) -> None:
    message = await refusal_of(tmp_path, f"{START},100,102,99,101\n")
    assert f"line 1: expected the fields {HEADER}, found 5 of them" in message


@pytest.mark.parametrize(
    ("content", "found"),
    [(HEADER.encode(), "none"), (b"", "an empty file"), (gzip.compress(b"", mtime=0), "an empty file")],
)
async def test_a_file_with_no_candles_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    assert f"expected candles, found {found}" in await refusal_of(tmp_path, content, MissingCandlesError)


@pytest.mark.parametrize("content", [bytes(range(256)), lines().encode() + b"\xff\xfe\n"])
async def test_a_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "expected a CSV file of candles" in await refusal_of(tmp_path, content)


async def test_a_zip_archive_is_named(tmp_path: Path) -> None:
    message = await refusal_of(tmp_path, b"PK\x03\x04" + bytes(50), MissingCandlesError)
    assert "found a zip archive; unpack it first" in message


@pytest.mark.parametrize(("held_ms", "held"), [(5 * MINUTE_MS, "5m"), (HOUR_MS, "1h"), (24 * HOUR_MS, "1d")])
async def test_candles_of_a_longer_interval_are_not_taken_for_gaps(tmp_path: Path, held_ms: int, held: str) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market(50, length_ms=held_ms))
    assert f"no 1m candles; the file holds {held} candles" in await refusal(file, MissingCandlesError)
    assert len(await fetch(file, interval=held)) > 0


async def test_candles_of_a_shorter_interval_are_aggregated(tmp_path: Path) -> None:
    market = without(a_market(), 0, 61, 62)
    file = write_csv(tmp_path / "BTCUSDT.csv", market)
    hours = await fetch(file, interval="1h")
    assert bytes_of(hours) == bytes_of(aggregated(market, HOUR_MS, MINUTE_MS))
    assert hours.timestamp.tolist() == [START + hour * HOUR_MS for hour in (1, 2, 3, 4)]
    part = await CandleFiles(file, "test").fetch("BTCUSDT", "1h", START + 2 * HOUR_MS, START + 3 * HOUR_MS)
    assert bytes_of(part) == bytes_of(hours.slice(1, 2))


async def test_candles_that_do_not_divide_the_interval_are_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "BTCUSDT.csv", a_market(50, length_ms=4 * HOUR_MS))
    assert "no 6h candles; the file holds 4h candles" in await refusal(file, MissingCandlesError, "6h")


async def test_sparse_minutes_are_still_minutes(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).choice(300, 200, replace=False)
    market = without(a_market(), *rows.tolist())
    file = write_csv(tmp_path / "BTCUSDT.csv", market)
    assert bytes_of(await fetch(file)) == bytes_of(market)
    assert bytes_of(await fetch(file, interval="1h")) == bytes_of(aggregated(market, HOUR_MS, MINUTE_MS))


async def test_one_misaligned_candle_does_not_make_another_interval(tmp_path: Path) -> None:
    market = changed(a_market(50, length_ms=HOUR_MS), 7, timestamp=START + 7 * HOUR_MS + MINUTE_MS)
    file = write_csv(tmp_path / "BTCUSDT.csv", market)
    assert "line 9 (2025-01-01 07:01): expected a time that" in await refusal(file, BadCandleError, "1h")
