"""The workloads against a plain model of their definition, candle by candle, on a small market."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.markets import random_candles

RUN = Path(__file__).with_name("run.py")
MINUTES = 6_000
Row = tuple[int, float, float, float, float]
NINE = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT", "TRXUSDT")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the group nine, each candle opening at the close before it."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "nine").mkdir()
    for seed, symbol in enumerate(NINE):
        candles = random_candles(seed, MINUTES, volatility=0.0015)
        opened = [float(candles.open[0]), *candles.close[:-1].tolist()]
        frame = pl.DataFrame(
            {
                "timestamp": candles.timestamp,
                "open": opened,
                "high": candles.high,
                "low": candles.low,
                "close": candles.close,
                "volume": candles.volume,
            }
        ).with_columns(
            high=pl.max_horizontal("open", "high", "close"),
            low=pl.min_horizontal("open", "low", "close"),
        )
        frame.write_parquet(folder / "nine" / f"{symbol}.parquet")
    return folder


def rows_of(data: Path, symbol: str) -> list[Row]:
    frame = pl.read_parquet(data / "nine" / f"{symbol}.parquet")
    return list(frame.select("timestamp", "open", "high", "low", "close").iter_rows())


def average(closes: list[float], i: int, n: int) -> float:
    return sum(closes[i - n + 1 : i + 1]) / n


def plain_bracket(rows: list[Row]) -> Iterator[tuple[int, int]]:
    """Yield entry and exit time of W1, one rule a line."""
    closes = [row[4] for row in rows]
    entered, price, wants = -1, 0.0, False
    for i, (_, opened, high, low, _) in enumerate(rows):
        if wants:
            entered, price, wants = i, opened, False
        if entered >= 0 and (i - entered >= 240 or low <= price * 0.99 or high >= price * 1.01):
            yield rows[entered][0], rows[i][0]
            entered = -1
        if entered < 0 and i >= 154 and i % 5 == 4 and i + 1 < len(rows):
            now = average(closes, i, 50) > average(closes, i, 150)
            wants = now and not average(closes, i - 5, 50) > average(closes, i - 5, 150)


def plain_ladder(rows: list[Row]) -> Iterator[tuple[int, int]]:
    """Yield entry and exit time of W2, one rule a line."""
    rungs: list[float] = []
    entered, action = 0, ""
    for i, (at_ms, opened, _, _, close) in enumerate(rows):
        if action == "sell":
            yield entered, at_ms
            rungs = []
        elif action == "buy":
            entered = entered if rungs else at_ms
            rungs.append(opened)
        action = ""
        if i < 9 or i + 1 >= len(rows):
            continue
        if not rungs:
            action = "buy"
            continue
        cost = len(rungs) / sum(1 / price for price in rungs)
        if close >= cost * 1.03 or close <= cost * 0.75:
            action = "sell"
        elif len(rungs) < 10 and close <= rungs[-1] * 0.99:
            action = "buy"


@pytest.mark.parametrize(
    ("workload", "option", "model"),
    [("w1", "", plain_bracket), ("w1", "batch", plain_bracket), ("w2", "", plain_ladder)],
)
def test_the_trades_are_those_of_the_plain_model(
    data: Path, tmp_path: Path, workload: str, option: str, model: Callable[[list[Row]], Iterator[tuple[int, int]]]
) -> None:
    out, trades = tmp_path / "out.json", tmp_path / "trades.json"
    command = [sys.executable, RUN, workload, "--data", data, "--out", out, "--trades", trades, f"--option={option}"]
    subprocess.run([*map(str, command)], check=True, timeout=60)
    found = sorted((row[0], row[1], row[2]) for row in json.loads(trades.read_text()))
    expected = sorted((symbol, *trade) for symbol in NINE for trade in model(rows_of(data, symbol)))
    assert found == expected
    assert len(expected) > 30
    result = json.loads(out.read_text())
    assert {"peer", "version", "workload", "candles", "import_s", "load_s", "warm_s", "engine_s"} <= result.keys()
    assert result["trades"] == sum(count for count, _ in result["per_symbol"].values()) == len(found)
    assert result["pnl_pct"] == pytest.approx(sum(row[5] for row in json.loads(trades.read_text())))


def test_w4_runs_a_hundred_combinations_the_same_in_both_forms(data: Path, tmp_path: Path) -> None:
    combos = []
    for option in ("", "batch"):
        out = tmp_path / f"out{option}.json"
        command = [sys.executable, RUN, "w4", "--data", data, "--out", out, f"--option={option}"]
        subprocess.run([*map(str, command)], check=True, timeout=60)
        combos.append(json.loads(out.read_text())["combos"])
    assert len(combos[0]) == 100
    assert combos[0] == combos[1]
    assert len({tuple(combo) for combo in combos[0]}) > 50, "the combinations differ"
