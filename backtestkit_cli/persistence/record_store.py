"""Records on a shelf: the one `Store`, whatever the place."""

from collections.abc import Iterable, Mapping, Sequence

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.envelope import DamagedError, opened, sealed
from backtestkit_cli.persistence.keys import checked, in_natural_order
from backtestkit_cli.persistence.shelf import Lease, Shelf
from backtestkit_cli.ports import Json, Key

_LEFT = "was left where it is"


class RecordStore:
    """A `Store` of what is on *shelf*, written under *lease* if there is one.

    An onlooker only reads: nothing is made, changed, moved or removed, whoever asks.
    """

    def __init__(self, shelf: Shelf, lease: Lease | None = None, *, is_onlooker: bool = False) -> None:
        """Keep records on *shelf*, which is opened by `wait_for_init`."""
        self.shelf = shelf
        self._lease = lease
        self._is_onlooker = is_onlooker

    @property
    def name(self) -> str:
        """Return the name of the place."""
        return self.shelf.name

    @property
    def is_atomic(self) -> bool:
        """Say what the shelf says."""
        return self.shelf.is_atomic

    async def wait_for_init(self) -> None:
        """Open the shelf; an onlooker takes it as it is."""
        if not self._is_onlooker:
            await self.shelf.open()

    async def read(self, key: Key) -> Json:
        """Return the record of *key*."""
        (content,) = await self.shelf.get([checked(key)])
        if content is None:
            raise MissingRecordError(f"{self.shelf.place(key)}: there is no such record")
        found = await self._opened(key, content)
        if isinstance(found, CorruptRecordError):
            raise found
        return found

    async def has(self, key: Key) -> bool:
        """Say whether there is a record of *key*."""
        return (await self.shelf.get([checked(key)]))[0] is not None

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there."""
        await self.write_all({checked(key): record})

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Put *records* in the place of what was there."""
        if self._is_onlooker:  # what reading wants to write is a damaged record, under another key
            names = ", ".join("/".join(key) for key in records)
            raise CorruptRecordError(f"{self.name}: a damaged record {_LEFT}, instead of being moved to {names}")
        contents = {key: sealed(record, self.shelf.place(checked(key))) for key, record in records.items()}
        if contents:
            await self.shelf.put(contents, self._lease)

    async def remove(self, key: Key) -> None:
        """Remove the record of *key*."""
        self._demand_leave([checked(key)])
        if not await self.shelf.delete([key], self._lease):
            raise MissingRecordError(f"{self.shelf.place(key)}: there is no such record")

    async def remove_all(self, prefix: Key) -> int:
        """Remove all records whose keys begin with *prefix*."""
        keys = await self.keys(prefix)
        self._demand_leave(keys)
        return await self.shelf.delete(keys, self._lease) if keys else 0

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*."""
        return in_natural_order(await self.shelf.names(_prefix(prefix)))

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)` that can be read."""
        return [record for _, record in await self.items(prefix) if not isinstance(record, CorruptRecordError)]

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        """Return `keys(prefix)` with their records."""
        contents = dict(await self.shelf.scan(_prefix(prefix)))
        return [(key, await self._opened(key, contents[key])) for key in in_natural_order(contents)]

    async def close(self) -> None:
        """Let go of connections."""
        await self.shelf.close()

    async def _opened(self, key: Key, content: bytes) -> Json | CorruptRecordError:
        """Return the record in *content*, or why there is none; then it is moved aside."""
        place = self.shelf.place(key)
        try:
            return opened(content, place)
        except DamagedError as error:
            fate = f"it {_LEFT}"
            if not self._is_onlooker:
                fate = f"it was moved to {await self.shelf.set_aside(key, content, self._lease)}"
            corrupt = CorruptRecordError(f"{place}: {error}; {fate}")
            corrupt.__cause__ = error
            return corrupt

    def _demand_leave(self, keys: Iterable[Key]) -> None:
        """Make sure that *keys* may be removed."""
        if self._is_onlooker:
            raise StoreError(f"{self.name}: {', '.join('/'.join(key) for key in keys)} {_LEFT}")


def _prefix(prefix: Key) -> Key:
    return checked(prefix) if prefix else prefix
