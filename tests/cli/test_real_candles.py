"""The example strategies on real candles, where those are at hand: sixteen perpetuals, and symbols of unequal range."""

import json
from pathlib import Path

import pytest

from tests.cli.program import ROOT, called

CANDLES = ROOT.parent / "shared" / "data" / "candles" / "binance-usdm"
pytestmark = pytest.mark.skipif(not CANDLES.is_dir(), reason=f"no real candles at {CANDLES}")


def real(*arguments: str) -> tuple[str, ...]:
    config = ROOT / "configs" / "parquet.yaml"
    return ("backtest", "-c", str(config), "--set", f"exchange.path={CANDLES}", "--json", *arguments)


@pytest.mark.parametrize("name", ["sma_cross", "dca", "breakout_batch", "scale_out", "ladder"])
def test_an_example_runs_on_sixteen_perpetuals(folder: Path, name: str) -> None:
    ended = called(*real("-e", str(ROOT / "strategies" / f"{name}.py")))
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    rows = document["symbols"]
    assert len(rows) == 16
    assert document["total"]["trades"] == sum(row["trades"] for row in rows) > 80
    assert all(row["trades"] > 0 for row in rows)


def test_the_ratio_of_btc_and_eth_is_traded_on_real_candles(folder: Path) -> None:
    ended = called(*real("-e", str(ROOT / "strategies" / "btc_eth_ratio.py"), "-s", "BTCUSDT,ETHUSDT"))
    assert ended.code == 0, ended.err
    trades = [row["trades"] for row in json.loads(ended.out)["symbols"]]
    assert min(trades) >= 5


def test_symbols_of_different_ranges_report_what_is_missing_and_the_rest_finish(folder: Path) -> None:
    """BTC to LTC have all of May; ADA begins on the 9th, FIL is of 2023, ALGO has no minutes."""
    symbols = "BTCUSDT,ETHUSDT,BNBUSDT,SOLUSDT,XRPUSDT,LTCUSDT,ADAUSDT,FILUSDT,ALGOUSDT"
    ended = called(*real("-s", symbols, "--from", "2025-05-06", "--to", "2025-06-02"))
    assert ended.code == 4
    document = json.loads(ended.out)
    failed = {row["symbol"]: row["error"] for row in document["symbols"] if row["error"]}
    assert failed.keys() == {"ADAUSDT", "FILUSDT", "ALGOUSDT"}
    assert "2025-05-09 18:18" in failed["ADAUSDT"]
    assert "5m, 15m" in failed["ALGOUSDT"]
    assert sum(row["trades"] > 0 for row in document["symbols"]) == 6
