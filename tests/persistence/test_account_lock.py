"""One process trades an account in a mode on an exchange, and its end frees the account, whatever end that is."""

import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backtestkit_cli.errors import LockedError, StoreError
from backtestkit_cli.persistence.account_lock import AccountLock, account_of

KEY = "a-very-secret-key"
ACCOUNT = account_of(KEY)
HOLDER = """
import pathlib, sys, time
from backtestkit_cli.persistence.account_lock import AccountLock
with AccountLock(pathlib.Path(sys.argv[1]), *sys.argv[2:]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Hold the account in another process until the block ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), "live", "binance", ACCOUNT]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_second_process_is_told_who_trades_already_until_that_one_is_killed(tmp_path: Path) -> None:
    lock = AccountLock(tmp_path, "live", "binance", ACCOUNT)
    with another_process(tmp_path) as holder:
        with pytest.raises(LockedError) as refused, lock:
            pass
        expected = (
            rf"live on 'binance', account {ACCOUNT}: is traded by another process already "
            rf"\(pid {holder.pid} on {re.escape(platform.node())}, since 20\d\d-\d\d-\d\d \d\d:\d\d\); "
            r"stop that one first"
        )
        assert re.fullmatch(expected, str(refused.value))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with lock:
            assert f"pid {os.getpid()}" in next(tmp_path.rglob("*.holder")).read_text()


def test_within_one_process_an_account_is_held_once_too(tmp_path: Path) -> None:
    first, second = (AccountLock(tmp_path, "live", "binance", ACCOUNT) for _ in range(2))
    with first:
        with pytest.raises(LockedError, match=f"pid {os.getpid()}"):
            second.acquire()
        second.release()
    with second:
        pass
    second.release()


def test_other_modes_exchanges_accounts_and_folders_are_free(tmp_path: Path) -> None:
    others = [
        AccountLock(tmp_path, "paper", "binance", ACCOUNT),
        AccountLock(tmp_path, "live", "Binance", ACCOUNT),
        AccountLock(tmp_path, "live", "binance", account_of("another key")),
        AccountLock(tmp_path / "other", "live", "binance", ACCOUNT),
    ]
    with AccountLock(tmp_path, "live", "binance", ACCOUNT):
        for lock in others:
            lock.acquire()
    for lock in others:
        lock.release()


def test_the_name_of_an_account_is_short_and_tells_nothing_of_its_key(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", ACCOUNT)
    assert account_of(KEY) == ACCOUNT != account_of(KEY + "x")
    with AccountLock(tmp_path, "live", "binance", ACCOUNT):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        assert all(KEY not in f"{path} {path.read_text()}" for path in files)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written: (Not a directory|File exists)$"):
        AccountLock(tmp_path / "file", "live", "binance", ACCOUNT).acquire()
