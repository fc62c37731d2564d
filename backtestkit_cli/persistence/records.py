"""Values of the engine as records of a store, each of which says whose it is and of which version."""

from collections.abc import Mapping
from typing import TypeVar

from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.parts import ShapeError, UnknownFieldError
from backtestkit_cli.ports import Json, Key, Store

VERSION = 1
"""Of what the records hold; it grows when a field changes its meaning. A field that is new needs only a default."""

T = TypeVar("T")
_ASIDE = "aside"
_VERSION, _CONTENT = "version", "content"


class Records:
    """The records of one owner in *store*: `owner` is its mode, exchange, and what else the key names, in order."""

    def __init__(self, store: Store, codec: Codec, owner: Mapping[str, str]) -> None:
        """Read and write for *owner* only, whose mode and exchange come first."""
        self._store = store
        self._codec = codec
        self._owner = {name: codec.encoded(text, str) for name, text in owner.items()}
        self._mode, self._exchange, *self._scope = owner.values()

    def key(self, kind: str, *rest: str) -> Key:
        """Return where the record of *kind* is, or that of one *rest* of them."""
        return (self._mode, self._exchange, kind, *self._scope, *rest)

    async def write(self, key: Key, value: object, kind: type) -> None:
        """Put *value*, a *kind* or None, in the place of what was at *key*.

        Raises:
            StoreError: it cannot be saved; nothing has changed.
        """
        content = None if value is None else self._codec.encoded(value, kind)
        await self._store.write(key, {_VERSION: VERSION, **self._owner, _CONTENT: content})

    async def read(self, key: Key, kind: type[T]) -> T | None:
        """Return what is at *key*, None where it says null.

        Raises:
            MissingRecordError: there is no record.
            CorruptRecordError: it cannot be read, and is kept aside.
            ForeignRecordError: it is of another owner, or of a newer version; it stays where it is.
            StoreError: it cannot be read now.
        """
        record = await self._store.read(key)
        try:
            content = self._content(record, self._place(key))
            return None if content is None else self._codec.decoded(content, kind)
        except UnknownFieldError as error:
            text = f"{self._place(key)}: a newer btk wrote this record: {error}; it stays where it is"
            raise ForeignRecordError(text) from error
        except ShapeError as error:
            aside = await self._set_aside(key, record)
            text = f"{self._place(key)}: cannot be read: {error}; it was moved to {'/'.join(aside)}"
            raise CorruptRecordError(text) from error

    async def keys(self, kind: str) -> tuple[Key, ...]:
        """Return the keys of all records of *kind*."""
        return tuple(await self._store.keys(self.key(kind)))

    def _content(self, record: Json, place: str) -> object:
        """Return what *record* holds, once it is known to be ours."""
        version = record.get(_VERSION)
        if type(version) is not int or version < 1:
            raise ShapeError("the record has no version")
        if version > VERSION:
            expected = f"expected version {VERSION} or older, found {version}"
            raise ForeignRecordError(f"{place}: a newer btk wrote this record: {expected}; it stays where it is")
        others = [
            f"{name}: expected {ours!r}, found {record.get(name)!r}"
            for name, ours in self._owner.items()
            if record.get(name) != ours
        ]
        if others:
            raise ForeignRecordError(f"{place}: the record is of another session: {'; '.join(others)}; it stays there")
        if _CONTENT not in record:
            raise ShapeError("the record has no content")
        return record[_CONTENT]

    async def _set_aside(self, key: Key, record: Json) -> Key:
        """Move *record* to the first free key of those set aside, and return that."""
        mode, exchange, *rest = key
        number = 1
        while await self._store.has(aside := (mode, exchange, _ASIDE, *rest, str(number))):
            number += 1
        await self._store.write(aside, record)
        await self._store.remove(key)
        return aside

    def _place(self, key: Key) -> str:
        return f"{self._store.name}: {'/'.join(key)}"
