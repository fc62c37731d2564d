"""Runs that a program started, repeated by a command: where an entry says all, and where the program does."""

import asyncio
import json
from pathlib import Path

from backtestkit_cli import PositionClosed, add_strategy, backtest, listen
from tests.cli.program import called
from tests.runs.programs import TWO_DAYS, hourly, long_each_time


def test_a_run_of_an_entry_that_a_program_started_is_proved(tmp_path: Path) -> None:
    entry = hourly(tmp_path)
    asyncio.run(backtest.run(entry=entry, symbols="BTCUSDT", **TWO_DAYS, settings={"fee_pct": 0.05}, out="dump"))
    ended = called("repro", "latest", "-q")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1].endswith(" trades equal")


def test_strategies_of_a_program_are_left_to_that_program(tmp_path: Path) -> None:
    add_strategy("own", interval="1h", get_signal=long_each_time)
    asyncio.run(backtest.run(symbols="BTCUSDT", **TWO_DAYS, out=tmp_path / "dump"))
    (run,) = (tmp_path / "dump" / "runs").iterdir()
    assert json.loads((run / "manifest.json").read_text())["by_program"] == ["strategies"]
    ended = called("repro", "latest", "-q")
    assert (ended.code, ended.out) == (2, "")
    reason = "its strategies were registered by the program that started it; run that program once more"
    assert ended.errors == [f"error: run {run.name}: cannot be repeated by a command: {reason}"]


def test_what_a_program_adds_to_an_entry_is_named(tmp_path: Path) -> None:
    listen(PositionClosed, lambda event: None)
    asyncio.run(backtest.run(entry=hourly(tmp_path), symbols=["BTCUSDT"], **TWO_DAYS, out=tmp_path / "dump"))
    ended = called("repro", "latest", "-q")
    assert ended.code == 0
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "program listeners registered by the program that started the run, not there now" in rows
