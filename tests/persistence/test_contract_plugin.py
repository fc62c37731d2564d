"""A120: anybody's adapter is checked by the plug-in, whatever the settings of his pytest are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[pytest]
asyncio_mode = strict
addopts = --strict-markers --strict-config -p no:cacheprovider -p no:hypothesispytest
filterwarnings = error
asyncio_default_fixture_loop_scope = session
"""


@pytest.fixture
def strangers_folder(tmp_path: Path) -> Path:
    """A project that is not ours, with an adapter that passes and one that does not."""
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    shutil.copy(ROOT / "tests" / "persistence" / "strangers_shelf.py", tmp_path / "my_shelves.py")
    return tmp_path


def checked(folder: Path, store: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "backtestkit_cli.testing.plugin", "--btk-store", store]
    command += ["--pyargs", "backtestkit_cli.testing.check", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a120_an_adapter_is_checked_without_a_line_of_test_code(strangers_folder: Path) -> None:
    ended = checked(strangers_folder, "my_shelves:SqliteShelf", "-rs")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "38 passed" in ended.stdout
    assert "it has no leases: only one process may trade with it" in ended.stdout


def test_a120_an_adapter_that_is_subtly_wrong_is_found_out_and_what_it_cannot_is_skipped_with_its_reason(
    strangers_folder: Path,
) -> None:
    ended = checked(strangers_folder, "my_shelves:Patterned", "-rfs", "-k", "TestStore and (patterns or processes)")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "FAILED ::TestStore::test_signs_of_patterns_stand_for_themselves" in ended.stdout
    assert "no processes: this is about patterns" in ended.stdout
    assert "1 failed, 1 skipped" in ended.stdout


def test_a120_what_names_no_factory_is_refused_in_one_line(strangers_folder: Path) -> None:
    ended = checked(strangers_folder, "my_shelves:MongoShelf")
    assert ended.returncode == 4
    assert "--btk-store my_shelves:MongoShelf: expected module:factory, found: module" in ended.stderr
