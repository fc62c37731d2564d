"""A working folder with a strategy in it, and a process that has met no venue yet."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtestkit_cli.exchange import clients
from tests.cli.program import a_strategy


@pytest.fixture(autouse=True)
def met_no_venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A venue may get the port of an earlier one."""
    monkeypatch.setattr(clients, "_VENUES", {})
    monkeypatch.setattr(clients, "_CLIENTS", {})
    yield
    assert not any(clients._CLIENTS.values())  # whoever fetched has closed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder that holds only `tiny.py`; none of the user's variables count."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CC_") or name == "BTK_DATA"]:
        monkeypatch.delenv(name)
    a_strategy(tmp_path)
    return tmp_path
