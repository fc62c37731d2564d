"""What every store promises: a class of tests, run on a store by a subclass that says how to make one.

class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return RecordStore(MyShelf("place", ...))

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(my_module.make_store, "place", ...)
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.ports import Json, Key, Store

ODD_PARTS = [
    "BTC/USDT",
    "BTC/USDT:USDT",
    "a\\b",
    "..",
    ".",
    ".hidden",
    "dot.",
    "a b ",
    " a",
    "a:b",
    "*?<>|\"'",
    "%2f",
    "a%2fb",
    "+a",
    "A",
    "a",
    "aA",
    "Aa",
    "CON",
    "con",
    "nul",
    "x=",
    "x.json",
    "corrupt-1",
    "日本語",
    "e\u0301",
    "é",
    "É",
    "\u212a",
    "🚀",
    "\ud800",
    "line\nbreak",
    "\x00",
    "long-" * 100,
    "long-" * 100 + "!",
    "1",
    "01",
]
"""Parts of keys that separators, file systems and normal forms are known to confuse, each different from the others."""


NO_RECORDS: list[Any] = [
    [1],
    None,
    "text",
    {"x": math.nan},
    {"x": [{"y": -math.inf}]},
    {1: 2},
    {"x": {1, 2}},
    {"x": 2**64},
    {"\ud800": 1},
]
DAMAGED = [
    b"",
    b" \n",
    b"\0" * 80,
    b"{",
    b'{"version":1,"record":{"a',
    b"[]",
    b"null",
    b"{}",
    b'{"version":1}',
    b"\xff\xfe",
    b'{"version":1,"record":[]}',
    b'{"version":true,"record":{}}',
    b'{"version":0,"record":{}}',
    b'{"version":"1","record":{}}',
]


class StoreContract:
    """The tests; each gets an empty store that is ready for use."""

    keeps_surrogates = True
    """Whether parts of keys may hold halves of surrogate pairs, for which UTF-8 has no bytes."""

    @pytest.fixture
    def store(self) -> Store:
        """Return a store of an empty place."""
        raise NotImplementedError("say how a store is made")

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        """Return what makes a store of the same records in another process; it can be pickled."""
        raise NotImplementedError("say how another process makes a store of the same records")

    def again(self, store: Store) -> Store:
        """Return a store of the same records as another process would have it; it is closed after the test."""
        return self.elsewhere(store)()

    async def plant(self, store: Store, key: Key, content: bytes) -> None:
        """Put raw bytes in the place of a record, past the store."""
        if not isinstance(store, RecordStore):
            raise NotImplementedError("say how a record is damaged")
        await store.shelf.put({key: content})

    @pytest.fixture(autouse=True)
    async def _ready(self, store: Store) -> AsyncIterator[None]:
        self._others: list[Store] = []
        await store.wait_for_init()
        yield
        for opened in (*self._others, store):
            await opened.close()

    def other(self, store: Store) -> Store:
        """Return what `again` does, and see to it that it is closed."""
        self._others.append(self.again(store))
        return self._others[-1]

    async def test_a_record_is_read_as_it_was_written(self, store: Store) -> None:
        record: Json = {
            "text": 'quotes " and \\ and \n and \x00 and é 日本 🚀',
            "": "no name",
            "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 100.0],
            "nothing": None,
            "nested": {"deep": [[], {}, [True, False]]},
        }
        await store.write(("live", "demo", "note", "x"), record)
        found = await self.other(store).read(("live", "demo", "note", "x"))
        assert found == record
        assert repr(found) == repr(record)  # which tells 100.0 from 100, and -0.0 from 0.0

    async def test_what_was_written_last_counts(self, store: Store) -> None:
        for number in range(3):
            await store.write(("a",), {"number": number})
        assert await self.other(store).read(("a",)) == {"number": 2}
        assert await store.keys(()) == [("a",)]

    async def test_whoever_changes_a_record_he_wrote_or_read_changes_nothing_that_is_kept(self, store: Store) -> None:
        record: Json = {"list": [1]}
        await store.write(("a",), record)
        record["list"].append(2)
        (await store.read(("a",)))["list"].append(3)
        assert await store.read(("a",)) == {"list": [1]}

    async def test_what_is_not_there_is_missing(self, store: Store) -> None:
        await store.write(("a", "b"), {})
        for key in [("a",), ("b",), ("a", "b", "c"), ("a", "B")]:
            assert not await store.has(key)
            with pytest.raises(MissingRecordError):
                await store.read(key)
            with pytest.raises(MissingRecordError):
                await store.remove(key)
        assert await store.has(("a", "b"))

    async def test_a_removed_record_is_gone_and_can_be_written_again(self, store: Store) -> None:
        await store.write(("a", "b"), {"n": 1})
        await store.remove(("a", "b"))
        assert not await self.other(store).has(("a", "b"))
        assert await store.keys(()) == []
        with pytest.raises(MissingRecordError):
            await store.read(("a", "b"))
        await store.write(("a", "b"), {"n": 2})
        assert await store.read(("a", "b")) == {"n": 2}

    async def test_a105_keys_and_values_come_in_natural_order(self, store: Store) -> None:
        numbers = [10, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        for number in numbers:
            await store.write(("job", str(number)), {"number": number})
        assert [key[1] for key in await store.keys(("job",))] == [str(number) for number in range(1, 11)]
        assert [record["number"] for record in await store.values(("job",))] == list(range(1, 11))

    async def test_a105_numbers_within_texts_count_too_and_parts_are_compared_one_by_one(self, store: Store) -> None:
        ordered = [("a",), ("a", "z"), ("a2", "b"), ("a10", "a"), ("a10b2",), ("a10b10",), ("b", "1" * 30), ("b1",)]
        for key in reversed(ordered):
            await store.write(key, {})
        assert list(await store.keys(())) == ordered

    async def test_a_prefix_is_of_whole_parts(self, store: Store) -> None:
        keys = [("a",), ("a", "b"), ("a", "bc"), ("ab",), ("ab", "b"), ("a/b",), ("a", "b", "c")]
        for key in keys:
            await store.write(key, {"key": list(key)})
        assert list(await store.keys(("a", "b"))) == [("a", "b"), ("a", "b", "c")]
        assert [record["key"] for record in await store.values(("ab",))] == [["ab"], ["ab", "b"]]
        assert await store.keys(("c",)) == []
        assert len(await store.keys(())) == len(keys)

    async def test_removing_all_of_a_prefix_leaves_those_whose_names_merely_begin_alike(self, store: Store) -> None:
        for key in [("a",), ("a", "x"), ("a", "y", "z"), ("ab",), ("a b", "x"), ("A", "x"), ("a/x",)]:
            await store.write(key, {})
        assert await store.remove_all(("a",)) == 3
        assert set(await self.other(store).keys(())) == {("ab",), ("a b", "x"), ("A", "x"), ("a/x",)}
        assert await store.remove_all(("a",)) == 0
        assert await store.remove_all(()) == 4
        assert await store.keys(()) == []

    async def test_any_text_can_be_a_part_of_a_key_and_none_is_taken_for_another(self, store: Store) -> None:
        odd = [part for part in ODD_PARTS if self.keeps_surrogates or part.isprintable()]
        keys: list[Key] = [("k", part) for part in odd] + [("k", part, "below") for part in odd]
        for number, key in enumerate(keys):
            await store.write(key, {"number": number})
        fresh = self.other(store)
        assert set(await fresh.keys(("k",))) == set(keys)
        assert [(await fresh.read(key))["number"] for key in keys] == list(range(len(keys)))

    @pytest.mark.parametrize("key", [(), ("",), ("a", ""), ("a", 1), "ab", ["a"], None], ids=repr)
    async def test_what_is_no_key_is_refused(self, store: Store, key: Any) -> None:
        for call in (store.read, store.has, store.remove, lambda key: store.write(key, {})):
            with pytest.raises(StoreError, match="key of a record: expected one or more texts"):
                await call(key)

    @pytest.mark.parametrize("record", NO_RECORDS, ids=repr)
    async def test_what_json_cannot_hold_is_refused_and_the_old_record_stays(self, store: Store, record: Any) -> None:
        await store.write(("a",), {"old": True})
        with pytest.raises(StoreError, match="expected a mapping that JSON can hold"):
            await store.write(("a",), record)
        assert await store.read(("a",)) == {"old": True}

    async def test_large_records_are_kept(self, store: Store) -> None:
        record: Json = {"text": "é" * 2_500_000}
        await store.write(("large",), record)
        assert await self.other(store).read(("large",)) == record
        await store.write(("large",), {})
        assert await store.read(("large",)) == {}

    async def test_many_writers_of_one_record_leave_one_of_their_records(self, store: Store) -> None:
        records: list[Json] = [{"writer": number, "same": [number] * 50} for number in range(20)]
        await asyncio.gather(*(store.write(("a",), record) for record in records))
        assert await self.other(store).read(("a",)) in records

    async def test_many_writers_of_many_records_lose_none(self, store: Store) -> None:
        async def write(writer: int) -> None:
            for number in range(10):
                await store.write(("w", str(writer), str(number)), {"n": number})

        await asyncio.gather(*(write(writer) for writer in range(10)))
        assert len(await self.other(store).keys(("w",))) == 100

    async def test_initialising_twice_changes_nothing(self, store: Store) -> None:
        await store.write(("a",), {"n": 1})
        await store.wait_for_init()
        fresh = self.other(store)
        await fresh.wait_for_init()
        assert await fresh.read(("a",)) == {"n": 1}
        assert await fresh.keys(()) == [("a",)]

    @pytest.mark.parametrize("content", DAMAGED, ids=repr)
    async def test_a121_an_empty_or_damaged_record_is_moved_aside_and_the_rest_goes_on(
        self, store: Store, content: bytes
    ) -> None:
        await store.write(("a", "1"), {"n": 1})
        await store.write(("a", "2"), {"n": 2})
        await self.plant(store, ("a", "1"), content)
        with pytest.raises(CorruptRecordError, match="moved to"):
            await store.read(("a", "1"))
        assert not await store.has(("a", "1"))
        assert await store.keys(()) == [("a", "2")]
        await store.write(("a", "1"), {"n": 3})
        assert await store.read(("a", "1")) == {"n": 3}

    async def test_values_leave_a_damaged_record_out(self, store: Store) -> None:
        for number in range(4):
            await store.write(("a", str(number)), {"n": number})
        await self.plant(store, ("a", "2"), b"")
        assert [record["n"] for record in await store.values(("a",))] == [0, 1, 3]
        assert not await store.has(("a", "2"))

    async def test_a110_a_record_of_a_newer_version_is_refused_and_stays(self, store: Store) -> None:
        newer = json.dumps({"version": 2, "record": {"n": 1}}).encode()
        await self.plant(store, ("a",), newer)
        for _ in range(2):
            with pytest.raises(ForeignRecordError, match="expected version 1 or older, found 2; it stays where it is"):
                await store.read(("a",))
        with pytest.raises(ForeignRecordError):
            await store.values(())
        assert await store.has(("a",))

    async def test_closing_loses_nothing(self, store: Store) -> None:
        await store.write(("a",), {"n": 1})
        await store.close()
        fresh = self.other(store)
        await fresh.wait_for_init()
        assert await fresh.read(("a",)) == {"n": 1}
