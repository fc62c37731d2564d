"""Whoever is killed while he writes leaves the old record or the new one."""

import asyncio
import os
from pathlib import Path

import pytest

from backtestkit_cli.persistence.file_store import FileStore
from tests.persistence.killing import Outcome, outcomes


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Outcome]]:
    return outcomes(tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize(
    ("scenario", "old", "new"),
    [
        ("write", "old", "new" * 20),
        ("first_write", False, "new" * 20),
        ("portfolio", [10_000.0, 1], [11_000.0, 1]),
        ("risk", [10_000.0, 1], [10_000.0, 2]),
    ],
)
def test_a97_a93_a129_a_kill_at_any_step_of_a_write_leaves_the_old_record_or_the_new_one(
    after_kills: dict[str, list[Outcome]], scenario: str, old: object, new: object
) -> None:
    found = [outcome.found for outcome in after_kills[scenario]]
    turn = found.index(new)
    assert found[:turn] == [old] * turn
    assert found[turn:] == [new] * (len(found) - turn)
    assert turn > 5  # before and after the draft is made, written and synced


def test_what_a_killed_writer_left_is_swept_by_the_next_initialisation(after_kills: dict[str, list[Outcome]]) -> None:
    everything = [outcome for found in after_kills.values() for outcome in found]
    assert sum(bool(outcome.drafts) for outcome in everything) > 10
    assert [outcome.drafts_after for outcome in everything if outcome.drafts_after] == []


def test_a101_a_kill_while_a_waiting_signal_opens_leaves_it_in_exactly_one_of_the_two_records(
    after_kills: dict[str, list[Outcome]],
) -> None:
    waiting, opened = ["Waiting", "", [False, True]], ["Position", "", [True, False]]
    found = [outcome.found for outcome in after_kills["signal_opens"]]
    turn = found.index(opened)
    assert found == [waiting] * turn + [opened] * (len(found) - turn)
    assert 5 < turn < len(found) - 10  # the kills while the other record is made null are among them


def test_drafts_of_a_process_that_is_still_there_are_left_alone(tmp_path: Path) -> None:
    ours, theirs = tmp_path / f".a.json.{os.getpid()}.draft", tmp_path / f".a.json.{os.getppid()}.draft"
    other = tmp_path / ".of-somebody.draft"
    for file in (ours, theirs, other):
        file.touch()
    asyncio.run(FileStore(tmp_path).wait_for_init())
    assert sorted(tmp_path.iterdir()) == sorted([theirs, other])
