"""`btk runs` lists, shows and deletes saved runs, and nothing else."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from backtestkit_cli.analytics.outcome import Failure
from backtestkit_cli.cli import console
from backtestkit_cli.reports.saved.record import record_of
from backtestkit_cli.reports.saved.run_folder import RUN_FILES
from tests.builders import a_session, a_trade, an_outcome
from tests.cli.program import RUN, called, on_a_terminal
from tests.cli.saved import ENDED, RUN_ID, a_saved_record, saved

DUMP = Path("dump")
RUNS = DUMP / "runs"


def some_runs(number: int) -> list[str]:
    """Save a run several times, the last of them the latest, and return their ids from the latest on."""
    names = [f"run-{n:03}" for n in range(number)]
    first = saved(DUMP, a_saved_record(run_id=names[0]))
    text = (first / "manifest.json").read_text()
    for n, name in enumerate(names):
        manifest = RUNS / name / "manifest.json"
        if n:
            shutil.copytree(first, manifest.parent)
        manifest.write_text(text.replace(names[0], name))
        os.utime(manifest, (1_700_000_000 + n, 1_700_000_000 + n))
    return names[::-1]


def listed(*arguments: str) -> list[str]:
    """Return the first cell of each row that `btk runs list` shows."""
    ended = called("runs", "list", *arguments)
    assert ended.code == 0
    return [line.split()[0] for line in ended.out.splitlines()[2:]]


def test_runs_are_listed_with_what_they_came_to_the_latest_first(folder: Path) -> None:
    some_runs(2)
    lost = a_session(symbol="ETHUSDT", candles=None, error="no candles", failure=Failure.DATA)
    failed = record_of(an_outcome(a_session(a_trade(price_close=110.0)), lost), ENDED | {"exit_code": 4})
    saved(DUMP, failed)
    assert listed() == [RUN_ID, "run-001", "run-000"]
    first = called("runs", "list").out.splitlines()[2]
    assert re.split(r"  +", first) == [
        *(RUN_ID, "2025-05-06 10:00", "backtest", "sma_cross", "2", "2025-05-04 to 2025-05-06", "1"),
        *("+9.57 %", "9.57", "4"),
    ]
    (run, *_) = json.loads(called("runs", "list", "--json").out)["runs"]
    assert (run["run_id"], run["trades"], run["exit_code"], run["problem"]) == (RUN_ID, 1, 4, None)
    assert run["total_pnl_pct"] == pytest.approx(failed.trades["pnl_pct"].sum())
    assert run["net_quote"] == pytest.approx(failed.trades["pnl_cost"].sum())


def test_a_run_without_trades_has_no_result(folder: Path) -> None:
    saved(DUMP, a_saved_record(trades=0))
    assert called("runs", "list").out.count("N/A") == 2
    assert json.loads(called("runs", "list", "--json").out)["runs"][0]["net_quote"] is None


def test_the_latest_20_are_shown_or_as_many_as_asked_for(folder: Path) -> None:
    names = some_runs(22)
    assert listed() == names[:20]
    assert "note: these are the latest 20; -n 0 shows all" in called("runs", "list").err
    assert listed("-n", "3") == names[:3]
    assert listed("--limit", "0") == names
    assert called("runs", "list", "-n", "22").err == ""


def test_runs_of_a_strategy_are_listed(folder: Path) -> None:
    saved(DUMP)
    saved(DUMP, record_of(an_outcome(a_session(strategy="other"), run_id="other-1"), ENDED))
    assert listed("--strategy", "other") == ["other-1"]
    ended = called("runs", "list", "--strategy", "none")
    assert (ended.code, ended.out) == (0, "")
    assert "no run of none" in ended.err


def test_where_nothing_is_saved_a_note_says_so(folder: Path) -> None:
    ended = called("runs", "list")
    assert (ended.code, ended.out, ended.errors) == (0, "", [])
    assert "dump/runs holds no run" in ended.err
    assert json.loads(called("runs", "list", "--json").out)["runs"] == []


def test_what_is_no_whole_run_is_listed_with_what_is_wrong(folder: Path) -> None:
    saved(DUMP)
    (RUNS / "half").mkdir()
    (RUNS / "half" / "trades.parquet").write_bytes(b"PAR1")
    (RUNS / "cut").mkdir()
    (RUNS / "cut" / "manifest.json").write_text('{"run_id": "cut", "form')
    (RUNS / "a file").write_text("")
    ended = called("runs", "list")
    assert ended.code == 0
    assert sorted(listed()) == ["cut", "half", RUN_ID]
    assert ended.out.count("unreadable") == 2
    notes = ended.err.splitlines()
    assert len(notes) == 2
    assert any("runs/half: expected a saved run" in note for note in notes)
    assert any("cut/manifest.json: expected JSON" in note for note in notes)
    problems = [run["problem"] for run in json.loads(called("runs", "list", "--json").out)["runs"]]
    assert problems.count(None) == 1
    assert called("report", "backtest").code == (0 if problems[0] is None else 3)


def test_500_runs_are_read_in_less_than_a_second(folder: Path) -> None:
    some_runs(1)
    content = (RUNS / "run-000" / "manifest.json").read_text()
    for n in range(1, 500):
        (RUNS / f"run-{n:03}").mkdir()
        (RUNS / f"run-{n:03}" / "manifest.json").write_text(content.replace("run-000", f"run-{n:03}"))
    began = time.process_time()
    shown = called("runs", "list", "-n", "0", "--json").out
    assert time.process_time() - began < 1
    assert len(json.loads(shown)["runs"]) == 500


def test_a_run_is_shown_as_when_it_ended_and_what_it_was_made_from(folder: Path) -> None:
    ended = called(*RUN)
    shown = called("runs", "show")
    assert shown.code == 0
    assert shown.out.startswith(ended.out)
    (run,) = RUNS.iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    for text in (run.name, manifest["config_hash"], manifest["command"], f"polars {manifest['versions']['polars']}"):
        assert text in shown.out
    assert all(file.name in shown.out for file in run.iterdir())
    document = json.loads(called("runs", "show", "--json").out)
    assert document["files"] == {file.name: file.stat().st_size for file in run.iterdir()}
    assert document["total"]["trades"] == sum(session["trades"] for session in manifest["sessions"])


def test_notes_of_a_run_are_shown_again(folder: Path) -> None:
    Path("tiny.py").write_text(Path("tiny.py").read_text().replace("price * 1.01", "price * 0.9"))
    notes = [line for line in called(*RUN).err.splitlines() if line.startswith("note:")]
    assert notes
    assert called("runs", "show").err.splitlines() == notes
    assert called("runs", "show", "-q").err == ""


def test_every_file_that_a_run_writes_may_be_in_its_folder(folder: Path) -> None:
    called(*RUN)
    (run,) = RUNS.iterdir()
    assert {file.name for file in run.iterdir()} <= RUN_FILES


def test_runs_are_deleted_and_the_others_and_their_reports_stay(folder: Path) -> None:
    some_runs(3)
    ended = called("runs", "delete", "run-000", "run-002", "run-000", "--yes")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines() == ["deleted dump/runs/run-000", "deleted dump/runs/run-002"]
    assert [run.name for run in RUNS.iterdir()] == ["run-001"]
    assert Path("dump/backtest/sma_cross.md").exists()


def test_a_half_written_run_is_deleted_with_its_drafts(folder: Path) -> None:
    run = saved(DUMP)
    (run / "manifest.json").unlink()
    (run / ".events.jsonl.123.draft").write_text("{")
    (RUNS / "begun").mkdir()
    assert called("runs", "delete", RUN_ID, "begun", "--yes").code == 0
    assert list(RUNS.iterdir()) == []


def test_nothing_is_deleted_without_a_person_to_ask_or_yes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(DUMP)
    with (folder / "tiny.py").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = called("runs", "delete", RUN_ID)
    assert ended.code == 2
    assert "--yes" in ended.errors[0]
    assert run.is_dir()


@pytest.mark.parametrize(("answer", "is_kept"), [("y", False), ("YES", False), ("", True), ("n", True)])
def test_a_person_is_asked(folder: Path, answer: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run = saved(DUMP)
    (folder / "answer").write_text(f"{answer}\n")
    with (folder / "answer").open() as stdin:
        monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", stdin)
        ended = called("runs", "delete", RUN_ID)
    assert ended.code == 0
    assert f"delete dump/runs/{RUN_ID} (" in ended.err
    assert run.exists() is is_kept


def a_foreign_folder(run: Path) -> None:
    for file in run.iterdir():
        file.unlink()
    (run / "manifest.json").write_text('{"name": "an app"}')


def a_link_to_a_folder(run: Path) -> None:
    run.rename("kept")
    run.symlink_to(Path("kept").absolute(), target_is_directory=True)


def a_link_among_the_files(run: Path) -> None:
    (run / "candles.parquet").unlink()
    (run / "candles.parquet").symlink_to(Path("tiny.py").absolute())


@pytest.mark.parametrize(
    "change",
    [
        lambda run: (run / "notes.txt").write_text("mine"),
        lambda run: (run / "folder").mkdir(),
        a_foreign_folder,
        a_link_to_a_folder,
        a_link_among_the_files,
    ],
)
def test_a_folder_with_anything_else_is_left_alone(folder: Path, change: object) -> None:
    other, run = saved(DUMP, a_saved_record(run_id="other")), saved(DUMP)
    change(run)  # type: ignore[operator]
    before = sorted(folder.rglob("*"))
    ended = called("runs", "delete", "other", RUN_ID, "--yes")
    assert (ended.code, len(ended.errors)) == (2, 1)
    assert f"dump/runs/{RUN_ID}" in ended.errors[0]
    assert sorted(folder.rglob("*")) == before
    assert other.is_dir()


@pytest.mark.parametrize("where", [".", "./empty", "..", "dump", "/"])
def test_a_folder_that_is_no_run_is_never_deleted(folder: Path, where: str) -> None:
    saved(DUMP)
    Path("empty").mkdir()
    ended = called("runs", "delete", where, "--yes")
    assert (ended.code, len(ended.errors)) == (2, 1)
    assert Path("empty").is_dir()
    assert (RUNS / RUN_ID / "manifest.json").is_file()


@pytest.mark.parametrize("columns", [80, 140])
def test_the_table_of_runs_fits_a_terminal(folder: Path, columns: int) -> None:
    some_runs(2)
    shown = on_a_terminal("runs", "list", folder=folder, columns=columns).out
    table = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "").splitlines()[:4]
    assert 60 < max(map(len, table)) <= columns
    assert "…" not in shown


def test_sizes_are_shown_in_the_unit_that_suits_them() -> None:
    assert [console.size_text(size) for size in (0, 999, 1_500, 3_400_000)] == ["0 B", "999 B", "2 kB", "3.4 MB"]


def test_moments_are_shown_in_utc() -> None:
    moments = ("2025-05-06T10:00:02.123+02:00", "2025-05-06T10:00:02", "", "soon")
    assert [console.moment_text(one) for one in moments] == ["2025-05-06 08:00", "2025-05-06 10:00", "", "soon"]
