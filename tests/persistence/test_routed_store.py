"""Several stores that look like one."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.errors import MissingRecordError
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.routed_store import RoutedStore
from backtestkit_cli.ports import Json, Key, Store
from backtestkit_cli.testing.store_contract import StoreContract
from backtestkit_cli.testing.store_hooks import Ability

PARTS = st.sampled_from(["live", "risk", "signal", "2", "10"])
KEYS = st.lists(PARTS, min_size=1, max_size=5).map(tuple)
PREFIXES = st.lists(PARTS, max_size=4).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(KEYS, min_size=1, max_size=4)),
        st.tuples(st.just("remove"), KEYS),
        st.tuples(st.just("remove_all"), PREFIXES),
    ),
    max_size=8,
)


class TestRoutedStore(StoreContract):
    cannot: ClassVar[Mapping[Ability, str]] = {
        "processes": "its stores are in memory",
        "neighbours": "its stores are in memory",
        "onlookers": "its stores are onlookers, or not",
    }

    @pytest.fixture
    def store(self) -> Store:
        shared = MemoryStore()
        return RoutedStore(MemoryStore(), {"x": MemoryStore(), "c": shared, "0": shared, "1": shared})

    def again(self, store: Store) -> Store:
        return store

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        assert isinstance(store, RoutedStore)
        place = store._store(key)
        assert isinstance(place, MemoryStore)
        place.contents[key] = content


@given(STEPS, PREFIXES)
async def test_they_behave_as_one_store(steps: list[tuple[str, object]], prefix: Key) -> None:
    one, shared = MemoryStore(), MemoryStore()
    several = RoutedStore(MemoryStore(), {"risk": MemoryStore(), "2": shared, "10": shared})
    for number, (step, what) in enumerate(steps):
        outcomes = [await _outcome(store, step, what, number) for store in (one, several)]
        assert outcomes[0] == outcomes[1]
    assert await several.keys(prefix) == await one.keys(prefix)
    assert await several.values(prefix) == await one.values(prefix)
    assert await several.items(prefix) == await one.items(prefix)


async def _outcome(store: Store, step: str, what: object, number: int) -> object:
    try:
        if step == "write":
            assert isinstance(what, list)
            await store.write_all({key: {"step": number} for key in what})
            return None
        assert isinstance(what, tuple)
        if step == "remove_all":
            return await store.remove_all(what)
        await store.remove(what)
        return None
    except MissingRecordError:
        return "missing"


async def test_a106_only_risk_is_in_the_store_of_risk(tmp_path: Path) -> None:
    files, memory = FileStore(tmp_path), MemoryStore()
    store = RoutedStore(files, {"risk": memory})
    kinds = ["signal", "schedule", "risk", "partial", "order", "portfolio", "job"]
    await store.wait_for_init()
    await store.write_all({("live", "demo", kind, "x", "BTC/USDT"): {} for kind in kinds})
    assert [key[2] for key in memory.contents] == ["risk"]
    assert {key[2] for key in await files.keys(())} == set(kinds) - {"risk"}
    assert {key[2] for key in await store.keys(("live",))} == set(kinds)


async def test_what_was_kept_elsewhere_before_is_neither_seen_nor_removed() -> None:
    rest, risk = MemoryStore(), MemoryStore()
    await rest.write(("live", "demo", "risk", "old"), {})
    store = RoutedStore(rest, {"risk": risk})
    await store.write_all({("live", "demo", "risk", "new"): {}, ("live", "demo", "job", "1"): {}})
    assert await store.keys(()) == [("live", "demo", "job", "1"), ("live", "demo", "risk", "new")]
    assert [key for key, _ in await store.items(("live",))] == await store.keys(())
    assert await store.remove_all(()) == 2
    assert await rest.keys(()) == [("live", "demo", "risk", "old")]


class Watched(MemoryStore):
    """Notes what is done to it in a list that it shares with others."""

    def __init__(self, label: str, seen: list[str], *, is_broken: bool = False) -> None:
        super().__init__()
        self._label = label
        self._seen = seen
        self._is_broken = is_broken

    @property
    def name(self) -> str:
        return self._label

    async def wait_for_init(self) -> None:
        self._seen.append(f"{self._label} opened")

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        self._seen.append(f"{self._label} {' '.join(key[3] for key in records)}")

    async def close(self) -> None:
        self._seen.append(f"{self._label} closed")
        if self._is_broken:
            raise OSError(self._label)


async def test_a_write_to_several_stores_keeps_the_order_of_its_records() -> None:
    seen: list[str] = []
    store = RoutedStore(Watched("files", seen), {"risk": Watched("redis", seen)})
    kinds = ["signal", "order", "risk", "risk", "job"]
    await store.write_all({("live", "demo", kind, str(number)): {} for number, kind in enumerate(kinds)})
    assert seen == ["files 0 1", "redis 2 3", "files 4"]


async def test_each_store_is_opened_and_closed_once_and_all_are_closed_though_one_fails() -> None:
    seen: list[str] = []
    shared = Watched("redis", seen, is_broken=True)
    store = RoutedStore(Watched("files", seen), {"risk": shared, "job": shared})
    await store.wait_for_init()
    with pytest.raises(OSError, match="redis"):
        await store.close()
    assert seen == ["files opened", "redis opened", "redis closed", "files closed"]
    assert store.name == "files, risk in redis, job in redis"
    assert store.is_atomic
