import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from backtestkit_cli.errors import StoreError
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
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid, host, is_held in [
        (os.getpid(), platform.node(), True),
        (ended.pid, platform.node(), False),
        (os.getpid(), "another", None),
        (10**30, platform.node(), False),
    ]:
        a_holder(tmp_path, f"pid {pid} on {host}")
        (lock,) = inspected(tmp_path).locks
        assert (lock.subject, lock.holder, lock.is_held) == (
            "paper, binance, 0a1b2c",
            f"pid {pid} on {host}",
            is_held,
        )
    a_holder(tmp_path, "nonsense")
    assert inspected(tmp_path).locks[0].is_held is None
