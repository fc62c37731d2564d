"""Whoever reads through a cache gets what the back holds, whatever fails on either side."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError, StoreUnreachableError
from backtestkit_cli.persistence.cached_store import CachedStore
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.persistence.shelves.redis import RedisShelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.store_contract import StoreContract
from backtestkit_cli.testing.store_hooks import Ability
from tests.laws import tried
from tests.servers.process import new_name
from tests.servers.redis import RedisServer


class Frail(MemoryShelf):
    """A shelf whose next call fails before it has done anything, or after it has done all, as `fails` says."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = ""
        self.asked = 0

    async def get(self, keys: Any) -> Any:
        return await self._frail(partial(super().get, keys))

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await self._frail(partial(super().put, contents, lease))

    async def delete(self, keys: Any, lease: Lease | None = None) -> int:
        count: int = await self._frail(partial(super().delete, keys, lease))
        return count

    async def names(self, prefix: Key) -> Any:
        return await self._frail(partial(super().names, prefix))

    async def _frail(self, call: Callable[[], Any]) -> Any:
        self.asked += 1
        if self.fails == "before":
            raise StoreUnreachableError("not reached")
        answer = await call()
        if self.fails == "after":
            raise StoreUnreachableError("the answer was lost")
        return answer


class Pair:
    """A cache, of which both sides can fail, and its clock."""

    def __init__(self) -> None:
        self.front, self.back = Frail(), Frail()
        self.now_ms = 1_700_000_000_000
        self.cached = self.another()

    def another(self) -> CachedStore:
        """Return the same as another process has it."""
        return CachedStore(RecordStore(self.front), RecordStore(self.back), now_ms=lambda: self.now_ms)

    async def truth(self, key: Key) -> Any:
        self.back.fails = ""
        return await outcome(RecordStore(self.back).read(key))


async def outcome(call: Any) -> Any:
    """Return what *call* returns, or why there is nothing."""
    try:
        return await call
    except MissingRecordError:
        return "missing"
    except StoreError:
        return "failed"


KEYS: list[Key] = [("a",), ("a", "b"), ("a", "b", "c"), ("d",)]
keys = st.sampled_from(KEYS)
fails = st.sampled_from(["", "", "before", "after"])
steps = st.tuples(
    st.sampled_from(["read", "read", "write", "write both", "remove", "remove all", "has", "wait"]), keys, fails, fails
)


@given(st.lists(steps, max_size=40))
@tried(30, 1000)
def test_what_is_read_is_what_the_back_holds_whatever_failed_before(taken: list[tuple[str, Key, str, str]]) -> None:
    async def take_all() -> None:
        pair = Pair()
        for number, (step, key, front_fails, back_fails) in enumerate(taken):
            pair.front.fails, pair.back.fails = front_fails, back_fails
            match step:
                case "write":
                    await outcome(pair.cached.write(key, {"n": number}))
                case "write both":
                    await outcome(pair.cached.write_all({key: {"n": number}, ("a", "b"): {"n": number}}))
                case "remove":
                    await outcome(pair.cached.remove(key))
                case "remove all":
                    await outcome(pair.cached.remove_all(key))
                case "has":
                    has = await outcome(pair.cached.has(key))
                    assert has in {"failed", await pair.truth(key) != "missing"}
                case "wait":
                    pair.now_ms += 4_000
                case _:
                    found = await outcome(pair.cached.read(key))
                    truth = await pair.truth(key)
                    assert found == truth or (found == "failed" and back_fails)

    asyncio.run(take_all())


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["write", "remove", "read"]), keys, fails), max_size=25))
@tried(20, 500)
def test_what_another_process_changed_is_seen_once_entries_have_ended(
    taken: list[tuple[bool, str, Key, str]],
) -> None:
    async def take_all() -> None:
        pair = Pair()
        stores = (pair.cached, pair.another())
        for number, (which, step, key, front_fails) in enumerate(taken):
            pair.front.fails = front_fails
            store = stores[which]
            match step:
                case "write":
                    await store.write(key, {"n": number})
                case "remove":
                    await outcome(store.remove(key))
                case _:
                    await outcome(store.read(key))
            pair.now_ms += 1_000
        pair.front.fails = ""
        pair.now_ms += 30_000
        for store in stores:
            for key in KEYS:
                assert await outcome(store.read(key)) == await pair.truth(key)

    asyncio.run(take_all())


