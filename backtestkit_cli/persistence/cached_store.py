"""A fast store in front of a slow one, for those who only look."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.keys import checked
from backtestkit_cli.ports import Json, Key, Store

T = TypeVar("T")

CACHE = "cache"
LIFE_SECONDS = 30.0
REST_SECONDS = 5.0
"""How long a front that failed is left alone: whoever reads ten records is not to wait for it ten times."""

_UNTIL, _RECORD = "until_ms", "record"


class CachedStore:
    """A `Store` of what is in *back*; single records that were asked for before come from *front*.

    Through this object nobody gets what *back* does not hold: a key of which the front may be behind, because a write
    failed on either side, is in doubt, and read from *back* until the front is known to hold the same. What other
    processes change is seen when an entry has ended, *life_seconds* after it was read or written; also what a process
    changed that died before it could tell the front. Lists of records always come from *back*.

    Entries are at (`cache`, name of the back, key), so that a front can hold records of its own, and of many backs.
    """

    def __init__(
        self, front: Store, back: Store, *, now_ms: Callable[[], int], life_seconds: float = LIFE_SECONDS
    ) -> None:
        """Read from *front* what has not ended by *now_ms*, Unix milliseconds."""
        self._front = front
        self._back = back
        self._now_ms = now_ms
        self._life_ms = round(life_seconds * 1000)
        self._doubts: set[Key] = set()
        self._rests_until_ms = 0
        self._changing = asyncio.Lock()

    @property
    def name(self) -> str:
        """Return the name of the back."""
        return self._back.name

    @property
    def is_atomic(self) -> bool:
        """Say what the back says."""
        return self._back.is_atomic

    async def wait_for_init(self) -> None:
        """Make sure that the back can be used; the front may be out of order."""
        await self._back.wait_for_init()
        await self._asked(self._front.wait_for_init)

    async def read(self, key: Key) -> Json:
        """Return the record of *key*."""
        record = await self._known(checked(key))
        return await self._fetched(key) if record is None else record

    async def has(self, key: Key) -> bool:
        """Say whether there is a record of *key*."""
        return await self._known(checked(key)) is not None or await self._back.has(key)

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there."""
        await self.write_all({checked(key): record})

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Put *records* in the place of what was there, in their order."""
        async with self._changing:
            self._doubts.update(records)
            until_ms = self._now_ms() + self._life_ms
            await self._back.write_all(records)
            await self._keep(records, until_ms)

    async def remove(self, key: Key) -> None:
        """Remove the record of *key*."""
        async with self._changing:
            self._doubts.add(checked(key))
            await self._back.remove(key)
            await self._forget(key)

    async def remove_all(self, prefix: Key) -> int:
        """Remove all records whose keys begin with *prefix*."""
        async with self._changing:
            self._doubts.add(prefix)
            count = await self._back.remove_all(prefix)
            await self._forget(prefix)
            return count

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*."""
        return await self._back.keys(prefix)

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)` that can be read."""
        return await self._back.values(prefix)

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        """Return `keys(prefix)` with their records."""
        return await self._back.items(prefix)

    async def close(self) -> None:
        """Let go of connections, of both."""
        with suppress(StoreError):
            await self._front.close()
        await self._back.close()

    async def _known(self, key: Key) -> Json | None:
        """Return what the front holds of *key*, None if nothing, if that is in doubt, or if it has ended."""
        if self._doubts_of(key):
            return None
        entry = await self._asked(lambda: self._front.read(self._entry(key)))
        if entry is None:
            return None
        until_ms, record = entry.get(_UNTIL), entry.get(_RECORD)
        if not isinstance(until_ms, int) or not isinstance(record, dict):
            return None
        return record if 0 < until_ms - self._now_ms() <= self._life_ms else None

    async def _fetched(self, key: Key) -> Json:
        """Return what the back holds of *key*, and let the front hold the same."""
        async with self._changing:
            until_ms = self._now_ms() + self._life_ms
            try:
                record = await self._back.read(key)
            except (MissingRecordError, CorruptRecordError):
                await self._forget(key)
                raise
            self._doubts.add(key)
            await self._keep({key: record}, until_ms)
            return record

    async def _keep(self, records: Mapping[Key, Json], until_ms: int) -> None:
        """Let the front hold *records* until *until_ms*; where it does, they are in doubt no more."""
        for prefix in {doubt for key in records for doubt in self._doubts_of(key)} - records.keys():
            await self._forget(prefix)
        entries: dict[Key, Json] = {
            self._entry(key): {_UNTIL: until_ms, _RECORD: record} for key, record in records.items()
        }
        if await self._done(lambda: self._front.write_all(entries)):
            self._doubts.difference_update(records)

    async def _forget(self, prefix: Key) -> None:
        """Remove from the front what begins with *prefix*; where that is done, it is in doubt no more."""
        if await self._done(lambda: self._front.remove_all(self._entry(prefix))):
            self._doubts.discard(prefix)

    def _doubts_of(self, key: Key) -> set[Key]:
        """Return the prefixes of *key* that are in doubt, and so is it."""
        return self._doubts & {key[:length] for length in range(len(key) + 1)}

    def _entry(self, key: Key) -> Key:
        return (CACHE, self._back.name, *key)

    async def _done(self, ask: Callable[[], Awaitable[object]]) -> bool:
        """Say whether the front did what *ask* wants."""

        async def done() -> bool:
            await ask()
            return True

        return await self._asked(done) or False

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the front answers to *ask*, None if it has nothing, is in trouble, or rests after that."""
        if self._now_ms() < self._rests_until_ms:
            return None
        try:
            return await ask()
        except MissingRecordError:
            return None
        except StoreError:
            self._rests_until_ms = self._now_ms() + round(REST_SECONDS * 1000)
            return None
