"""All records of a store, wherever they are, looked at and copied in batches, so that none is too large."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.errors import CorruptRecordError, StoreError
from backtestkit_cli.persistence.envelope import DamagedError, opened, sealed
from backtestkit_cli.persistence.keys import in_natural_order
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.persistence.shelf import Lease, Shelf
from backtestkit_cli.ports import Json, Key

T = TypeVar("T")

BATCH = 500
"""How many records are read or written in one round trip."""

Leases: TypeAlias = Mapping[tuple[str, Key], Lease]
"""Leases by the name of their shelf and their subject, (mode, exchange)."""


class Holdings:
    """What *places* hold. Reading changes nothing: what is damaged stays where it is."""

    def __init__(self, places: Places) -> None:
        """Look at *places*, which are reached when first asked."""
        self.places = places
        self._shelves = places.shelves()

    @property
    def name(self) -> str:
        """Return what messages call the store."""
        return self.places.store(is_onlooker=True).name

    @property
    def shelves(self) -> Sequence[Shelf]:
        """Return all shelves."""
        return tuple(self._shelves.values())

    def place(self, key: Key) -> str:
        """Return what messages call the place of *key*."""
        return self._shelf(key).place(key)

    def is_served(self, key: Key) -> bool:
        """Say whether *key* is kept by a server."""
        place = self.places.place_of(key)
        return any(place == one for one, _ in self.places.servers)

    async def open(self) -> None:
        """Make sure that all places are there and can be written."""
        for shelf in self._shelves.values():
            await shelf.open()

    async def keys(self, prefix: Key = ()) -> list[Key]:
        """Return the keys that begin with *prefix*, in natural order."""
        found: list[Key] = []
        for shelf in self._shelves.values():
            found += [key for key in await shelf.names(prefix) if self._shelf(key) is shelf]
        return in_natural_order(found)

    async def contents(self, keys: Sequence[Key]) -> AsyncIterator[Mapping[Key, bytes]]:
        """Yield the contents of *keys* in their order, batch by batch; what is not there is left out."""
        for batch in batches(keys):
            found: dict[Key, bytes | None] = {}
            for shelf, group in self._by_shelf(batch).items():
                found |= dict(zip(group, await shelf.get(group), strict=True))
            yield {key: content for key in batch if (content := found[key]) is not None}

    async def records(self, keys: Sequence[Key]) -> AsyncIterator[Mapping[Key, Json | StoreError]]:
        """Yield the records of *keys* as `contents` does; why there is none stands in the place of one."""
        async for batch in self.contents(keys):
            yield {key: self._record(key, content) for key, content in batch.items()}

    async def put(self, records: Mapping[Key, Json], leases: Leases) -> None:
        """Put *records* in the place of what was there, under those of *leases* that are for them."""
        groups: dict[tuple[Shelf, Key], dict[Key, bytes]] = {}
        for key, record in records.items():
            shelf = self._shelf(key)
            groups.setdefault((shelf, key[:2]), {})[key] = sealed(record, shelf.place(key))
        for (shelf, subject), contents in groups.items():
            await shelf.put(contents, leases.get((shelf.name, subject)))

    def _record(self, key: Key, content: bytes) -> Json | StoreError:
        place = self.place(key)
        try:
            return opened(content, place)
        except DamagedError as error:
            return CorruptRecordError(f"{place}: {error}")
        except StoreError as error:
            return error

    def _shelf(self, key: Key) -> Shelf:
        return self._shelves[self.places.place_of(key)]

    def _by_shelf(self, keys: Iterable[Key]) -> dict[Shelf, list[Key]]:
        groups: dict[Shelf, list[Key]] = {}
        for key in keys:
            groups.setdefault(self._shelf(key), []).append(key)
        return groups


def batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield *values* in pieces of one round trip each."""
    for at in range(0, len(values), BATCH):
        yield values[at : at + BATCH]


@asynccontextmanager
async def held(options: StoreOptions, environ: Mapping[str, str]) -> AsyncIterator[Holdings]:
    """Yield what the store of *options* holds; connections end with the block.

    Raises:
        ConfigError: a URL is missing, or a package is not installed.
    """
    places = Places(options, environ)
    try:
        yield Holdings(places)
    finally:
        await places.close()
