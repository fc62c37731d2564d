"""What this process knows of objects in S3, and how it changes them by that, under a lease or without."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import count
from typing import NamedTuple

from backtestkit_cli.errors import LeaseLostError, StoreError, StoreUnavailableError
from backtestkit_cli.persistence.shelf import Lease, lost
from backtestkit_cli.persistence.shelves.s3_bucket import Bucket, StaleError, Turns
from backtestkit_cli.persistence.shelves.s3_leases import LeaseObjects
from backtestkit_cli.persistence.shelves.s3_objects import Held, read, written

_ATTEMPTS = 100
_KNOWN = 20_000


class Known(NamedTuple):
    """What was last seen of an object; `is_there` says whether it held something."""

    etag: str
    fence: int | None
    is_there: bool


class Objects:
    """The objects of a bucket, each changed on the condition that it is still what was last seen of it.

    Without a lease, whoever was faster is overwritten. With one, it is made sure first that nobody else has it.
    """

    def __init__(self, bucket: Bucket, leases: LeaseObjects) -> None:
        """Know of none yet."""
        self._bucket = bucket
        self._leases = leases
        self._known: dict[str, Known] = {}
        self._unproven: set[str] = set()
        self._writes = count(1)
        self._turns = Turns()

    def known(self, path: str) -> Known | None:
        """Return what was last seen of *path*; asks nobody."""
        return self._known.get(path)

    async def look(self, path: str) -> Held | None:
        """Return what *path* holds, None if there is no object."""
        stored = await self._bucket.get(path)
        held = None if stored is None else read(*stored)
        self._note(path, held)
        return held

    async def replace(self, path: str, content: bytes | None, lease: Lease | None, over: str | None) -> bool:
        """Put *content* in the place of the object that has the ETag *over*, or of none; say whether that was there."""
        fence = None if lease is None else lease.fence
        try:
            etag = await self._bucket.put(path, written(content, fence, next(self._writes)), over)
        except StaleError:
            return False
        self._note(path, Held(etag, fence, content))
        return True

    async def put(self, contents: Mapping[str, bytes | None], lease: Lease | None) -> None:
        """Put *contents* at their paths, one after the other; None says that nothing is there.

        One request each, if this process knows what is there. What was made anew under a lease has to have been there
        before anybody else could take that: one request more for all of them.
        """
        try:
            for path, content in contents.items():
                await self._write(path, content, lease)
            made = self._unproven.intersection(contents)
            if lease is not None and made:
                await self._leases.demand(lease)
                self._unproven -= made
        except LeaseLostError:
            with suppress(StoreError):
                await self._take_back(self._unproven.intersection(contents), lease)
            raise

    async def remove(self, path: str) -> None:
        """Delete what is at *path*, whatever it is."""
        await self._bucket.delete(path)
        self._note(path, None)

    async def stamp(self, path: str, lease: Lease, settled: int) -> None:
        """Rewrite *path* with the fence of *lease*; what bears one below *settled* came too late, and is removed."""
        for _ in range(_ATTEMPTS):
            held = await self.look(path)
            if held is None or held.fence == lease.fence:
                return
            self._demand_newest(held.fence, lease)
            counts = held.fence is None or held.fence >= settled
            if await self.replace(path, held.content if counts else None, lease, held.etag):
                return
        raise self._restless(path)

    async def _write(self, path: str, content: bytes | None, lease: Lease | None) -> None:
        async with self._turns.of(path):
            for _ in range(_ATTEMPTS):
                if await self._is_written(path, content, lease):
                    return
        raise self._restless(path)

    async def _take_back(self, paths: Iterable[str], lease: Lease | None) -> None:
        """Remove what was made at *paths* under *lease*, for those who have none and would take it for state."""
        for path in paths:
            known = self._known.get(path)
            if lease is not None and known is not None and known.fence == lease.fence:
                await self.replace(path, None, lease, known.etag)

    async def _is_written(self, path: str, content: bytes | None, lease: Lease | None) -> bool:
        known = self._known.get(path)
        if lease is not None and known is None:
            self._unproven.add(path)
        if lease is not None and known is not None:
            self._demand_newest(known.fence, lease)
        if await self.replace(path, content, lease, None if known is None else known.etag):
            return True
        if lease is not None:
            await self._leases.demand(lease)
        held = await self.look(path)
        fence = None if lease is None else lease.fence
        return held is not None and (held.fence, held.content) == (fence, content)  # an earlier answer was lost

    def _note(self, path: str, held: Held | None) -> None:
        self._known.pop(path, None)
        if held is not None:
            self._known[path] = Known(held.etag, held.fence, held.content is not None)
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def _demand_newest(self, fence: int | None, lease: Lease) -> None:
        if fence is not None and fence > lease.fence:
            raise lost(self._bucket.address.name, lease, None)

    def _restless(self, path: str) -> StoreUnavailableError:
        place = self._bucket.place(path)
        return StoreUnavailableError(f"{place}: changed by others {_ATTEMPTS} times while it was written")
