"""Records in PostgreSQL: a row each, in a schema of their own beside the leases.

Each method is one statement, which sees and locks what it changes: so READ COMMITTED, the isolation of PostgreSQL
unless told otherwise, is enough. No statement relies on what an earlier one read, and where one waits for a row it
goes on with that row as it is then. A lease is checked by the statement that writes: it locks the row of the lease,
so that a takeover waits until the write is done, or the write waits for the takeover and is refused.

Where there are very many records, make the schema and `records` by hand before the first start, with the columns of
`postgres_schema` and `PARTITION BY RANGE (key)`: a partition from `live/binance/` to `live/binance0` holds what is
below (live, binance). The primary key is the index of each prefix.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import LeaseLostError, StoreError
from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.persistence.shelf import Lease, Tenant, lost
from backtestkit_cli.persistence.shelves import postgres_statements as statements
from backtestkit_cli.persistence.shelves.postgres_connections import Connections
from backtestkit_cli.persistence.shelves.postgres_schema import Schema
from backtestkit_cli.ports import Key

_SEPARATOR, _NEXT = "/", "0"
"""What follows a prefix in the keys below it, and what is the first character after it."""
_FORM = KeyForm(_SEPARATOR)
_AFTER_ALL = "\x7f"
LONGEST_KEY = 2600
"""How many characters a key may have: what an index of PostgreSQL holds, less what it needs itself."""


class PostgresShelf:
    """Bytes in tables of the schema `place.prefix`, which is made when it is first opened, at PostgreSQL 12 or newer.

    What is JSON is kept as such, to the letter; what is not, in `damaged`. An onlooker, who does not open, finds
    nothing where there is no schema.
    """

    def __init__(self, place: PlaceOptions, url: str) -> None:
        """Keep records at *url*.

        Raises:
            ConfigError: it is no URL of PostgreSQL, or `place.prefix` can be no schema.
        """
        self._connections = Connections(place, url)
        self._schema = Schema(place.prefix, self.name)
        self._is_known = False

    @property
    def name(self) -> str:
        """Return the address, the database and the schema."""
        return self._connections.name

    @property
    def is_atomic(self) -> bool:
        """Say yes, of all that is put at once."""
        return True

    def place(self, key: Key) -> str:
        """Return the parts of *key* below the schema."""
        return f"{self.name}/{'/'.join(key)}"

    async def open(self) -> None:
        """Make the schema, or bring it up to date, and prove that it can be written."""
        async with self._connections.one() as connection:
            await self._schema.make(connection)
        self._is_known = True
        await self.put({})

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the contents of *keys*."""
        texts = [_FORM.text(key) for key in keys]
        found = {text: content for text, content in await self._read(statements.GET, texts)}  # noqa: C416 - rows are no pairs
        return [found.get(text) for text in texts]

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there, all of them or none."""
        keys = [self._short(key) for key in contents]
        cells = [_cells(content) for content in contents.values()]
        await self._change(statements.PUT, lease, keys, [text for text, _ in cells], [raw for _, raw in cells])

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*."""
        removed: int = await self._change(statements.DELETE, lease, [_FORM.text(key) for key in keys])
        return removed

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*."""
        rows = await self._read(statements.NAMES, *_range(prefix))
        return [key for (text,) in rows if (key := _FORM.key(text)) is not None]

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return what is at the keys that begin with *prefix*."""
        rows = await self._read(statements.SCAN, *_range(prefix))
        return [(key, content) for text, content in rows if (key := _FORM.key(text)) is not None]

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content* to the table `aside`; asked twice, it says where it moved it the first time."""
        number = await self._change(statements.SET_ASIDE, lease, _FORM.text(key), content)
        return self.place(key) if number is None else f"number {number} of the table aside of {self.name}"

    async def close(self) -> None:
        """Let go of connections; what is asked later makes new ones."""
        await self._connections.close()

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject*, that of *tenant* if it is to be had, by the clock of the server."""
        asked = (_FORM.text(subject), _text(tenant), seconds, ousted or 0)
        ((fence, holder),) = await self._fetch(statements.TAKE, *asked)
        return Lease(subject, fence, _tenant(holder))

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now."""
        if not await self._fetch(statements.RENEW, *_owner(lease), seconds):
            raise await self._lost(lease)

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        await self._fetch(statements.GIVE_BACK, *_owner(lease))

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force."""
        rows = [(_FORM.key(text), fence, holder) for text, fence, holder in await self._read(statements.LEASES)]
        return [Lease(subject, fence, _tenant(holder)) for subject, fence, holder in rows if subject is not None]

    async def _change(self, statement: str, lease: Lease | None, *values: object) -> Any:  # noqa: ANN401 - a number or none
        """Return what *statement* answers, if *lease* is in force."""
        ((is_allowed, answer),) = await self._fetch(statement, *_owner(lease), *values)
        if lease is not None and not is_allowed:
            raise await self._lost(lease)
        return answer

    async def _lost(self, lease: Lease) -> LeaseLostError:
        """Return the error that *lease* was refused, and who has it."""
        found = await self._fetch(statements.HOLDER, _FORM.text(lease.subject))
        return lost(self.name, lease, _tenant(found[0][0]) if found else None)

    async def _fetch(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        async with self._connections.one() as connection:
            rows: Sequence[Sequence[Any]] = await connection.fetch(self._schema.named(statement), *values)
            return rows

    async def _read(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        """Return what *statement* finds: nothing where nobody has made the schema yet."""
        if not self._is_known:
            async with self._connections.one() as connection:
                self._is_known = await self._schema.version(connection) > 0
        return await self._fetch(statement, *values) if self._is_known else []

    def _short(self, key: Key) -> str:
        text = _FORM.text(key)
        if len(text) > LONGEST_KEY:
            wrong = f"the key is too long: expected {LONGEST_KEY:,} characters at most, found {len(text):,}"
            raise StoreError(f"{self.name}/{text[:40]}…: {wrong}")
        return text


def _range(prefix: Key) -> tuple[str, str, str]:
    """Return the one key that is *prefix*, and between which texts those below it are."""
    text = _FORM.text(prefix)
    return (text, text + _SEPARATOR, text + _NEXT) if prefix else ("", "", _AFTER_ALL)


def _cells(content: bytes) -> tuple[str, None] | tuple[None, str]:
    """Return *content* as text where it is JSON, and in hex where it is not."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return None, content.hex()
    return content.decode(), None


def _text(tenant: Tenant) -> str:
    return json.dumps(tenant._asdict())


def _tenant(text: str) -> Tenant:
    return Tenant(**json.loads(text))


def _owner(lease: Lease | None) -> tuple[str, int, str] | tuple[None, None, None]:
    return (None, None, None) if lease is None else (_FORM.text(lease.subject), lease.fence, _text(lease.tenant))
