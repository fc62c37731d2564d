"""`btk paper --standby`: what it says while another process trades the same, and how that ends."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from backtestkit_cli.persistence.account_lock import AccountLock
from tests.cli.program import Ended, a_strategy, popen

SOON_S = 30.0
RUN = ("paper", "-e", "tiny.py", "-s", "BTCUSDT", "--set", "store.folder=state")


def standing_by(folder: Path) -> "subprocess.Popen[str]":
    """Start a bot that has said that it waits."""
    a_strategy(folder)
    process = popen(*RUN, "--standby", folder=folder)
    assert process.stderr is not None
    assert process.stderr.readline().rstrip().endswith("; waiting until it ends")
    return process


def interrupted(process: "subprocess.Popen[str]") -> Ended:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SOON_S)
    return Ended(process.returncode, out, err)


@pytest.fixture
def held(tmp_path: Path) -> AccountLock:
    return AccountLock(tmp_path / "state", "paper", "demo", "simulated")


def test_ctrl_c_ends_one_that_stands_by_in_order(held: AccountLock, tmp_path: Path) -> None:
    with held:
        ended = interrupted(standing_by(tmp_path))
    assert ended.code == 0
    assert ended.errors == []
    assert ended.err.splitlines()[-1] == "another process trades the same: nothing was started"
    assert not (tmp_path / "dump").exists()


def test_one_that_stands_by_takes_over_and_says_so(held: AccountLock, tmp_path: Path) -> None:
    with held:
        process = standing_by(tmp_path)
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "took over after" in said
    assert "goes on from the saved state" in said
    until_s = time.monotonic() + SOON_S
    while not [*tmp_path.glob("dump/runs/*/events.jsonl")] and time.monotonic() < until_s:
        time.sleep(0.02)
    ended = interrupted(process)
    assert (ended.code, ended.errors) == (0, [])
