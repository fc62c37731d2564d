"""Records in memory, for runs that leave nothing behind, and for tests."""

from collections.abc import Sequence

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError
from backtestkit_cli.persistence.envelope import DamagedError, opened, sealed
from backtestkit_cli.persistence.keys import begins_with, checked, in_natural_order
from backtestkit_cli.ports import Json, Key


class MemoryStore:
    """A `Store` that is gone with the process. `contents` are the bytes of each record, `aside` what was damaged.

    Bytes, so that whoever changes a record he wrote or read does not change what is kept.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.contents: dict[Key, bytes] = {}
        self.aside: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        """Return `memory`."""
        return "memory"

    async def wait_for_init(self) -> None:
        """Do nothing: there is nothing to wait for."""

    async def read(self, key: Key) -> Json:
        """Return the record of *key*."""
        return self._read(key)

    async def has(self, key: Key) -> bool:
        """Say whether there is a record of *key*."""
        return checked(key) in self.contents

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there."""
        self.contents[key] = sealed(record, _place(key))

    async def remove(self, key: Key) -> None:
        """Remove the record of *key*."""
        self._content(key)
        del self.contents[key]

    async def remove_all(self, prefix: Key) -> int:
        """Remove all records whose keys begin with *prefix*."""
        keys = self._keys(prefix)
        for key in keys:
            del self.contents[key]
        return len(keys)

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*."""
        return self._keys(prefix)

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)` that can be read."""
        records = []
        for key in self._keys(prefix):
            try:
                records.append(self._read(key))
            except CorruptRecordError:
                continue
        return records

    async def close(self) -> None:
        """Do nothing: the records stay as long as the store."""

    def _keys(self, prefix: Key) -> list[Key]:
        if prefix:
            checked(prefix)
        return in_natural_order(key for key in self.contents if begins_with(key, prefix))

    def _content(self, key: Key) -> bytes:
        content = self.contents.get(checked(key))
        if content is None:
            raise MissingRecordError(f"{_place(key)}: there is no such record")
        return content

    def _read(self, key: Key) -> Json:
        try:
            return opened(self._content(key), _place(key))
        except DamagedError as error:
            aside = f"{_place(key)}.corrupt-{len(self.aside) + 1}"
            self.aside[aside] = self.contents.pop(key)
            raise CorruptRecordError(f"{_place(key)}: {error}; it was moved to {aside}") from error


def _place(key: Key) -> str:
    """Return what messages call the place of *key*."""
    return "memory:" + "/".join(checked(key))
