"""Records in Redis: one text each, and the leases in one hash."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha1
from itertools import chain

from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import LeaseLostError, StoreUnreachableError
from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.persistence.keys import begins_with
from backtestkit_cli.persistence.shelf import Lease, Tenant, lost
from backtestkit_cli.persistence.shelves import redis_scripts as scripts
from backtestkit_cli.persistence.shelves.redis_server import RedisServer
from backtestkit_cli.persistence.shelves.write_numbers import next_write
from backtestkit_cli.persistence.waiting import may_wait, without_signal
from backtestkit_cli.ports import Key

_FORM = KeyForm(":")
_OURS = "+"
"""What marks names that are no keys of records: no text of `KeyForm` holds it."""
_REST = _OURS.encode()
_GLOB, _ESCAPED = re.compile(r"([*?\[\]\\])"), r"\\\1"
_PAGE = 1000
_FOREVER, _REMOVED, _PROBE_MS = 0, -1, 1000


class RedisShelf:
    """Bytes in one Redis server, from version 6 on; not in a cluster, for each change is one script on several keys.

    The record of `key` is the text at `<prefix>:<key>`. A record in which a signal waits, and of which the venue knows
    nothing, ends after `schedule_ttl_seconds`; then what is left of it is read, at `<prefix>:<key>+`, as if the signal
    had been cancelled. Damaged records are at `<prefix>:+aside:<key>:<digest>`, the leases at `<prefix>:+leases`, and
    what was changed last under the lease on `subject` at `<prefix>:+writes:<subject>`: a change that comes late, after
    newer ones, is passed over. The script that makes a change looks that up and notes it, without a further round trip
    and in 2 MB at most for each subject.

    What is answered is as durable as the server is told to be: see `cautions`.
    """

    def __init__(self, place: PlaceOptions, url: str) -> None:
        """Keep records at *url*, below the prefix of *place*; it is reached when first needed.

        Raises:
            ConfigError: *url* is none of Redis.
        """
        self._server = RedisServer(url, pool_size=place.pool_size, timeout_seconds=place.timeout_seconds)
        self._prefix = place.prefix
        self._leases = self._own("leases")
        self._waiting_ms = round((place.schedule_ttl_seconds or 0) * 1000)

    @property
    def name(self) -> str:
        """Return the server, the database and the prefix."""
        return f"{self._server.name} {self._prefix}"

    @property
    def is_atomic(self) -> bool:
        """Say yes."""
        return True

    def place(self, key: Key) -> str:
        """Return the server, the database and the name of *key* there."""
        return f"{self._server.name} {self._record(key)}"

    async def open(self) -> None:
        """Make sure that the server can be reached, and written with scripts."""
        await self._change(scripts.PUT, [self._own("probe")], None, b"", _PROBE_MS)

    async def cautions(self) -> Sequence[str]:
        """Return what about the server could lose records that it has answered for, one line each."""
        return await self._server.cautions()

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the contents of *keys*."""
        names = [[self._record(key), *([self._rest(key)] if may_wait(key) else [])] for key in keys]
        contents = iter(await self._server.ask("MGET", *chain.from_iterable(names)))
        found = [[next(contents) for _ in group] for group in names]
        return [next((content for content in group if content is not None), None) for group in found]

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there."""
        names: list[str] = []
        values: list[bytes | int] = []
        for name, one, ends_ms in chain.from_iterable(map(self._items, contents, contents.values())):
            names.append(name)
            values += one, ends_ms
        await self._change(scripts.PUT, names, lease, *values)

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*."""
        names = [name for key in keys for name in (self._record(key), self._rest(key))]
        return await self._change(scripts.DELETE, names, lease)

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*."""
        return {key async for page in self._pages(prefix) for key in page.values()}

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return what is at the keys that begin with *prefix*; two round trips for every thousand names."""
        contents: dict[bytes, bytes] = {}
        keys: dict[bytes, Key] = {}
        async for page in self._pages(prefix):
            found = zip(page, await self._server.ask("MGET", *page), strict=True)
            contents |= {name: content for name, content in found if content is not None}
            keys |= page
        rests_first = sorted(contents, key=lambda name: not name.endswith(_REST))
        return {keys[name]: contents[name] for name in rests_first}.items()

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content* to a name with its digest, so that doing it twice is doing it once."""
        digest = sha1(content, usedforsecurity=False).hexdigest()
        aside = self._own(f"aside:{_FORM.text(key)}:{digest[:12]}")
        await self._change(scripts.SET_ASIDE, [aside, self._record(key), self._rest(key)], lease, digest)
        return f"{self._server.name} {aside}"

    async def close(self) -> None:
        """Let go of connections; what is asked later makes new ones."""
        await self._server.close()

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject*, that of *tenant* if it is to be had; the server's clock decides."""
        values: list[str | bytes | int] = [
            _FORM.text(subject),
            json.dumps(tenant),
            _ms(seconds),
            "" if ousted is None else ousted,
        ]
        return _lease(subject, await self._server.run(scripts.TAKE, self._held(subject), values))

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now."""
        await self._change(scripts.RENEW, [], lease, _ms(seconds))

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        with suppress(LeaseLostError):
            await self._change(scripts.RENEW, [], lease, 0)

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force."""
        found = iter(await self._server.run(scripts.LEASES, [self._leases]))
        known = [(_FORM.key(subject.decode()), lease) for subject, lease in zip(found, found, strict=True)]
        return [_lease(subject, lease) for subject, lease in known if subject is not None]

    async def _change(self, script: str, names: Sequence[str], lease: Lease | None, *values: str | bytes | int) -> int:
        """Return what *script* answers about *names*, if *lease* is in force."""
        subject, owner = ("", "") if lease is None else (_FORM.text(lease.subject), _owner(lease))
        held = self._held(() if lease is None else lease.subject)
        answer: int | list[bytes] = await self._server.run(
            script, [*held, *names], [subject, owner, next_write(), *values]
        )
        if lease is not None and isinstance(answer, list):
            raise lost(self.name, lease, _lease(lease.subject, answer[0]).tenant if answer[0] else None)
        assert isinstance(answer, int)  # noqa: S101 - without a lease nobody is asked whose it is
        if answer == scripts.TOO_OLD:
            raise StoreUnreachableError(f"{self.name}: cannot be reached in time: many newer changes came before")
        return answer

    async def _pages(self, prefix: Key) -> AsyncIterator[dict[bytes, Key]]:
        """Yield the names below *prefix*, also of what is left of records that ended, and their keys."""
        pattern = f"{_GLOB.sub(_ESCAPED, self._prefix)}:{_FORM.text(prefix)}*"
        start = len(self._own("").encode()) - len(_OURS)
        cursor = 0
        while True:
            cursor, names = await self._server.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
            texts = ((name, name[start:].removesuffix(_REST).decode(errors="replace")) for name in names)
            keys = ((name, _FORM.key(text)) for name, text in texts)
            if page := {name: key for name, key in keys if key is not None and begins_with(key, prefix)}:
                yield page
            if not cursor:
                return

    def _items(self, key: Key, content: bytes) -> Iterator[tuple[str, bytes, int]]:
        """Yield what to put for *key*: a name, what is there, and for how many ms (see `PUT`)."""
        rest = without_signal(key, content) if self._waiting_ms else None
        yield self._record(key), content, _FOREVER if rest is None else self._waiting_ms
        if rest is not None:
            yield self._rest(key), rest, _FOREVER
        elif may_wait(key):
            yield self._rest(key), b"", _REMOVED

    def _record(self, key: Key) -> str:
        return f"{self._prefix}:{_FORM.text(key)}"

    def _rest(self, key: Key) -> str:
        return f"{self._record(key)}{_OURS}"

    def _held(self, subject: Key) -> list[str]:
        """Return where the leases are, and what was changed last below *subject*."""
        return [self._leases, self._own(f"writes:{_FORM.text(subject)}")]

    def _own(self, name: str) -> str:
        return f"{self._prefix}:{_OURS}{name}"


def _owner(lease: Lease) -> str:
    return f"{lease.fence} {json.dumps(lease.tenant)}"


def _lease(subject: Key, owner: bytes) -> Lease:
    fence, _, tenant = owner.decode().partition(" ")
    return Lease(subject, int(fence), Tenant(*json.loads(tenant)))


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 1)
