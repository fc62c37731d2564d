"""The suites, run on the store that the option `--btk-store` names."""

import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.places import Factory, Maker, as_store
from backtestkit_cli.testing.plugin import FACTORY
from backtestkit_cli.testing.store_contract import StoreContract


@pytest.fixture(scope="session")
def factory(request: pytest.FixtureRequest) -> Factory:
    """What makes stores."""
    found = request.config.stash.get(FACTORY, None)
    if found is None:
        pytest.exit("expected -p backtestkit_cli.testing.plugin --btk-store module:factory, found none", returncode=4)
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
