"""Real candles with many gaps, imported as they are: the gap map is theirs, and every gap policy runs."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from tests.cli.program import called
from tests.data.candle_files import REAL_CANDLES
from tests.market_data.venues import manifest_in

SET = "bittrex-gappy"
GAPS = {"ADABTC": (1_803, 23_758), "LSKBTC": (17_174, 51_358)}
"""Gaps and missing minutes."""
pytestmark = pytest.mark.skipif(not (REAL_CANDLES / SET).is_dir(), reason=f"no real candles at {REAL_CANDLES / SET}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the candles, imported as the exchange `old`."""
    folder = tmp_path_factory.mktemp("gappy")
    for symbol in GAPS:
        file = REAL_CANDLES / SET / symbol / "1m.parquet"
        ended = called("cache", "import", str(file), "--symbol", symbol, "--exchange", "old", "--data", str(folder))
        assert (ended.code, ended.err) == (0, "")
    return folder


@pytest.fixture(autouse=True)
def _data_is_there(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTK_DATA", str(data))


def listed(symbol: str) -> dict[str, Any]:
    """Return what `btk cache list` says of *symbol*."""
    (series,) = [one for one in json.loads(called("cache", "list", "--json").out)["series"] if one["symbol"] == symbol]
    found: dict[str, Any] = series
    return found


def a_run(series: dict[str, Any], policy: str) -> tuple[str, ...]:
    """Return a run over all candles of *series*: the first five are for the look back."""
    start, end = series["first"] + 5 * MINUTE_MS, series["last"] + MINUTE_MS
    span = ("--from", utc_text(start).replace(" ", "T"), "--to", utc_text(end).replace(" ", "T"))
    return ("backtest", "-e", "tiny.py", "--exchange", "old", "-s", series["symbol"], *span, "--set", f"gaps={policy}")


@pytest.mark.parametrize("symbol", GAPS)
def test_the_gap_map_is_what_the_manifest_of_the_candles_counts(symbol: str) -> None:
    with (REAL_CANDLES / "manifest.csv").open() as lines:
        (told,) = [row for row in csv.DictReader(lines) if row["exchange"] == SET and row["symbol"] == symbol]
    assert (int(told["gaps"]), int(told["missing"])) == GAPS[symbol]
    series = listed(symbol)
    assert (series["exchange"], series["interval"], series["candles"]) == ("old", "1m", int(told["candles"]))
    assert (len(series["gaps"]), series["missing"]) == GAPS[symbol]
    assert sum(end - start for start, end in series["gaps"]) == series["missing"] * MINUTE_MS
    assert (utc_text(series["first"]), utc_text(series["last"])) == (told["start"], told["end"])
    verified = json.loads(called("cache", "verify", "-s", symbol, "--json").out)
    assert (verified["damaged"], sum(file["candles"] for file in verified["files"])) == (0, series["candles"])


@pytest.mark.parametrize("symbol", GAPS)
def test_every_gap_policy_runs_and_counts_what_is_missing(folder: Path, symbol: str) -> None:
    series = listed(symbol)
    gaps, missing = GAPS[symbol]
    refused = called(*a_run(series, "error"), "-q")
    assert (refused.code, len(refused.err.splitlines())) == (3, 1)
    assert refused.err.startswith(
        f"error: {symbol}: {missing:,} 1m candles missing in {gaps:,} gaps, the first 2018-01-"
    )
    for policy, done in (("fill", "filled"), ("skip", "skipped")):
        ended = called(*a_run(series, policy), "-o", policy)
        assert (ended.code, ended.errors) == (0, [])
        assert f"note: {missing:,} missing minutes {done}" in ended.err
        facts = manifest_in(folder / policy)["candles"][symbol]
        assert (facts["gaps"], facts["missing"]) == (series["gaps"], missing)
        assert facts["count"] == series["candles"] + (missing if policy == "fill" else 0)
        (row,) = _rows(folder / policy / "backtest" / "tiny.md", "## Gaps")
        assert row[:2] + row[3:4] == [symbol, f"{missing:,}", f"{gaps:,}"]


def _rows(report: Path, heading: str) -> list[list[str]]:
    """Return the cells of the table under *heading*."""
    section = report.read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
