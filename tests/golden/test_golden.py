"""Whole runs with known results: our own cases, and the shared ones where they are at hand."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.runs.backtest import run_backtest
from tests.golden.run_cases import Drive, Row, differences, is_equal, main, run_case
from tests.replay import replayed

OWN = Path(__file__).with_name("cases")
SHARED = Path(__file__).parents[3] / "shared" / "golden"
OWN_CASES = sorted(OWN.glob("*.json"))
SHARED_CASES = sorted(SHARED.glob("*.json"))

all_drives = pytest.mark.parametrize(
    "drive",
    [run_backtest, partial(run_backtest, sees_ahead=False), replayed],
    ids=["skipping", "stepping", "replayed"],
)


def _problems(path: Path, *, drive: Drive) -> list[str]:
    expected: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["expected"]
    events, stats = run_case(path, drive=drive)
    wrong = [name for name, wanted in expected["stats"].items() if not is_equal(name, wanted, stats[name])]
    return [*differences(expected["events"], events), *wrong]


@all_drives
@pytest.mark.parametrize("path", OWN_CASES, ids=lambda path: path.stem)
def test_a_case_of_our_own_has_its_known_result(path: Path, drive: Drive) -> None:
    assert _problems(path, drive=drive) == []


@all_drives
@pytest.mark.skipif(not SHARED_CASES, reason=f"no shared cases at {SHARED}")
@pytest.mark.parametrize("path", SHARED_CASES, ids=lambda path: path.stem)
def test_a_shared_case_has_its_known_result(path: Path, drive: Drive) -> None:
    assert _problems(path, drive=drive) == []


def test_the_table_of_the_cases_names_each_of_them() -> None:
    named = (OWN / "README.md").read_text(encoding="utf-8")
    assert OWN_CASES
    assert [path.stem for path in OWN_CASES if f"`{path.stem}`" not in named] == []


def _closed(events: list[Row]) -> Row:
    return next(event for event in events if event["action"] == "closed")


@pytest.mark.parametrize(
    ("key", "altered"),
    [("price", 95.0001), ("reason", "take_profit"), ("at", 1_800_001_200_000), ("pnl", -5.3846), ("cost", -5.3846)],
)
def test_an_altered_expectation_is_reported(key: str, altered: object) -> None:
    path = OWN / "both-touched.json"
    expected: list[Row] = json.loads(path.read_text(encoding="utf-8"))["expected"]["events"]
    _closed(expected)[key] = altered
    events, _ = run_case(path)
    assert [line.split(": ")[1] for line in differences(expected, events)] == [key]


def test_an_event_too_few_or_too_many_is_reported() -> None:
    path = OWN / "both-touched.json"
    expected: list[Row] = json.loads(path.read_text(encoding="utf-8"))["expected"]["events"]
    events, _ = run_case(path)
    assert list(differences(expected[:-1], events))
    assert list(differences([*expected, expected[-1]], events))


@pytest.mark.parametrize(("factor", "code", "verdict"), [(1, 0, "ok"), (1.001, 1, "DIFFERS")])
def test_the_program_ends_with_1_unless_all_cases_match(
    factor: float,
    code: int,
    verdict: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(OWN / "candles", tmp_path / "candles")
    case = json.loads((OWN / "both-touched.json").read_text(encoding="utf-8"))
    case["expected"]["stats"]["total_pnl_pct"] *= factor
    (tmp_path / "case.json").write_text(json.dumps(case), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["run_cases.py", str(tmp_path)])
    assert main() == code
    assert verdict in capsys.readouterr().out
