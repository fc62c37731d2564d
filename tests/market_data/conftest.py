"""A working folder with a strategy in it, a venue for all tests, and a process that has met no venue yet."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtestkit_cli.exchange import clients
from tests.cli.program import a_strategy, called
from tests.market_data.venues import DATA, a_config, a_venue
from tests.venue.server import Venue, running


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


@pytest.fixture(scope="session")
def shared_venue() -> Iterator[Venue]:
    with running(a_venue()) as venue:
        yield venue


@pytest.fixture(scope="session")
def warm_data(shared_venue: Venue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder as one warm-up leaves it in which nothing goes wrong; tests copy it."""
    folder = tmp_path_factory.mktemp("warm")
    config = folder / a_config(folder, shared_venue.url, entry=None)
    ended = called("cache", "warm", "-c", str(config), "--data", str(folder / "data"), "-q")
    assert (ended.code, ended.err) == (0, "")
    return folder / "data"


@pytest.fixture
def venue(shared_venue: Venue) -> Venue:
    """Return a venue without faults that nobody has asked anything."""
    shared_venue.requests.clear()
    return shared_venue


@pytest.fixture
def warm(folder: Path, warm_data: Path, venue: Venue) -> str:
    """Fill the cache of the working folder with all that the frame needs; return a config of a run at *venue*."""
    shutil.copytree(warm_data, folder / DATA)
    return a_config(folder, venue.url)
