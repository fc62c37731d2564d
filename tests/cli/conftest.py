"""A working folder with a strategy in it."""

import os
from pathlib import Path

import pytest

from tests.cli.program import a_strategy


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder that holds only `tiny.py`; none of the user's variables count."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CC_")]:
        monkeypatch.delenv(name)
    a_strategy(tmp_path)
    return tmp_path
