"""The suites, run on the store that the option `--btk-store` names."""

import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import pytest_asyncio

from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.places import Maker, as_store
from backtestkit_cli.testing.store_contract import StoreContract

Factory: TypeAlias = Callable[[Path], Any]


@pytest.fixture(scope="session")
def factory(request: pytest.FixtureRequest) -> Factory:
    """What makes stores, as `module:name` says."""
    named = request.config.getoption("--btk-store", None)
    if not re.fullmatch(r"[\w.]+:\w+", named or ""):
        pytest.exit(f"--btk-store: expected module:factory, found {named or 'nothing'}", returncode=4)
    module, _, name = str(named).partition(":")
    here = str(request.config.invocation_params.dir)
    if here not in sys.path:
        sys.path.insert(0, here)
    found: Factory = getattr(import_module(module), name)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose name is no other's, also not that of another day."""
    folder = tmp_path / f"btk-{secrets.token_hex(6)}"
    folder.mkdir()
    return folder


@pytest.fixture
def maker(factory: Factory, place: Path) -> Maker:
    """What makes stores of this place."""
    return partial(factory, place)


class TestStore(StoreContract):
    """The contract of stores."""

    @pytest.fixture
    def store(self, factory: Factory, place: Path) -> Store:
        """Return a store of the place of this test."""
        self._factory, self._place = factory, place
        type(self).cannot = getattr(factory, "cannot", {})
        return as_store(factory(place))

    def elsewhere(self, store: Store) -> Maker:  # noqa: ARG002 - all of a test are of one place
        """Return what makes a store of the same place."""
        return partial(self._factory, self._place)

    def neighbour(self, store: Store) -> Store:  # noqa: ARG002 - as above
        """Return a store of a folder whose name begins alike."""
        beside = self._place.with_name(f"{self._place.name}-2")
        beside.mkdir()
        return as_store(self._factory(beside))

    @pytest_asyncio.fixture(autouse=True, loop_scope="function")
    async def _swept(self, _ready: None, maker: Maker) -> AsyncIterator[None]:
        """Leave nothing behind on a server."""
        yield
        store = as_store(maker())
        await store.wait_for_init()
        await store.remove_all(())
        await store.close()


class TestLeases(LeaseContract):
    """The contract of leases, if the store has such."""

    @pytest.fixture
    def shelf(self, maker: Maker) -> LeasingShelf:
        """Return a shelf of the place of this test."""
        self._maker = maker
        return self.again()

    def again(self, shelf: LeasingShelf | None = None) -> LeasingShelf:  # noqa: ARG002 - as above
        """Return another of the same place."""
        made: Any = self._maker()
        if not hasattr(made, "take"):
            pytest.skip("it has no leases: only one process may trade with it")
        leasing: LeasingShelf = made
        return leasing
