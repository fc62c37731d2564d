"""Values of the engine as records of a store, each of which says whose it is and of which version."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.parts import ShapeError, UnknownFieldError
from backtestkit_cli.ports import Json, Key, Store

VERSION = 1
"""Of what the records hold; it grows when a field changes its meaning. A field that is new needs only a default."""

T = TypeVar("T")
ASIDE = "aside"
"""The kind of the records that were damaged within."""

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

    async def write(self, values: Mapping[Key, tuple[object, type]]) -> None:
        """Put each of *values*, of the type beside it or None, in the place of what was at its key, in one write.

        Raises:
            StoreError: they cannot be saved; nothing has changed.
        """
        await self._store.write_all({key: self._record(*value) for key, value in values.items()})

    async def read(self, key: Key, kind: type[T]) -> T | None:
        """Return what is at *key*, None where it says null.

        Raises:
            MissingRecordError: there is no record.
            CorruptRecordError: it cannot be read, and is kept aside.
            ForeignRecordError: it is of another owner, or of a newer version; it stays where it is.
            StoreError: it cannot be read now.
        """
        return await self._decoded(key, await self._store.read(key), kind)

    async def read_all(self, kind: str, of: type[T]) -> tuple[Sequence[T], Sequence[str]]:
        """Return all records of *kind*, each of the type *of*, and what could not be read, which is kept aside."""
        found, damages = [], []
        for key, record in await self._store.items(self.key(kind)):
            try:
                if isinstance(record, CorruptRecordError):
                    raise record
                value = await self._decoded(key, record, of)
            except CorruptRecordError as error:
                damages.append(str(error))
            else:
                found += [] if value is None else [value]
        return found, damages

    def _record(self, value: object, kind: type) -> Json:
        content = None if value is None else self._codec.encoded(value, kind)
        return {_VERSION: VERSION, **self._owner, _CONTENT: content}

    def decoded(self, key: Key, record: Json, kind: type[T]) -> T | None:
        """Return what *record*, found at *key*, holds, None where it says null.

        Raises:
            ShapeError: it is damaged.
            ForeignRecordError: it is of another owner, or of a newer version.
            StoreError: it needs what is not there, such as a class of an author.
        """
        try:
            content = self._content(record, self._place(key))
            return None if content is None else self._codec.decoded(content, kind)
        except UnknownFieldError as error:
            text = f"{self._place(key)}: a newer btk wrote this record: {error}; it stays where it is"
            raise ForeignRecordError(text) from error

    async def _decoded(self, key: Key, record: Json, kind: type[T]) -> T | None:
        try:
            return self.decoded(key, record, kind)
        except ShapeError as error:
            aside = await self._set_aside(key, record)
            text = f"{self._place(key)}: cannot be read: {error}; it was moved to {'/'.join(aside)}"
            raise CorruptRecordError(text) from error

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
        while await self._store.has(aside := (mode, exchange, ASIDE, *rest, str(number))):
            number += 1
        await self._store.write(aside, record)
        await self._store.remove(key)
        return aside

    def _place(self, key: Key) -> str:
        return f"{self._store.name}: {'/'.join(key)}"
