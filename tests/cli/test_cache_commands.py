"""`btk cache` where no venue is needed: imports, exports, ranges and what they say."""

import json
from pathlib import Path

import pytest

from tests.cli.program import RUN, a_strategy, called
from tests.data.candle_files import START, a_market, changed, without, write_csv, write_parquet

MARKET = a_market(3000)


def imported(file: Path, *flags: str) -> None:
    ended = called("cache", "import", str(file), "--exchange", "mine", *flags)
    assert ended.code == 0, ended.err


def listed(*flags: str) -> list[list[str]]:
    """Return the cells of the rows that `btk cache list` shows, without the head and the sum."""
    lines = called("cache", "list", *flags).out.splitlines()
    return [line.split() for line in lines if line.startswith("mine")]


def test_a_dry_run_says_what_an_import_would_and_changes_nothing(folder: Path) -> None:
    file = write_csv(folder / "BTCUSDT-1m.csv", MARKET.slice(0, 2000))
    dry = called("cache", "import", str(file), "--exchange", "mine", "--dry-run")
    assert dry.out == "would import: mine: BTCUSDT 1m, 2025-01-01 00:00 to 2025-01-02 09:20: 2,000 added; 0 gaps\n"
    assert not (folder / ".btk").exists()
    imported(file)
    more = write_csv(folder / "more.csv", without(MARKET, 2500))
    ended = called("cache", "import", str(more), "--exchange", "mine", "--symbol", "BTC/USDT", "--dry-run", "--json")
    document = json.loads(ended.out)
    assert (document["added"], document["same"], len(document["gaps"]), document["dry_run"]) == (999, 2000, 1, True)
    assert [row[3:10] for row in listed()] == [["2025-01-01", "00:00", "2025-01-02", "09:20", "2,000", "0", "0"]]


def test_a_dry_run_fails_where_the_import_would(folder: Path) -> None:
    imported(write_csv(folder / "BTCUSDT-1m.csv", MARKET))
    other = write_csv(folder / "other.csv", changed(MARKET, 7, volume=123.0))
    arguments = ("cache", "import", str(other), "--exchange", "mine", "-s", "BTCUSDT")
    for flags in ((), ("--dry-run",)):
        ended = called(*arguments, *flags)
        assert (ended.code, ended.out) == (3, "")
        assert "2025-01-01 00:07 has volume 123.0" in ended.errors[0]
    assert called(*arguments, "--replace").out.endswith("2,999 same, 1 replaced; 0 gaps\n")


def test_ranges_that_were_never_asked_for_are_seen_between_the_rows(folder: Path) -> None:
    imported(write_parquet(folder / "a.parquet", MARKET.slice(0, 100)), "-s", "BTCUSDT", "-i", "1m")
    imported(write_parquet(folder / "b.parquet", without(MARKET, 2500).slice(2000, 2999)), "-s", "BTCUSDT", "-i", "1m")
    assert [row[3:10] for row in listed()] == [
        ["2025-01-01", "00:00", "2025-01-01", "01:40", "100", "0", "0"],
        ["2025-01-02", "09:20", "2025-01-03", "02:00", "999", "1", "1"],
    ]


def test_what_is_exported_is_what_was_imported(folder: Path) -> None:
    imported(write_csv(folder / "BTCUSDT-1m.csv", MARKET))
    bounds = ("--from", "2025-01-01T01:00", "--to", "2025-01-01T02:00")
    assert called("cache", "export", "x.csv", "-s", "BTC/USDT", "--exchange", "mine", *bounds).out == (
        "wrote x.csv: 60 candles of mine: BTCUSDT 1m, 0 gaps\n"
    )
    assert (folder / "x.csv").read_text().splitlines()[1].startswith(f"{START + 60 * 60_000},")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("export", "x.csv", "-s", "A"), "exchange 'demo' is of kind demo, which keeps no cache: give --exchange NAME"),
        (("export", "x.csv", "-s", "A", "--exchange", "mine", "--from", "2025-01-01"), "expected both --from and --to"),
        (("export", "x.csv", "-s", "A", "--exchange", "mine", "-i", "7x"), "unknown interval '7x'"),
        (("export", "x.doc", "-s", "A", "--exchange", "mine"), "expected a name that ends in .csv"),
        (("list", "--exchange", "nowhere"), "unknown exchange 'nowhere'"),
        (("warm", "-s", "A", "--from", "2025-01-01", "--to", "2025-01-02"), "of kind demo, which is read as it is"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], problem: str) -> None:
    ended = called("cache", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.errors[0]
    assert len(ended.errors) == 1


@pytest.mark.usefixtures("folder")
def test_a_series_that_is_not_there_cannot_be_exported() -> None:
    ended = called("cache", "export", "x.csv", "-s", "A", "--exchange", "mine")
    assert ended.code == 3
    assert ended.errors == ["error: mine: A 1m: no candles in the cache .btk/data"]


def test_a_secret_on_the_command_line_stays_out_of_the_manifest(folder: Path) -> None:
    a_strategy(folder)
    sets = ["exchange.kind=sql", "exchange.table=candles", "exchange.url=postgresql://me:hush@127.0.0.1:1/db"]
    ended = called(*RUN, *(part for text in sets for part in ("--set", text)))
    assert ended.code == 5
    written = [path.read_text() for path in folder.rglob("*.json")]
    assert written
    assert not any("hush" in text for text in (*written, ended.err, ended.out))


def test_a_run_that_lacks_candles_does_not_replace_one_that_had_them(folder: Path) -> None:
    a_strategy(folder)
    candles = a_market(3 * 1440, start=START)
    write_csv(folder / "candles" / "BTCUSDT" / "1m.csv", candles)
    run = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT", "--from", "2025-01-02", "--to", "2025-01-03")
    sets = ("--set", "exchange.kind=csv", "--set", "exchange.path=candles")
    assert called(*run, *sets).code == 0
    (manifest,) = folder.rglob("manifest.json")
    before = manifest.read_bytes()
    write_csv(folder / "candles" / "BTCUSDT" / "1m.csv", candles.slice(0, 1500))
    ended = called(*run, *sets)
    assert ended.code == 3
    assert manifest.read_bytes() == before
    assert "is kept: this one lacks candles that it had" in ended.err
