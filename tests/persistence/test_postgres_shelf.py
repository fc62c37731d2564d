"""PostgreSQL keeps the contracts, and its own promises, against a real server."""

from collections.abc import Callable
from functools import partial

import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.persistence.shelves.postgres import PostgresShelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract
from tests.servers.postgres import PostgresServer
from tests.servers.process import new_name


def shelf_at(url: str, prefix: str, **options: float) -> PostgresShelf:
    return PostgresShelf(PlaceOptions(kind=StoreKind.POSTGRES, prefix=prefix, **options), url)  # type: ignore[arg-type]


def store_at(url: str, prefix: str) -> RecordStore:
    return RecordStore(shelf_at(url, prefix))


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self, postgres_server: PostgresServer) -> Store:
        self.place = postgres_server.url, new_name()
        return store_at(*self.place)

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(store_at, *self.place)


class TestPostgresLeases(LeaseContract):
    seconds = 0.2

    @pytest.fixture
    def shelf(self, postgres_server: PostgresServer) -> LeasingShelf:
        self.place = postgres_server.url, new_name()
        return shelf_at(*self.place)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(*self.place)
