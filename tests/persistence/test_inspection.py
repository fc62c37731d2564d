import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence import holders
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.persistence.holders import Presence
from backtestkit_cli.persistence.inspection import inspected


def a_record(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def a_holder(folder: Path, text: str) -> None:
    a_record(folder, "locks/paper/binance/0a1b2c.holder", text)


def test_records_are_counted_by_what_can_be_done_with_them_and_nothing_is_changed(tmp_path: Path) -> None:
    good = a_record(tmp_path, "paper/signal/a.json", {"version": 1, "record": {}})
    bad = [
        a_record(tmp_path, f"paper/signal/{name}.json", content)
        for name, content in {"b": "", "c": '{"versi', "d": [], "e": {"version": 1}, "f": {"version": True}}.items()
    ]
    newer = a_record(tmp_path, "paper/g.json", {"version": 2, "anything": []})
    aside = a_record(tmp_path, "paper/signal/h.json.corrupt-1", "?")
    a_record(tmp_path, ".probe", "")
    before = {file: file.read_bytes() for file in (good, *bad, newer, aside)}
    report = inspected(tmp_path)
    assert report.records == 1
    assert report.damaged == tuple(bad)
    assert report.newer == (newer,)
    assert report.moved_aside == (aside,)
    assert {file: file.read_bytes() for file in before} == before


def test_a_folder_that_is_not_there_is_empty_and_one_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    assert inspected(tmp_path / "none").records == 0
    with pytest.raises(StoreError, match=r"file: cannot be read: Not a directory"):
        inspected(a_record(tmp_path, "file", "x"))


def test_it_is_told_who_holds_a_lock_and_whether_he_is_still_there(tmp_path: Path) -> None:
    with AccountLock(tmp_path, "paper", "binance", "0a1b2c"):
        (holder,) = inspected(tmp_path).holders
        assert (holder.mode, holder.exchange, holder.account) == ("paper", "binance", "0a1b2c")
        assert (holder.pid, holder.node, holder.presence) == (os.getpid(), platform.node(), Presence.RUNNING)
    assert inspected(tmp_path).holders == ()
    for text, presence in (
        (f"pid {os.getpid()} on {platform.node()}", Presence.GONE),  # its number is used again
        (f"pid {10**30} on {platform.node()}", Presence.GONE),
        (f"pid {os.getpid()} on another", Presence.ELSEWHERE),
    ):
        a_holder(tmp_path, text)
        assert [one.presence for one in inspected(tmp_path).holders] == [presence]
    a_holder(tmp_path, "nonsense")
    assert inspected(tmp_path).holders == ()


def test_where_the_system_has_no_table_of_locks_a_holder_is_there_as_long_as_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "_TABLE", tmp_path / "none")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with AccountLock(tmp_path, "paper", "binance", "0a1b2c"):
        assert inspected(tmp_path).holders[0].presence is Presence.RUNNING
        for pid in (ended.pid, 10**30):
            a_holder(tmp_path, f"pid {pid} on {platform.node()}")
            assert inspected(tmp_path).holders[0].presence is Presence.GONE
