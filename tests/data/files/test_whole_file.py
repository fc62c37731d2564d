"""All candles of one file, as imports ask for them: checked, with their interval, or nothing."""

from pathlib import Path

import pytest

from backtestkit_cli.data.files.source import read_candle_file
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, interval_ms
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError, UnknownNameError
from tests.data.candle_files import a_market, bytes_of, changed, without, write_csv, write_parquet


def refusal(file: Path, kind: type[DataError], interval: str | None = None) -> str:
    with pytest.raises(kind) as caught:
        read_candle_file(file, interval=interval)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "90m", "1h", "4h", "1d"])
@pytest.mark.parametrize("is_given", [True, False])
def test_all_candles_are_returned_with_their_interval(tmp_path: Path, interval: str, is_given: bool) -> None:
    market = without(a_market(50, length_ms=interval_ms(interval)), 3, 4, 30)
    for file in (write_csv(tmp_path / "a.csv", market), write_parquet(tmp_path / "a.parquet", market)):
        candles, found = read_candle_file(file, interval=interval if is_given else None)
        assert bytes_of(candles) == bytes_of(market)
        assert found == interval


def test_the_interval_is_returned_in_its_longest_unit(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", a_market(5, length_ms=60 * MINUTE_MS))
    assert read_candle_file(file, interval="60m")[1] == "1h"


def test_the_name_tells_the_interval_of_a_single_candle(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "BTCUSDT-1h-2025-01-01.csv", a_market(1))
    assert read_candle_file(file)[1] == "1h"
    unnamed = write_csv(tmp_path / "BTCUSDT.csv", a_market(1))
    assert "found one candle; give the interval" in refusal(unnamed, MissingCandlesError)
    assert len(read_candle_file(unnamed, interval="5m")[0]) == 1


@pytest.mark.parametrize(("held", "given"), [("5m", "1m"), ("1m", "5m"), ("1d", "1h")])
def test_an_interval_that_the_times_contradict_is_refused(tmp_path: Path, held: str, given: str) -> None:
    market = a_market(length_ms=interval_ms(held))
    expected = f"no {given} candles; the file holds {held} candles"
    assert expected in refusal(write_csv(tmp_path / "a.csv", market), MissingCandlesError, given)
    assert expected in refusal(write_csv(tmp_path / f"a-{given}.csv", market), MissingCandlesError)


def test_steps_that_are_no_interval_are_named(tmp_path: Path) -> None:
    weeks = write_csv(tmp_path / "weeks.csv", a_market(20, length_ms=7 * DAY_MS))
    assert "found candles 7d apart; give the interval" in refusal(weeks, MissingCandlesError)
    sevens = write_csv(tmp_path / "sevens.csv", a_market(20, length_ms=7 * MINUTE_MS))
    assert "found candles 7m apart; give the interval" in refusal(sevens, MissingCandlesError)
    seconds = write_csv(tmp_path / "seconds.csv", a_market(20, length_ms=1000))
    assert "line 3" in refusal(seconds, BadCandleError)


def test_nothing_is_returned_of_a_file_with_one_bad_row(tmp_path: Path) -> None:
    market = changed(a_market(), 250, close=-1.0)
    assert "a.csv: line 252 (2025-01-01 04:10): expected positive prices, found close -1.0" in refusal(
        write_csv(tmp_path / "a.csv", market), BadCandleError
    )
    assert "a.parquet: row 251 (2025-01-01 04:10): expected positive prices" in refusal(
        write_parquet(tmp_path / "a.parquet", market), BadCandleError
    )


def test_what_is_not_there_or_no_interval_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "a.csv", MissingCandlesError)
    assert "cannot be read: No such file" in refusal(tmp_path / "a.parquet", MissingCandlesError)
    with pytest.raises(UnknownNameError, match="unknown interval '7x'"):
        read_candle_file(write_csv(tmp_path / "b.csv", a_market(1)), interval="7x")
