"""Records in several stores that look like one: kinds of record can have stores of their own."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import groupby

from backtestkit_cli.errors import CorruptRecordError
from backtestkit_cli.persistence.keys import checked, in_natural_order
from backtestkit_cli.ports import Json, Key, Store

_KIND = 2
"""Which part of a key is the kind of record."""


class RoutedStore:
    """A `Store` that keeps the kinds of record in `by_kind` in the stores there, and all else in `rest`.

    What a store holds of kinds that are kept elsewhere is not seen, and left alone. A write to several stores
    is one round trip for each run of records that belong together, in the order of the records.
    """

    def __init__(self, rest: Store, by_kind: Mapping[str, Store]) -> None:
        """Keep records in *rest* and *by_kind*; one store may be there more than once."""
        self._rest = rest
        self._by_kind = dict(by_kind)
        self._stores = tuple(dict.fromkeys([rest, *by_kind.values()]))

    @property
    def name(self) -> str:
        """Return the names of all places."""
        return ", ".join([self._rest.name, *(f"{kind} in {store.name}" for kind, store in self._by_kind.items())])

    @property
    def is_atomic(self) -> bool:
        """Say whether a write is so in each of the stores."""
        return all(store.is_atomic for store in self._stores)

    async def wait_for_init(self) -> None:
        """Make sure that each store can be written."""
        for store in self._stores:
            await store.wait_for_init()

    async def read(self, key: Key) -> Json:
        """Return the record of *key*."""
        return await self._store(key).read(key)

    async def has(self, key: Key) -> bool:
        """Say whether there is a record of *key*."""
        return await self._store(key).has(key)

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there."""
        await self._store(key).write(key, record)

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Put *records* in the place of what was there, in their order."""
        runs = groupby(records, self._store)
        for store, keys in [(store, list(keys)) for store, keys in runs]:
            await store.write_all({key: records[key] for key in keys})

    async def remove(self, key: Key) -> None:
        """Remove the record of *key*."""
        await self._store(key).remove(key)

    async def remove_all(self, prefix: Key) -> int:
        """Remove all records whose keys begin with *prefix*."""
        return sum([await self._removed(store, prefix) for store in self._stores_below(prefix)])

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*."""
        found = [self._own(store, await store.keys(prefix)) for store in self._stores_below(prefix)]
        return in_natural_order(key for keys in found for key in keys)

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)` that can be read."""
        return [record for _, record in await self.items(prefix) if not isinstance(record, CorruptRecordError)]

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        """Return `keys(prefix)` with their records."""
        found: dict[Key, Json | CorruptRecordError] = {}
        for store in self._stores_below(prefix):
            items = dict(await store.items(prefix))
            found |= {key: items[key] for key in self._own(store, items)}
        return [(key, found[key]) for key in in_natural_order(found)]

    async def close(self) -> None:
        """Let go of connections, of all stores even if one fails."""
        async with AsyncExitStack() as stack:
            for store in self._stores:
                stack.push_async_callback(store.close)

    def _store(self, key: Key) -> Store:
        """Return the store of *key*."""
        kind = checked(key)[_KIND : _KIND + 1]
        return self._by_kind.get(kind[0], self._rest) if kind else self._rest

    def _stores_below(self, prefix: Key) -> Sequence[Store]:
        """Return the stores of all keys that begin with *prefix*."""
        return [self._store(prefix)] if len(prefix) > _KIND else self._stores

    def _own(self, store: Store, keys: Iterable[Key]) -> list[Key]:
        """Return those of *keys*, found in *store*, that belong there."""
        return [key for key in keys if self._store(key) is store]

    async def _removed(self, store: Store, prefix: Key) -> int:
        """Remove what *store* has below *prefix*; return how many records that were."""
        found = await store.keys(prefix)
        own = self._own(store, found)
        if len(own) == len(found):
            return await store.remove_all(prefix)
        for key in own:
            await store.remove(key)
        return len(own)
