"""What every store promises of records that it cannot read, and of those who only look."""

import json

import pytest

from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.store_hooks import StoreHooks

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
NEWER = json.dumps({"version": 2, "record": {"n": 1}}).encode()


class DamageContract(StoreHooks):
    """The tests of damage, of newer records, and of onlookers."""

    async def _damaged(self, store: Store) -> list[Key]:
        """Return the keys of damaged records, which are among others that are not."""
        self.needs("planting")
        keys: list[Key] = [("a", f"damaged {number}") for number in range(len(DAMAGED))]
        await store.write_all({key: {} for key in [*keys, ("a",), ("a", "damage"), ("b",)]})
        for key, content in zip(keys, DAMAGED, strict=True):
            await self.plant(store, key, content)
        return keys

    async def test_a121_an_empty_or_damaged_record_is_moved_aside_and_the_rest_goes_on(self, store: Store) -> None:
        for key in await self._damaged(store):
            assert await store.has(key)
            with pytest.raises(CorruptRecordError, match="moved to"):
                await store.read(key)
            assert not await store.has(key)
            with pytest.raises(MissingRecordError):
                await store.read(key)
            await store.write(key, {"n": 3})
            assert await store.read(key) == {"n": 3}
        assert len(await store.keys(())) == len(DAMAGED) + 3

    async def test_a_record_can_be_damaged_again_and_again(self, store: Store) -> None:
        self.needs("planting")
        for _ in range(3):
            await self.plant(store, ("a",), b"half")
            with pytest.raises(CorruptRecordError, match="moved to"):
                await store.read(("a",))
        assert await store.keys(()) == []

    async def test_among_values_a_damaged_record_is_left_out(self, store: Store) -> None:
        await self._damaged(store)
        assert await store.values(()) == [{}] * 3
        assert await self.other(store).keys(()) == [("a",), ("a", "damage"), ("b",)]

    async def test_among_items_a_damaged_record_is_why_there_is_none(self, store: Store) -> None:
        damaged = await self._damaged(store)
        items = await store.items(())
        assert [key for key, _ in items] == [("a",), ("a", "damage"), *damaged, ("b",)]
        assert [key for key, record in items if isinstance(record, CorruptRecordError)] == damaged
        assert await store.items(("a",)) == [(("a",), {}), (("a", "damage"), {})]

    async def test_what_was_written_over_damage_meanwhile_stays(self, store: Store) -> None:
        self.needs("planting")
        if not isinstance(store, RecordStore):
            pytest.skip("it is a store of its own, without a shelf that moves what it is told to")
        await store.write(("a",), {"n": 1})
        await store.shelf.set_aside(("a",), b"half")
        assert await store.read(("a",)) == {"n": 1}

    async def test_a110_a_record_of_a_newer_version_is_refused_and_stays(self, store: Store) -> None:
        self.needs("planting")
        await self.plant(store, ("a",), NEWER)
        for _ in range(2):
            with pytest.raises(ForeignRecordError, match="expected version 1 or older, found 2; it stays where it is"):
                await store.read(("a",))
        for call in (store.values, store.items):
            with pytest.raises(ForeignRecordError):
                await call(())
        assert await store.has(("a",))

    async def test_an_onlooker_reads_everything_and_changes_nothing(self, store: Store) -> None:
        self.needs("onlookers")
        damaged = await self._damaged(store)
        onlooker = self.closed_later(self.onlooker(store))
        await onlooker.wait_for_init()
        assert await onlooker.keys(("a",)) == [("a",), ("a", "damage"), *damaged]
        assert await onlooker.values(()) == [{}] * 3
        for key in damaged:
            with pytest.raises(CorruptRecordError, match="left where it is"):
                await onlooker.read(key)
        for call in (
            lambda: onlooker.write(("b",), {"n": 1}),
            lambda: onlooker.write_all({("c",): {}}),
            lambda: onlooker.remove(("b",)),
            lambda: onlooker.remove_all(()),
        ):
            with pytest.raises(StoreError):
                await call()
        assert await store.keys(()) == [("a",), ("a", "damage"), *damaged, ("b",)]
        assert await store.read(("b",)) == {}

    async def test_an_onlooker_finds_nothing_where_nobody_has_been(self, unopened: Store) -> None:
        self.needs("onlookers")
        onlooker = self.closed_later(self.onlooker(unopened))
        await onlooker.wait_for_init()
        assert await onlooker.keys(()) == []
        assert await onlooker.items(("a",)) == []
        assert not await onlooker.has(("a",))
        with pytest.raises(MissingRecordError):
            await onlooker.read(("a",))
