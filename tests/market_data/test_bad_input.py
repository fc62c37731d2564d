"""Wrong input and a world that fails: one line, the right exit code, and nothing lost."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from tests.cli.program import called
from tests.data.candle_files import a_market, write_csv
from tests.market_data.venues import DATA, NOWHERE, SYMBOLS, a_config, a_venue, candle_files, tree
from tests.venue.calls import EXCHANGE_INFO, Call, Refusal
from tests.venue.server import Venue, running

WARM = ("cache", "warm", "-c", "run.yaml", "-q")
RUN = ("backtest", "-c", "run.yaml", "-q")
BTC = ("-s", "BTCUSDT")
TABLE = ("--set", "exchange.kind=sql", "--set", "exchange.table=candles", "--from", "2025-01-31", "--to", "2025-02-02")


def the_error(*arguments: str, code: int) -> str:
    """Return the only line that `btk` has to say, which is an error."""
    ended = called(*arguments)
    assert ended.code == code, ended.err
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*WARM, "--exchange", "binence"), 2, ("--exchange", "'binence'", "did you mean 'binance'")),
        ((*RUN, "--exchange", "binence"), 2, ("--exchange", "'binence'", "did you mean 'binance'")),
        ((*WARM, "-s", "BTCUSD"), 3, ("venue: no symbol 'BTCUSD'", "'BTCUSDT'")),
        ((*RUN, "-s", "BTCUSD"), 3, ("venue: no symbol 'BTCUSD'", "'BTCUSDT'")),
        ((*WARM, "-i", "7m"), 2, ("unknown interval '7m'", "did you mean '1m'")),
        ((*WARM, "--from", "2099-01-01", "--to", "2099-01-02"), 3, ("2099-01-02", "in the future")),
        ((*RUN, *BTC, "--from", "2099-01-01", "--to", "2099-01-02"), 3, ("2099-01-02", "in the future")),
        ((*RUN, *BTC, "--from", "2019-01-01", "--to", "2019-01-02"), 3, ("2019-01-02", "no 1m candles of it")),
        ((*RUN, *BTC, "--from", "2025-01-28", "--to", "2025-01-30"), 3, ("2025-01-29 00:00", "missing at the start")),
        ((*WARM, "--data", "tiny.py"), 3, ("tiny.py/venue", "cannot be written: Not a directory")),
        ((*RUN, "--data", "tiny.py"), 3, ("tiny.py/venue", "cannot be written: Not a directory")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_one_line_says_what_is_wrong(
    folder: Path, venue: Venue, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    a_config(folder, venue.url)
    line = the_error(*arguments, code=code)
    assert [word for word in words if word not in line] == []
    assert candle_files(DATA) == {} or "--from" in arguments  # what the venue does not have is kept as well


def test_an_unknown_symbol_does_not_keep_the_others_from_the_cache(folder: Path, venue: Venue) -> None:
    a_config(folder, venue.url)
    assert "no symbol 'BTCUSD'" in the_error(*WARM, "-s", "BTCUSD,BTCUSDT", code=4)
    assert called(*RUN, *BTC, "--offline").code == 0


def test_a_csv_file_with_a_broken_row_is_not_imported_at_all(folder: Path) -> None:
    file = write_csv(folder / "BTCUSDT-1m.csv", a_market(500))
    sound = file.read_text()
    lines = sound.splitlines()
    lines[300] = lines[300].replace(",", ",x", 1)
    file.write_text("\n".join(lines))
    assert "BTCUSDT-1m.csv: line 301: column open" in the_error(
        "cache", "import", file.name, "--exchange", "own", code=3
    )
    assert not DATA.exists()
    file.write_text(sound)
    assert called("cache", "import", file.name, "--exchange", "own").code == 0
    before = tree(DATA)
    file.write_text("\n".join(lines))
    the_error("cache", "import", file.name, "--exchange", "own", code=3)
    assert tree(DATA) == before


def test_a_parquet_file_of_other_columns_names_them(folder: Path) -> None:
    pl.DataFrame({"when": [1], "last": [2.0]}).write_parquet(folder / "BTCUSDT-1m.parquet")
    line = the_error("cache", "import", "BTCUSDT-1m.parquet", "--exchange", "own", code=3)
    assert line.startswith("BTCUSDT-1m.parquet: expected the columns timestamp, open, high, low, close, volume")
    assert line.endswith("found when, last")
    assert not DATA.exists()


def test_without_space_there_is_one_line_and_what_was_there_stays(folder: Path, venue: Venue) -> None:
    """A limit on the size of files stands for the disk: nothing longer than 60 kB can be written."""
    a_config(folder, venue.url, symbols=["BTCUSDT"], frame={"from": "2025-01-31", "to": "2025-01-31T08:00"})
    assert called(*WARM).code == 0
    before = tree(DATA)
    a_config(folder, venue.url, symbols=["BTCUSDT"])
    with files_of_at_most(60_000):
        ended = called(*WARM)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert "BTCUSDT/1m/2025-01.parquet: cannot be written: File too large; what was there is intact" in ended.err
    after = tree(DATA)
    assert {name: after[name] for name in before} == before
    assert called(*RUN).code == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_database_that_refuses_the_connection(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush-hush")
    url = ("--set", "exchange.url=postgresql://me:${DB_PASSWORD}@127.0.0.1:9/market")
    line = the_error("backtest", "-e", "tiny.py", *BTC, *TABLE, *url, "-q", code=5)
    assert "Connection refused" in line
    assert "hush" not in line


def test_a_password_that_is_not_set(folder: Path) -> None:
    url = ("--set", "exchange.url=postgresql://me:${DB_PASSWORD}@127.0.0.1:9/market")
    line = the_error("backtest", "-e", "tiny.py", *BTC, *TABLE, *url, "-q", code=2)
    assert "expected the environment variable DB_PASSWORD, found it unset" in line


@pytest.mark.parametrize("command", [WARM, RUN], ids=["warm", "backtest"])
def test_a_venue_that_refuses_the_key(folder: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Call) -> object:
        raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    monkeypatch.setenv("VENUE_API_KEY", "key-of-mine")
    monkeypatch.setenv("VENUE_API_SECRET", "secret-of-mine")
    with running(a_venue(endpoints={("GET", EXCHANGE_INFO): refuse})) as venue:
        a_config(folder, venue.url)
        line = the_error(*command, *BTC, code=5)
        assert len(venue.requests) == 1
    assert "the venue refused the credentials in VENUE_API_KEY and VENUE_API_SECRET" in line
    assert "-2015" in line
    assert "of-mine" not in line


@pytest.mark.parametrize("command", [WARM, RUN], ids=["warm", "backtest"])
def test_a_venue_that_is_not_there(folder: Path, command: tuple[str, ...]) -> None:
    a_config(folder, NOWHERE)
    line = the_error(*command, *BTC, "--set", "exchange.attempts=2", code=5)
    assert "venue: no answer after 2 attempts" in line
    assert f"{NOWHERE}{EXCHANGE_INFO}" in line


def test_a_venue_that_is_gone_amid_a_warm_up_loses_nothing_that_came(folder: Path) -> None:
    with running(a_venue()) as venue:
        a_config(folder, venue.url)
        assert called(*WARM, *BTC).code == 0
    before = candle_files(DATA)
    line = the_error(*WARM, "-s", ",".join(SYMBOLS), "--set", "exchange.attempts=1", code=4)
    assert "venue: no answer after 1 attempt" in line
    assert candle_files(DATA) == before