async def test_what_was_read_or_written_comes_from_the_front_until_it_has_ended() -> None:
    pair = Pair()
    await pair.cached.write(("a",), {"n": 1})
    await RecordStore(pair.back).write(("b",), {"n": 2})
    await pair.cached.read(("b",))
    before = pair.back.asked
    looker = pair.another()
    assert [await looker.read(key) for key in [("a",), ("b",)]] == [{"n": 1}, {"n": 2}]
    assert await looker.has(("a",))
    assert pair.back.asked == before
    pair.now_ms += 30_000
    assert await looker.read(("a",)) == {"n": 1}
    assert pair.back.asked == before + 1
    assert await pair.another().read(("a",)) == {"n": 1}  # it was filled again
    assert pair.back.asked == before + 1


async def test_while_the_back_is_away_what_is_known_is_read_and_nothing_is_written() -> None:
    pair = Pair()
    await pair.cached.write(("a",), {"n": 1})
    pair.back.fails = "before"
    assert await pair.cached.read(("a",)) == {"n": 1}
    with pytest.raises(StoreUnreachableError):
        await pair.cached.write(("a",), {"n": 2})
    with pytest.raises(StoreUnreachableError):  # nobody knows whether it was written
        await pair.cached.read(("a",))


async def test_a_front_that_fails_is_left_alone_for_a_while() -> None:
    pair = Pair()
    await pair.cached.write(("a",), {"n": 1})
    pair.front.fails = "before"
    before = pair.front.asked
    for _ in range(5):
        assert await pair.cached.read(("a",)) == {"n": 1}
    assert pair.front.asked == before + 1
    pair.front.fails = ""
    pair.now_ms += 5_000
    await pair.cached.read(("a",))
    before = pair.back.asked
    await pair.cached.read(("a",))
    assert pair.back.asked == before


async def test_a_read_that_overlaps_a_write_leaves_nothing_old_behind() -> None:
    class Slow(Frail):
        async def get(self, keys: Any) -> Any:
            found = await super().get(keys)
            await asyncio.sleep(0.01)
            return found

    pair = Pair()
    pair.back = Slow()
    cached = pair.another()
    await RecordStore(pair.back).write(("a",), {"n": 1})
    await asyncio.gather(cached.read(("a",)), cached.write(("a",), {"n": 2}), cached.read(("a",)))
    assert await cached.read(("a",)) == {"n": 2}
    assert await pair.another().read(("a",)) == {"n": 2}


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"until_ms": "later", "record": {}},
        {"until_ms": 10**15, "record": {"n": 0}},
        {"until_ms": 1_700_000_001_000},
    ],
    ids=["empty", "no time", "of a clock that is far ahead", "no record"],
)
async def test_an_entry_that_is_none_is_not_taken_for_the_record(entry: dict[str, Any]) -> None:
    pair = Pair()
    await RecordStore(pair.back).write(("a",), {"n": 1})
    await RecordStore(pair.front).write(("cache", "memory", "a"), entry)
    assert await pair.cached.read(("a",)) == {"n": 1}


async def test_a_record_that_is_damaged_is_told_and_not_remembered() -> None:
    pair = Pair()
    await pair.cached.write(("a",), {"n": 1})
    pair.now_ms += 30_000
    pair.back.contents["a",] = b"{"
    with pytest.raises(CorruptRecordError, match="moved to"):
        await pair.cached.read(("a",))
    assert pair.front.contents == {}


async def test_redis_in_front_of_files_serves_what_the_files_hold(tmp_path: Path, redis_server: RedisServer) -> None:
    def a_cached_store(url: str = redis_server.url) -> CachedStore:
        return CachedStore(RecordStore(RedisShelf(place, url)), back, now_ms=lambda: 1_700_000_000_000)

    place = PlaceOptions(kind=StoreKind.REDIS, prefix=new_name())
    back = FileStore(tmp_path / "state")
    stores = a_cached_store(), a_cached_store(), a_cached_store("redis://127.0.0.1:1/0")
    for store in stores:
        await store.wait_for_init()
    await stores[0].write(("live", "x"), {"n": 1})
    Path(back.shelf.place(("live", "x"))).unlink()
    assert await stores[1].read(("live", "x")) == {"n": 1}
    with pytest.raises(MissingRecordError):
        await stores[2].read(("live", "x"))
    for store in stores:
        await store.close()


class TestCachedStore(StoreContract):
    cannot: ClassVar[Mapping[Ability, str]] = {
        "processes": "memory is one process's",
        "neighbours": "whatever else is in memory is another object",
        "onlookers": "whoever only looks has an onlooker behind the cache",
    }

    @pytest.fixture
    def store(self) -> Store:
        self.pair = Pair()
        return self.pair.cached

    def again(self, store: Store) -> Store:
        return self.pair.another()

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        self.pair.back.contents[key] = content
        self.pair.front.contents.clear()
