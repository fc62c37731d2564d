"""Records in memory, for runs that leave nothing behind, and for tests."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from backtestkit_cli.persistence.keys import begins_with
from backtestkit_cli.persistence.shelf import Lease, Tenant, lost
from backtestkit_cli.ports import Key


class MemoryShelf:
    """Bytes that are gone with the process; `aside` are those that were damaged.

    Bytes, so that whoever changes a record he wrote or read does not change what is kept. *steady_s* is the clock
    that leases end by, in seconds.
    """

    def __init__(self, steady_s: Callable[[], float] = lambda: 0.0) -> None:
        """Start empty."""
        self.contents: dict[Key, bytes] = {}
        self.aside: dict[str, bytes] = {}
        self._steady_s = steady_s
        self._leases: dict[Key, tuple[Lease, float]] = {}

    @property
    def name(self) -> str:
        """Return `memory`."""
        return "memory"

    @property
    def is_atomic(self) -> bool:
        """Say yes."""
        return True

    def place(self, key: Key) -> str:
        """Return the parts of *key*."""
        return "memory:" + "/".join(key)

    async def open(self) -> None:
        """Do nothing: there is nothing to open."""

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the contents of *keys*."""
        return [self.contents.get(key) for key in keys]

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there."""
        self._demand(lease)
        self.contents.update(contents)

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*."""
        self._demand(lease)
        return sum(self.contents.pop(key, None) is not None for key in keys)

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*."""
        return [key for key in self.contents if begins_with(key, prefix)]

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return what is at the keys that begin with *prefix*."""
        return [(key, content) for key, content in self.contents.items() if begins_with(key, prefix)]

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content* out of the way."""
        self._demand(lease)
        aside = f"{self.place(key)}.corrupt-{len(self.aside) + 1}"
        if self.contents.get(key) == content:
            self.aside[aside] = self.contents.pop(key)
        return aside

    async def close(self) -> None:
        """Do nothing: the contents stay as long as the shelf."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject*, that of *tenant* if it is to be had."""
        known, ends_s = self._leases.get(subject, (None, 0.0))
        if known is not None and known.tenant != tenant and ends_s > self._steady_s() and known.fence != ousted:
            return known
        lease = Lease(subject, 1 if known is None else known.fence + 1, tenant)
        self._leases[subject] = lease, self._steady_s() + seconds
        return lease

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now."""
        self._demand(lease)
        self._leases[lease.subject] = lease, self._steady_s() + seconds

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        if self._leases[lease.subject][0] == lease:
            self._leases[lease.subject] = lease, self._steady_s()

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force."""
        return [lease for lease, ends_s in self._leases.values() if ends_s > self._steady_s()]

    def _demand(self, lease: Lease | None) -> None:
        if lease is not None and self._leases[lease.subject][0] != lease:
            raise lost(self.name, lease, self._leases[lease.subject][0].tenant)
