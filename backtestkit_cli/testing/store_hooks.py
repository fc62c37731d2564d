"""What the suites for stores are told by the class that runs them."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, TypeAlias

import pytest
import pytest_asyncio

from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.places import Maker, as_store

Ability: TypeAlias = Literal["processes", "surrogates", "planting", "onlookers", "neighbours"]
"""What some place may not have.

processes: several of them can have the place. surrogates: parts of keys may hold halves of surrogate pairs, for which
UTF-8 has no bytes. planting: any bytes can be where a record is. onlookers: a store can be had that only reads.
neighbours: a place can be had that is beside it.
"""


class StoreHooks:
    """A subclass overrides `store` and `elsewhere`, and the rest where it must."""

    pytestmark = pytest.mark.asyncio(loop_scope="function")  # also where plain pytest wants every test marked

    cannot: ClassVar[Mapping[Ability, str]] = MappingProxyType({})
    """What the place does not have, and why: the tests of it are skipped with that reason."""

    @pytest.fixture
    def store(self) -> Store:
        """Return a store of an empty place, which nobody has initialised yet."""
        raise NotImplementedError("say how a store is made")

    def elsewhere(self, store: Store) -> Maker:
        """Return what makes a store, or a shelf, of the same place in another process; it can be pickled."""
        raise NotImplementedError("say how another process makes a store of the same place")

    def again(self, store: Store) -> Store:
        """Return a store of the same place as another process would have it; *store* where no other can have it."""
        return store if "processes" in self.cannot else as_store(self.elsewhere(store)())

    def onlooker(self, store: Store) -> Store:
        """Return a store of the same place that only reads."""
        again = self.again(store)
        if not isinstance(again, RecordStore):
            raise NotImplementedError("say how a store is made that only reads, or that there is none")
        return RecordStore(again.shelf, is_onlooker=True)

    def neighbour(self, store: Store) -> Store:
        """Return a store of another place that is kept beside this one, such as one whose name begins alike."""
        raise NotImplementedError("say how a store beside this one is made, or that there is none")

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        """Put raw bytes in the place of a record, past the store."""
        if not isinstance(store, RecordStore):
            raise NotImplementedError("say how a record is damaged, or that none can be")
        await store.shelf.put({key: content})

    async def initialise(self, store: Store) -> None:
        """Make *store* ready before the test."""
        await store.wait_for_init()

    def needs(self, ability: Ability) -> None:
        """Skip the test where the place does not have it."""
        if ability in self.cannot:
            pytest.skip(f"no {ability}: {self.cannot[ability]}")

    def other(self, store: Store) -> Store:
        """Return what `again` does, and see to it that it is closed."""
        return self.closed_later(self.again(store))

    def closed_later(self, store: Store) -> Store:
        """Return *store*, which is closed after the test."""
        self._opened.append(store)
        return store

    @pytest.fixture
    def unopened(self, store: Store) -> Store:
        """Return the store of a place that has never been initialised."""
        return store

    @pytest_asyncio.fixture(autouse=True, loop_scope="function")
    async def _ready(self, request: pytest.FixtureRequest, store: Store) -> AsyncIterator[None]:
        self._opened: list[Store] = [store]
        if "unopened" not in request.fixturenames:
            await self.initialise(store)
        yield
        for opened in reversed(self._opened):
            await opened.close()
