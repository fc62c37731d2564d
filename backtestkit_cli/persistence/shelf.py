"""What a place has to do to keep records: bytes by key, and leases for those who trade by them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from backtestkit_cli.errors import LeaseLostError
from backtestkit_cli.ports import Key


class Tenant(NamedTuple):
    """Who trades: process `pid` on the machine `node`, with `account`, since `since_ms`.

    `origin` is the same for no other process of any machine, and empty where the system does not tell one.
    """

    account: str
    pid: int
    node: str
    since_ms: int
    origin: str = ""


class Lease(NamedTuple):
    """The right of `tenant` alone to write below `subject`; `fence` grows with each tenant."""

    subject: Key
    fence: int
    tenant: Tenant


class Shelf(Protocol):
    """A place of bytes by key. What has been put survives a crash, and each content changes in one step.

    Every method may raise `StoreUnreachableError` where the place was not reached or broke off, `StoreUnavailableError`
    where it may not be written or is full, and `StoreError` where nothing will help. With a *lease*, one that is not
    in force any more is found out in the same step: `LeaseLostError`, and nothing has changed.
    """

    @property
    def name(self) -> str:
        """Return what messages call the place; it holds no password."""
        ...

    @property
    def is_atomic(self) -> bool:
        """Say whether a content changes in whole or not at all."""
        ...

    def place(self, key: Key) -> str:
        """Return what messages call the place of *key*."""
        ...

    async def open(self) -> None:
        """Make sure that the place is there and can be written; may be called twice."""
        ...

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the content of each of *keys*, in one round trip where the place can."""
        ...

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there, in their order: in one step and one round trip if possible."""
        ...

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*; return how many there were."""
        ...

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*, in any order."""
        ...

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return the keys that begin with *prefix* and their contents, in any order; in one round trip if possible."""
        ...

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content*, which is damaged, from *key* to a free place that is no key, and return what to call that.

        Nothing is moved where there is another content by now.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class LeasingShelf(Shelf, Protocol):
    """A shelf that many machines share, so that it must know who may write what is traded by."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject* that is in force now: that of *tenant*, if it is to be had.

        It is if there is none, if it has not been renewed for as long as it was taken for, if *tenant* has it already,
        or if its fence is *ousted*: the caller knows that its tenant is no more. A new one has a higher fence than any
        before. Nothing that an earlier tenant sends is kept once this has returned.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now.

        Raises:
            LeaseLostError: another tenant has it.
        """
        ...

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now; if it is another's by now, that is fine."""
        ...

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force."""
        ...


def lost(place: str, lease: Lease, tenant: Tenant | None) -> LeaseLostError:
    """Return the error that *lease* is not in force any more at *place*, and that *tenant* has it, if that is known."""
    other = "another process" if tenant is None else f"another process (pid {tenant.pid} on {tenant.node})"
    mine = f"the lease on {'/'.join(lease.subject)} (fence {lease.fence})"
    return LeaseLostError(f"{place}: {mine} is {other}'s now; nothing more is sent or kept by this one")
