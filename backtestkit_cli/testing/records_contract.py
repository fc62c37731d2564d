"""What every store promises of records: what was written is what is read."""

import math
from typing import Any

import pytest

from backtestkit_cli.errors import MissingRecordError, StoreError
from backtestkit_cli.ports import Json, Key, Store
from backtestkit_cli.testing.store_hooks import StoreHooks

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


class RecordsContract(StoreHooks):
    """The tests of records."""

    async def test_a_record_is_read_as_it_was_written(self, store: Store) -> None:
        record: Json = {
            "text": 'quotes " and \\ and \n and \x00 and é 日本 🚀',
            "": "no name",
            "$set": {"a.b": 1, "$gt": ""},
            "numbers": [0, -1, 2**63 - 1, -(2**63), 0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e22, 100.0],
            "nothing": None,
            "nested": {"deep": [[], {}, [True, False]]},
        }
        await store.write(("live", "demo", "note", "x"), record)
        found = await self.other(store).read(("live", "demo", "note", "x"))
        assert found == record
        assert repr(found) == repr(record)  # which tells 100.0 from 100, and -0.0 from 0.0, and the order of names

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

    async def test_what_json_cannot_hold_is_refused_and_the_old_record_stays(self, store: Store) -> None:
        await store.write(("a",), {"old": True})
        for record in NO_RECORDS:
            with pytest.raises(StoreError, match="expected a mapping that JSON can hold"):
                await store.write(("a",), record)
        assert await store.read(("a",)) == {"old": True}

    async def test_records_are_written_together(self, store: Store) -> None:
        await store.write(("a", "1"), {"n": "old"})
        await store.write_all({("a", "2"): {"n": 2}, ("a", "1"): {"n": 1}, ("b",): {"n": 3}})
        fresh = self.other(store)
        assert await fresh.items(()) == [(("a", "1"), {"n": 1}), (("a", "2"), {"n": 2}), (("b",), {"n": 3})]
        await store.write_all({})
        assert len(await fresh.keys(())) == 3

    async def test_of_records_together_none_is_written_if_one_cannot_be(self, store: Store) -> None:
        await store.write(("a",), {"old": True})
        wrongs: list[dict[Key, Json]] = [{("b",): {"x": math.nan}}, {("b", ""): {}}]
        for wrong in wrongs:
            with pytest.raises(StoreError):
                await store.write_all({("a",): {"old": False}, **wrong, ("c",): {}})
        assert await store.items(()) == [(("a",), {"old": True})]

    async def test_large_records_are_kept(self, store: Store) -> None:
        record: Json = {"text": "é" * 2_500_000}
        await store.write(("large",), record)
        assert await self.other(store).read(("large",)) == record
        assert await store.values(()) == [record]
        await store.write(("large",), {})
        assert await store.read(("large",)) == {}

    async def test_what_one_has_written_the_other_reads(self, store: Store) -> None:
        other = self.other(store)
        for number in range(5):
            writer, reader = (store, other) if number % 2 else (other, store)
            await writer.write(("a",), {"n": number})
            assert await reader.read(("a",)) == {"n": number}
            await writer.write(("b", str(number)), {})
            assert len(await reader.keys(("b",))) == number + 1
            assert await reader.has(("b", str(number)))
        await other.remove(("a",))
        assert not await store.has(("a",))

    async def test_initialising_twice_changes_nothing(self, store: Store) -> None:
        await store.write(("a",), {"n": 1})
        await store.wait_for_init()
        fresh = self.other(store)
        await fresh.wait_for_init()
        assert await fresh.read(("a",)) == {"n": 1}
        assert await fresh.keys(()) == [("a",)]

    async def test_closing_loses_nothing_and_may_be_done_twice(self, store: Store) -> None:
        await store.write(("a",), {"n": 1})
        await store.close()
        await store.close()
        fresh = self.other(store)
        await fresh.wait_for_init()
        assert await fresh.read(("a",)) == {"n": 1}

    async def test_a_store_says_what_it_is_called_and_that_it_may_be_traded_with(self, store: Store) -> None:
        assert store.is_atomic
        assert store.name.strip()
        with pytest.raises(MissingRecordError) as missing:
            await store.read(("some", "record"))
        assert "record" in str(missing.value)
        assert "\n" not in str(missing.value)
