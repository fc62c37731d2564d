"""Records in S3: an object each, changed under the condition that nobody else has changed it meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import TypeVar

from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import LeaseLostError, StoreError
from backtestkit_cli.persistence.keys import begins_with
from backtestkit_cli.persistence.shelf import Lease, Tenant
from backtestkit_cli.persistence.shelves.s3_address import address_of
from backtestkit_cli.persistence.shelves.s3_bucket import Bucket, Listed, StaleError
from backtestkit_cli.persistence.shelves.s3_changes import Objects
from backtestkit_cli.persistence.shelves.s3_leases import LeaseObjects, Term
from backtestkit_cli.persistence.shelves.s3_objects import NOTHING_BYTES, Folder
from backtestkit_cli.ports import Key

_STAMPED_AT_ONCE = 50
_NO_ETAG = f'"{"0" * 32}"'
T = TypeVar("T")


class S3Shelf:
    """Bytes in a folder of a bucket. S3 changes one object at a time, so records put together are a request each.

    Each change is on the condition that the object still has the ETag that was seen last, or that there is none. That
    is also how a lease is kept. Who takes one rewrites all records below its subject with the new fence, so that every
    ETag that an earlier tenant knows is stale: what he changes late is refused. He can still make an object that was
    not there. So whoever makes one under a lease asks afterwards whether he still has it. If so, it was there before
    the next tenant looked for records to rewrite, and he found it; if not, it is refused, and what lies there bears a
    fence that the next tenant ignores. A record that is removed under a lease becomes an object that says so, because
    a request to delete has no condition, and could come late.
    """

    def __init__(self, place: PlaceOptions, url: str, steady_s: Callable[[], float] = time.monotonic) -> None:
        """Keep records at *url*, below the prefix of *place*; *steady_s* is the clock that leases of others end by.

        Raises:
            ConfigError: *url* is none of S3, or holds a key of access.
        """
        address = address_of(url, place.prefix)
        self._bucket = Bucket(address, place.timeout_seconds, place.pool_size)
        self._folder = Folder(address.folder)
        self._leases = LeaseObjects(self._bucket, self._folder, steady_s)
        self._steady_s = steady_s
        self._objects = Objects(self._bucket, self._leases)
        self._floors: dict[Key, int] = {}

    @property
    def name(self) -> str:
        """Return the bucket and the folder."""
        return self._bucket.address.name

    @property
    def is_atomic(self) -> bool:
        """Say yes, of each object; `open` refuses a server that would let two writers overwrite each other."""
        return True

    def place(self, key: Key) -> str:
        """Return the bucket and the name of the object of *key*."""
        return self._bucket.place(self._folder.of(key))

    async def open(self) -> None:
        """Make sure that the bucket can be written, and that its server obeys both conditions."""
        probe = "/".join(filter(None, (self._folder.path, ".probe")))
        was_there = not await self._objects.replace(probe, b"{}", None, None)
        if not was_there and await self._objects.replace(probe, b"{}", None, None):
            raise self._lawless("If-None-Match")
        if await self._objects.replace(probe, b"{}", None, _NO_ETAG):
            raise self._lawless("If-Match")

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the content of each of *keys*, some at a time."""
        return await _all([self._content(key) for key in keys])

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there, one request each, in their order."""
        await self._objects.put({self._folder.of(key): content for key, content in contents.items()}, lease)

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*; under a lease their objects stay, and say that nothing is there."""
        paths = [self._folder.of(key) for key in keys]
        return sum(await _all([self._remove(key, path, lease) for key, path in zip(keys, paths, strict=True)]))

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*; of most objects the listing tells enough."""
        below = await self._below(prefix)
        found = await _all([self._is_there(key, one) for key, one in below])
        keys = [key for (key, _), is_there in zip(below, found, strict=True) if is_there]
        return [*keys, prefix] if prefix and await self._content(prefix) is not None else keys

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return what is at the keys that begin with *prefix*: a listing, and a request each, some at a time."""
        keys = [key for key, _ in await self._below(prefix)] + ([prefix] if prefix else [])
        contents = await self.get(keys)
        return [(key, content) for key, content in zip(keys, contents, strict=True) if content is not None]

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content* to the first free of `<object>.corrupt-1`, `-2`, ..."""
        path = self._folder.of(key)
        if lease is not None:
            await self._leases.demand(lease)
        held = await self._objects.look(path)
        if held is None or held.content != content:
            return self.place(key)
        aside = await self._put_free(f"{path}.corrupt", content)
        if not await self._objects.replace(path, None, lease, held.etag) and lease is not None:
            await self._leases.demand(lease)
        return self._bucket.place(aside)

    async def close(self) -> None:
        """Do nothing: connections end by themselves."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject* that is in force now, that of *tenant* if it is to be had.

        What another has is to be had once two calls have found it unchanged, as far apart as it was taken for.
        """
        while True:
            term = await self._leases.take(subject, tenant, seconds, ousted)
            lease = term.lease(subject)
            if term.tenant != tenant:
                return lease
            with suppress(LeaseLostError):  # to somebody who came while records were rewritten
                await self._settle(lease, term)
                return lease

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now."""
        await self._leases.renew(lease, seconds)

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        with suppress(LeaseLostError):
            await self._leases.end(lease)

    async def leases(self) -> Sequence[Lease]:
        """Return the leases of which this process has not seen the end."""
        return await self._leases.in_force()

    async def _settle(self, lease: Lease, term: Term) -> None:
        """Rewrite all records below the subject of *lease* with its fence, so that no earlier tenant can change them.

        What was made too late under an earlier lease is removed instead.
        """
        paths = [self._folder.of(key) for key, _ in await self._below(lease.subject)] + [self._folder.of(lease.subject)]
        renewed_s = self._steady_s()
        for at in range(0, len(paths), _STAMPED_AT_ONCE):
            if self._steady_s() - renewed_s > term.seconds / 3:
                renewed_s = self._steady_s()
                await self._leases.renew(lease, term.seconds)
            await _all([self._objects.stamp(path, lease, term.settled) for path in paths[at : at + _STAMPED_AT_ONCE]])
        await self._leases.settle(lease)
        self._floors[lease.subject] = lease.fence

    async def _remove(self, key: Key, path: str, lease: Lease | None) -> bool:
        known = self._objects.known(path)
        if known is None or lease is None:
            await self._objects.look(path)
            known = self._objects.known(path)
        if known is None or not known.is_there or self._is_late(key, known.fence):
            return False
        if lease is not None:
            await self._objects.put({path: None}, lease)
            return True
        await self._objects.remove(path)
        return True

    async def _content(self, key: Key) -> bytes | None:
        held = await self._objects.look(self._folder.of(key))
        return None if held is None or self._is_late(key, held.fence) else held.content

    async def _below(self, prefix: Key) -> Sequence[tuple[Key, Listed]]:
        listed = await self._bucket.listed(self._folder.stem(prefix))
        keys = [(self._folder.key(one.path), one) for one in listed]
        return [(key, one) for key, one in keys if key is not None]

    async def _is_there(self, key: Key, one: Listed) -> bool:
        """Say whether the object *one* holds something that counts."""
        known = self._objects.known(one.path)
        if known is not None and known.etag == one.etag:
            return known.is_there and not self._is_late(key, known.fence)
        if one.size != NOTHING_BYTES and not self._floor(key):
            return True
        return await self._content(key) is not None

    def _is_late(self, key: Key, fence: int | None) -> bool:
        """Say whether a write under *fence* came after a lease that was taken here."""
        return fence is not None and fence < self._floor(key)

    def _floor(self, key: Key) -> int:
        return max((fence for subject, fence in self._floors.items() if begins_with(key, subject)), default=0)

    async def _put_free(self, stem: str, content: bytes) -> str:
        for number in count(1):
            with suppress(StaleError):
                await self._bucket.put(f"{stem}-{number}", content, None)
                break
        return f"{stem}-{number}"

    def _lawless(self, header: str) -> StoreError:
        expected = f"expected a server that obeys If-None-Match and If-Match, found one that ignores {header}"
        return StoreError(f"{self.name}: {expected}: two writers would overwrite each other unnoticed")


async def _all(jobs: Sequence[Awaitable[T]]) -> list[T]:
    """Return what *jobs* return, when all have come to an end, or raise what the first of them has raised."""
    done = await asyncio.gather(*jobs, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if not isinstance(one, BaseException)]
