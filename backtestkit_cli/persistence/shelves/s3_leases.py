"""Leases as objects in S3, which has no clock to end them by and changes one object at a time.

A lease ends once its object has not changed for as long as it was taken for, as seen by whoever wants it next, on a
clock of his own: so he has to look at it twice. Each renewal changes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import orjson

from backtestkit_cli.errors import StoreError, StoreUnavailableError
from backtestkit_cli.persistence.shelf import Lease, Tenant, lost
from backtestkit_cli.persistence.shelves.s3_bucket import Bucket, StaleError, Turns
from backtestkit_cli.persistence.shelves.s3_objects import Folder
from backtestkit_cli.ports import Key

_SUFFIX = ".lease"
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Term:
    """What the object of a lease says.

    `settled` is the fence below which nothing counts any more: that of the last tenant who had stamped all records.
    """

    fence: int
    tenant: Tenant
    seconds: float
    settled: int = 0
    change: int = 0
    has_ended: bool = False

    def lease(self, subject: Key) -> Lease:
        """Return the lease on *subject* that this is the term of."""
        return Lease(subject, self.fence, self.tenant)

    def written(self) -> bytes:
        """Return the content of the object."""
        return orjson.dumps({"version": 1, **asdict(self), "tenant": self.tenant._asdict()})


class _Seen(NamedTuple):
    """A term, the ETag of its object, and since when that has been there, as far as this process knows."""

    term: Term
    etag: str
    since_s: float


class LeaseObjects:
    """The leases of *folder*: each is the object of its subject in `.leases`."""

    def __init__(self, bucket: Bucket, folder: Folder, steady_s: Callable[[], float]) -> None:
        """Go by the clock *steady_s*, in seconds, which never goes back."""
        self._bucket = bucket
        self._folder = Folder("/".join(filter(None, (folder.path, ".leases"))))
        self._steady_s = steady_s
        self._seen: dict[Key, _Seen] = {}
        self._turns = Turns()

    async def take(self, subject: Key, tenant: Tenant, seconds: float, ousted: int | None) -> Term:
        """Return the term in force now: a new one of *tenant*, if the lease is to be had."""
        async with self._turns.of(self._path(subject)):
            return await self._take_in_turn(subject, tenant, seconds, ousted)

    async def _take_in_turn(self, subject: Key, tenant: Tenant, seconds: float, ousted: int | None) -> Term:
        for _ in range(_ATTEMPTS):
            asked_s = self._steady_s()
            seen = await self._look(subject)
            if seen is None:
                wanted = Term(1, tenant, seconds)
            elif seen.term.tenant == tenant or seen.term.fence == ousted or _is_over(seen, asked_s):
                wanted = Term(seen.term.fence + 1, tenant, seconds, seen.term.settled)
            else:
                return seen.term
            try:
                await self._change(subject, seen, wanted)
            except StaleError:
                continue
            return wanted
        raise self._restless(subject)

    async def settle(self, lease: Lease) -> None:
        """Note that all records below the subject of *lease* bear its fence."""
        await self._amend(lease, lambda term: replace(term, settled=lease.fence))

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* after this is seen."""
        await self._amend(lease, lambda term: replace(term, seconds=seconds, has_ended=False))

    async def end(self, lease: Lease) -> None:
        """Let *lease* end now."""
        await self._amend(lease, lambda term: replace(term, has_ended=True))

    async def demand(self, lease: Lease) -> None:
        """Make sure that nobody has taken the lease after *lease*."""
        self._hold(lease, await self._look(lease.subject))

    async def in_force(self) -> Sequence[Lease]:
        """Return the leases that have not ended, as far as this process can tell."""
        asked_s = self._steady_s()
        found = []
        for one in await self._bucket.listed(self._folder.path):
            subject = self._folder.key(one.path, _SUFFIX)
            seen = None if subject is None else await self._look(subject)
            if subject is not None and seen is not None and not _is_over(seen, asked_s):
                found.append(seen.term.lease(subject))
        return found

    async def _amend(self, lease: Lease, amended: Callable[[Term], Term]) -> None:
        """Change the term of *lease*, which this process mostly knows as it is: then it is one request."""
        seen = self._seen.get(lease.subject) or await self._look(lease.subject)
        for _ in range(_ATTEMPTS):
            held = self._hold(lease, seen)
            try:
                return await self._change(lease.subject, held, amended(held.term))
            except StaleError:
                seen = await self._look(lease.subject)
        raise self._restless(lease.subject)

    async def _look(self, subject: Key) -> _Seen | None:
        path = self._path(subject)
        stored = await self._bucket.get(path)
        known = self._seen.get(subject)
        if stored is None:
            self._seen.pop(subject, None)
            return None
        if known is None or known.etag != stored.etag:
            known = _Seen(self._term(stored.content, self._bucket.place(path)), stored.etag, self._steady_s())
            self._seen[subject] = known
        return known

    async def _change(self, subject: Key, seen: _Seen | None, term: Term) -> None:
        term = replace(term, change=1 if seen is None else seen.term.change + 1)
        etag = await self._bucket.put(self._path(subject), term.written(), None if seen is None else seen.etag)
        self._seen[subject] = _Seen(term, etag, self._steady_s())

    def _hold(self, lease: Lease, seen: _Seen | None) -> _Seen:
        if seen is None or seen.term.fence != lease.fence:
            raise lost(self._bucket.address.name, lease, None if seen is None else seen.term.tenant)
        return seen

    def _path(self, subject: Key) -> str:
        return self._folder.of(subject, _SUFFIX)

    @staticmethod
    def _term(content: bytes, place: str) -> Term:
        try:
            found = orjson.loads(content)
            version = found.pop("version")
            if version == 1:
                return Term(**{**found, "tenant": Tenant(**found["tenant"])})
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise StoreError(f"{place}: expected a lease, found what is none: remove it if nobody trades") from error
        raise StoreError(f"{place}: a newer btk wrote this lease: expected version 1, found {version}")

    def _restless(self, subject: Key) -> StoreUnavailableError:
        place = self._bucket.place(self._path(subject))
        return StoreUnavailableError(f"{place}: changed by others {_ATTEMPTS} times while it was written")


def _is_over(seen: _Seen, asked_s: float) -> bool:
    return seen.term.has_ended or asked_s - seen.since_s >= seen.term.seconds
