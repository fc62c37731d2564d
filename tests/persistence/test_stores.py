"""The places that need no server keep the contracts."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.places import Maker
from backtestkit_cli.testing.store_contract import StoreContract
from backtestkit_cli.testing.store_hooks import Ability


class TestFileStore(StoreContract):
    many = 300  # a folder is listed as a whole, and not page by page

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FileStore(tmp_path / "new" / "state")

    def elsewhere(self, store: Store) -> Maker:
        return partial(FileStore, Path(store.name))

    def neighbour(self, store: Store) -> Store:
        return FileStore(Path(f"{store.name}-2"))


class TestMemoryStore(StoreContract):
    cannot: ClassVar[Mapping[Ability, str]] = {
        "processes": "memory is one process's",
        "neighbours": "whatever else is in memory is another object",
    }

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestMemoryLeases(LeaseContract):
    now_s = 0.0

    @pytest.fixture
    def shelf(self) -> LeasingShelf:
        return MemoryShelf(lambda: self.now_s)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf

    async def let_pass(self, seconds: float) -> None:
        self.now_s += seconds
