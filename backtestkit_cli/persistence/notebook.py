"""Data of an author's own, such as a log of trades, beside what trading keeps."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError
from backtestkit_cli.ports import Json, Key, Store


class Notebook:
    """Records by name, in natural order, "2" before "10"; one that cannot be read is moved aside and left out.

    They are at ("own", name of the notebook, "note", key), where trading keeps nothing.
    """

    def __init__(self, store: Store, name: str) -> None:
        """Keep records in *store*; notebooks of different names share none."""
        self._store = store
        self._prefix: Key = ("own", name, "note")

    async def write(self, key: str, record: Json) -> None:
        """Put *record*, a mapping that JSON can hold, in the place of what was there."""
        await self._store.write((*self._prefix, key), record)

    async def read(self, key: str) -> Json:
        """Return the record of *key*.

        Raises:
            MissingRecordError: there is none.
            CorruptRecordError: there is one that cannot be read; it has been moved aside.
        """
        return await self._store.read((*self._prefix, key))

    async def has(self, key: str) -> bool:
        """Say whether there is a record of *key*."""
        return await self._store.has((*self._prefix, key))

    async def remove(self, key: str) -> None:
        """Remove the record of *key*.

        Raises:
            MissingRecordError: there is none.
        """
        await self._store.remove((*self._prefix, key))

    async def remove_all(self) -> int:
        """Remove all records; return how many there were."""
        return await self._store.remove_all(self._prefix)

    async def keys(self) -> list[str]:
        """Return the keys of all records."""
        return [key[-1] for key in await self._store.keys(self._prefix)]

    async def values(self) -> list[Json]:
        """Return all records, in the order of their keys."""
        return list(await self._store.values(self._prefix))

    async def iterate(self) -> AsyncIterator[tuple[str, Json]]:
        """Yield each key with its record; they are as they were at the beginning."""
        for key, record in await self._store.items(self._prefix):
            if not isinstance(record, CorruptRecordError):
                yield key[-1], record

    async def filter(self, predicate: Callable[[Json], object]) -> list[Json]:
        """Return the records of which *predicate* is true."""
        return [record for record in await self.values() if predicate(record)]

    async def take(self, count: int) -> list[Json]:
        """Return the first *count* records, or all if there are fewer; no others are read."""
        taken: list[Json] = []
        for key in await self.keys():
            if len(taken) >= count:
                break
            with suppress(CorruptRecordError, MissingRecordError):  # another may have removed it meanwhile
                taken.append(await self.read(key))
        return taken
