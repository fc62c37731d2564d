"""The contract of stores finds what is subtly wrong: where one promise is broken, the test of that promise fails."""

import asyncio
import fnmatch
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, Shelf
from backtestkit_cli.persistence.shelves.files import FileShelf
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Json, Key, Store
from backtestkit_cli.testing.places import Maker
from backtestkit_cli.testing.store_contract import StoreContract


class Joined(MemoryShelf):
    """Joins the parts of keys without escaping them."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await super().put({tuple("/".join(key).split("/")): content for key, content in contents.items()}, lease)


class Folded(MemoryShelf):
    """Keeps keys as a disk does where case does not count."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await super().put({tuple(map(str.lower, key)): content for key, content in contents.items()}, lease)


class Composed(MemoryShelf):
    """Keeps keys as a disk does that has one normal form of each text."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        composed = {tuple(unicodedata.normalize("NFC", part) for part in key): at for key, at in contents.items()}
        await super().put(composed, lease)


class Patterned(MemoryShelf):
    """Takes a prefix for a pattern."""

    async def names(self, prefix: Key) -> Iterable[Key]:
        return [key for key in self.contents if fnmatch.fnmatchcase("\n".join(key), "\n".join((*prefix, "")) + "*")]


class Textual(MemoryShelf):
    """Takes keys whose text begins alike."""

    async def names(self, prefix: Key) -> Iterable[Key]:
        return [key for key in self.contents if "/".join(key).startswith("/".join(prefix))]


class OnePage(MemoryShelf):
    """Asks a server for the first page of a list only."""

    async def names(self, prefix: Key) -> Iterable[Key]:
        return list(await super().names(prefix))[:1000]


class Wiping(MemoryShelf):
    """Makes its place anew whenever it is opened."""

    async def open(self) -> None:
        self.contents.clear()


class Strict(MemoryShelf):
    """Reads nothing before it was opened."""

    is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def names(self, prefix: Key) -> Iterable[Key]:
        if not self.is_open:
            raise StoreError("no such table")
        return await super().names(prefix)


class Miscounting(MemoryShelf):
    """Says that it removed what was not there."""

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        await super().delete(keys, lease)
        return len(keys)


class Blind(MemoryShelf):
    """Moves aside what is there, whatever that is by now."""

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        return await super().set_aside(key, self.contents.get(key, content), lease)


class Short(MemoryShelf):
    """Keeps what fits into a megabyte."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await super().put({key: content[:1_000_000] for key, content in contents.items()}, lease)


class Torn(MemoryShelf):
    """Writes in two steps, between which others read."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await super().put({key: content[: len(content) // 2] for key, content in contents.items()}, lease)
        await asyncio.sleep(0)
        await super().put(contents, lease)


class Caching(RecordStore):
    """Reads what it wrote or read itself, not what is there."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self._known: dict[Key, Json] = {}

    async def read(self, key: Key) -> Json:
        if key not in self._known:
            self._known[key] = await super().read(key)
        return self._known[key]


class Lexicographic(RecordStore):
    """Sorts keys as texts."""

    async def keys(self, prefix: Key) -> Sequence[Key]:
        return sorted(await super().keys(prefix))


FAILED = (AssertionError, pytest.fail.Exception, StoreError)
ANY_TEXT = "test_a111_any_text_can_be_a_part_of_a_key_and_none_is_taken_for_another"
STORES: list[tuple[type[MemoryShelf] | type[RecordStore], str]] = [
    (Joined, ANY_TEXT),
    (Joined, "test_no_key_leads_out_of_the_place"),
    (Folded, ANY_TEXT),
    (Composed, ANY_TEXT),
    (Patterned, "test_signs_of_patterns_stand_for_themselves"),
    (Textual, "test_a_prefix_is_of_whole_parts"),
    (Textual, "test_removing_all_of_a_prefix_leaves_those_whose_names_merely_begin_alike"),
    (OnePage, "test_many_records_are_listed"),
    (Wiping, "test_initialising_twice_changes_nothing"),
    (Strict, "test_an_onlooker_finds_nothing_where_nobody_has_been"),
    (Miscounting, "test_what_is_not_there_is_missing"),
    (Blind, "test_what_was_written_over_damage_meanwhile_stays"),
    (Short, "test_large_records_are_kept"),
    (Torn, "test_who_reads_while_others_write_finds_whole_records"),
    (Caching, "test_what_one_has_written_the_other_reads"),
    (Caching, "test_whoever_changes_a_record_he_wrote_or_read_changes_nothing_that_is_kept"),
    (Lexicographic, "test_a105_keys_and_values_come_in_natural_order"),
]


class Memories(StoreContract):
    """The contract of what is in the memory of this process: another store is another of the same shelf."""

    def again(self, store: Store) -> Store:
        assert isinstance(store, RecordStore)
        return type(store)(store.shelf)

    def closed_later(self, store: Store) -> Store:
        return store


@pytest.mark.parametrize(("mutant", "promise"), STORES)
async def test_a120_a_store_that_breaks_a_promise_fails_the_test_of_it(
    mutant: type[MemoryShelf] | type[RecordStore], promise: str
) -> None:
    store = mutant(MemoryShelf()) if issubclass(mutant, RecordStore) else RecordStore(mutant())
    with pytest.raises(FAILED):
        await getattr(Memories(), promise)(store)


class Late(FileShelf):
    """Says that something is kept some time before it is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._waiting: list[Mapping[Key, bytes]] = []

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        self._waiting.append(contents)
        if len(self._waiting) > 3:
            await super().put(self._waiting.pop(0), lease)


class Files(Memories):
    def again(self, store: Store) -> Store:
        return FileStore(Path(store.name))

    def elsewhere(self, store: Store) -> Maker:
        return partial(Late, Path(store.name))


async def test_a120_a_store_that_acknowledges_too_early_fails_where_a_process_is_killed(tmp_path: Path) -> None:
    promise = "test_of_two_processes_that_write_at_once_one_is_killed_and_nothing_is_lost_or_mixed"
    with pytest.raises(FAILED):
        await getattr(Files(), promise)(FileStore(tmp_path))
