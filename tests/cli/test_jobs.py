"""Jobs from the command line: what a run with them may not do, and what it says of them."""

import json
from pathlib import Path

import pytest

from tests.cli.program import DAY, TINY, a_strategy, called

TWO = ("backtest", "-e", "tiny.py", "-s", "ETHUSDT,BTCUSDT", *DAY)
JOB = (
    TINY
    + """
import time
from backtestkit_cli import add_job

def fetch(call):
    if call.at_ms % 14_400_000 == 0:
        raise RuntimeError("the feed is down")

add_job("news", every="2h", symbols="all", handler=fetch)
"""
)


@pytest.mark.usefixtures("folder")
def test_a_run_with_jobs_is_not_shared_out_to_processes(folder: Path) -> None:
    a_strategy(folder, JOB)
    ended = called(*TWO, "--workers", "2")
    assert ended.code == 2
    assert ended.errors == ["error: workers: all symbols share jobs (news): run with --workers 1"]
    assert not (folder / "dump").exists()


@pytest.mark.usefixtures("folder")
def test_a_run_with_jobs_records_them_and_tells_of_those_that_failed(folder: Path) -> None:
    a_strategy(folder, JOB)
    ended = called(*TWO)
    assert ended.code == 0
    assert "12 errors; the first, BTCUSDT at 2025-05-04 00:00: job news: RuntimeError: the feed is down" in ended.err
    (events,) = folder.glob("dump/runs/*/events.jsonl")
    rows = [json.loads(line) for line in events.read_text().splitlines()]
    ran = [row for row in rows if row["event"] == "job_ran"]
    assert len(ran) == 12
    assert (ran[0]["job"], ran[0]["symbol"], ran[0]["strategy"]) == ("news", "BTCUSDT", "")
    manifest = json.loads(events.with_name("manifest.json").read_text())
    assert manifest["jobs"] == [{"name": "news", "every": "2h", "cron": None, "symbols": ["BTCUSDT", "ETHUSDT"]}]
    assert manifest["events"] == {"error_occurred": 12, "job_ran": 12}
    before = events.read_bytes()
    assert called(*TWO, "--max-concurrent", "1").code == 0
    assert events.read_bytes() == before


@pytest.mark.usefixtures("folder")
def test_an_error_of_a_job_of_the_whole_run_names_no_symbol(folder: Path) -> None:
    a_strategy(folder, JOB.replace(' symbols="all",', ""))
    assert "6 errors; the first, at 2025-05-04 00:00: job news: " in called(*TWO).err


@pytest.mark.usefixtures("folder")
def test_the_time_a_job_may_take_is_a_setting_of_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_strategy(folder, JOB.replace("def fetch(call):", "def fetch(call):\n    time.sleep(60)"))
    monkeypatch.setenv("CC_MAX_JOB_SECONDS", "0.02")
    ended = called(*TWO)
    assert ended.code == 0
    assert "took longer than max_job_seconds (0.02)" in ended.err
    a_strategy(folder, JOB.replace('note="long', 'settings={"max_job_seconds": 1}, note="long'))
    ended = called(*TWO)
    assert ended.code == 2
    assert "max_job_seconds holds for the whole run and cannot be set by a strategy" in ended.errors[0]


@pytest.mark.usefixtures("folder")
def test_a_bad_job_is_an_error_with_its_line(folder: Path) -> None:
    a_strategy(folder, JOB.replace('every="2h"', 'every="7m"'))
    ended = called(*TWO)
    assert ended.code == 2
    assert "tiny.py:16: unknown interval '7m'" in ended.errors[0]
