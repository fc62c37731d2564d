"""The places that need no server keep the contracts."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract


class TestFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FileStore(tmp_path / "new" / "state")

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(FileStore, Path(store.name))


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def again(self, store: Store) -> Store:
        return store


class TestMemoryLeases(LeaseContract):
    now_s = 0.0

    @pytest.fixture
    def shelf(self) -> LeasingShelf:
        return MemoryShelf(lambda: self.now_s)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf

    async def let_pass(self, seconds: float) -> None:
        self.now_s += seconds
