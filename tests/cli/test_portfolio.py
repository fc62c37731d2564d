"""Limits and the account of a run at the command line."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.cli.program import DAY, a_strategy, called

NINE = "ADAUSDT,AVAXUSDT,BTCUSDT,DOGEUSDT,ETHUSDT,LINKUSDT,SHIBUSDT,SOLUSDT,XRPUSDT"
ALL_AT_ONCE = """
from backtestkit_cli import Signal, add_strategy

def get_signal(symbol, when, price):
    return Signal(position="long", take_profit=price * 1.4, stop_loss=price * 0.81, minutes=1440)

add_strategy("tiny", interval="1h", get_signal=get_signal)
"""
LIMITED = """
entry: tiny.py
exchange: {kind: demo, seed: 7}
frame: {from: 2025-05-04, to: 2025-05-05}
risk: careful
risks:
  careful: {max_open: 3}
"""


@pytest.fixture(autouse=True)
def _files(folder: Path) -> None:
    a_strategy(folder, ALL_AT_ONCE)
    (folder / "run.yaml").write_text(LIMITED)


def who_traded(*arguments: str) -> list[str]:
    ended = called("backtest", "-c", "run.yaml", "--json", *arguments)
    assert ended.code == 0, ended.err
    return [row["symbol"] for row in json.loads(ended.out)["symbols"] if row["trades"]]


@pytest.mark.parametrize("more", [(), ("--max-concurrent", "1"), ("--max-concurrent", "4")])
def test_of_nine_symbols_that_want_to_open_at_once_the_same_three_do(more: tuple[str, ...]) -> None:
    """A76, A125."""
    backwards = ",".join(reversed(NINE.split(",")))
    first = ["ADAUSDT", "AVAXUSDT", "BTCUSDT"]
    assert who_traded("-s", NINE, *more) == who_traded("-s", backwards, *more) == first


@pytest.mark.parametrize(
    ("config", "what"),
    [(LIMITED, "risk profiles (careful)"), ("entry: tiny.py\nportfolio: {balance: 1000}\n", "a portfolio")],
)
def test_processes_are_refused_where_sessions_share_something(folder: Path, config: str, what: str) -> None:
    (folder / "run.yaml").write_text(config)
    ended = called("backtest", "-c", "run.yaml", "-s", "BTCUSDT,ETHUSDT", *DAY, "--workers", "2")
    assert ended.code == 2
    assert ended.errors == [f"error: workers: all symbols share {what}: run with --workers 1"]


@pytest.mark.parametrize(("action", "reason"), [("close_all", "portfolio_stop"), ("block_entries", "time_expired")])
def test_a_drawdown_ends_the_run_with_6_and_says_so_in_the_manifest(folder: Path, action: str, reason: str) -> None:
    """A77: the costs of opening alone are beyond the limit here."""
    portfolio = f"portfolio: {{balance: 500, max_drawdown_pct: 0.1, on_drawdown: {action}}}\n"
    (folder / "run.yaml").write_text(LIMITED + portfolio)
    ended = called("backtest", "-c", "run.yaml", "-s", NINE, "--json")
    document = json.loads(ended.out)
    assert ended.code == document["exit_code"] == 6
    assert not any(row["error"] for row in document["symbols"])
    run = next(folder.glob("dump/runs/*"))
    manifest = json.loads((run / "manifest.json").read_text())
    account = manifest["account"]
    assert manifest["exit_code"] == 6
    assert account["stopped"]["rule"] == "max_drawdown"
    assert account["equity"] == pytest.approx(account["cash"])
    assert manifest["events"]["portfolio_stopped"] == 1
    assert set(pl.read_parquet(run / "trades.parquet")["reason"]) == {reason}


def test_a_daily_loss_is_no_failure_of_the_run(folder: Path) -> None:
    (folder / "run.yaml").write_text(LIMITED + "portfolio: {balance: 500, max_daily_loss_pct: 0.1}\n")
    ended = called("backtest", "-c", "run.yaml", "-s", NINE, "--json")
    assert ended.code == json.loads(ended.out)["exit_code"] == 0
    manifest = json.loads(next(folder.glob("dump/runs/*/manifest.json")).read_text())
    assert manifest["account"]["stopped"]["rule"] == "max_daily_loss"


def test_a_group_that_names_a_symbol_of_no_run_is_noted(folder: Path) -> None:
    """It may be meant for another run; misspelled, its limit would hold nothing."""
    groups = "groups: {majors: [BTC/USDT, ETHUSD], others: [SOLUSDT]}\n"
    (folder / "run.yaml").write_text(LIMITED + groups)
    ended = called("backtest", "-c", "run.yaml", "-s", "BTCUSDT,ETHUSDT,SOLUSDT")
    assert ended.code == 0
    assert [line for line in ended.err.splitlines() if "not among" in line] == [
        "note: group majors: ETHUSD is not among the symbols of this run"
    ]
