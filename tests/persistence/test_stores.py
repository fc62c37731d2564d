"""The stores that need no server keep the contract."""

from pathlib import Path

import pytest

from backtestkit_cli.persistence.file_names import encoded
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.ports import Key, Store
from tests.persistence.contract import StoreContract


class TestFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FileStore(tmp_path / "new" / "state")

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        path = Path(store.name, *(name for part in key for name in encoded(part)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.json").write_bytes(content)

    def again(self, store: Store) -> Store:
        return FileStore(Path(store.name))


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        assert isinstance(store, MemoryStore)
        store.contents[key] = content
