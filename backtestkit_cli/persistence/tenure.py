"""The right of one process to trade what others must not trade meanwhile: leases, taken, renewed and given back.

Of `lease_seconds` the lease itself lasts nine tenths, so that whoever stands by has it within them; the last one it
trusts by its own clock ends at three quarters, so that nothing it sends arrives when another has begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import LeaseLostError, LockedError, StoreError, StoreUnavailableError, StoreUnreachableError
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Shelf, Tenant
from backtestkit_cli.persistence.tenants import is_alive, is_gone
from backtestkit_cli.ports import Key

_TERM, _TRUSTED, _RENEWED, _LOOKED = 0.9, 0.75, 0.25, 0.05
"""The shares of `lease_seconds` that a lease lasts, is trusted for, is renewed after, and is looked at by others."""


class Tenure:
    """The leases of *tenant* on *subject*, one on each of *shelves*: all of them, or none."""

    def __init__(
        self,
        shelves: Sequence[LeasingShelf],
        subject: Key,
        tenant: Tenant,
        seconds: float,
        *,
        steady_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Hold nothing yet; *steady_s* is a clock that nobody sets and that goes on while the machine sleeps."""
        self._shelves = sorted(shelves, key=lambda shelf: shelf.name)
        self._subject = subject
        self._tenant = tenant
        self._seconds = seconds
        self._steady_s = steady_s
        self._sleep = sleep
        self._opened: set[str] = set()
        self._is_known_alive = False
        self._trouble = ""
        self._held: dict[str, Lease] = {}
        self._trusted_until_s: dict[str, float] = {}
        self._lost: LeaseLostError | None = None
        self.on_lost: Callable[[], None] = lambda: None

    @property
    def leases(self) -> Mapping[str, Lease]:
        """Return the leases that are held, by the names of their shelves."""
        return dict(self._held)

    async def begin(self, *, waits: bool, tell: Callable[[str], None]) -> None:
        """Take the leases; whoever *waits* stands by until they are to be had.

        Else that is as long as it takes to see that one of another machine is renewed no more, if it is; where the
        other lives on this machine there is nothing to wait for.

        Raises:
            LockedError: another process has one of them; the message says which and since when.
            StoreError: a shelf cannot be asked.
        """
        begun_s, is_told = self._steady_s(), False
        while (other := await self._taken_by_another(waits=waits)) is not None:
            if not waits and (self._is_known_alive or self._steady_s() - begun_s > self._seconds):
                raise LockedError(f"{other}; stop that one first, or stand by for its end: --standby")
            if not is_told:
                rest = "until it ends" if waits else f"for up to {self._seconds:g} s, in case it is no more"
                tell(f"{other}; waiting {rest}")
                is_told = True
            await self._sleep(self._seconds * _LOOKED)

    async def keep(self) -> None:
        """Renew the leases until one is lost; `on_lost` is called then, and at once where a write finds it out."""
        while self._lost is None:
            await self._sleep(self._seconds * _RENEWED)
            await asyncio.gather(*(self._renew(shelf) for shelf in self._shelves if shelf.name in self._held))

    async def end(self) -> None:
        """Give the leases back, as far as their shelves are reached: those others end by themselves."""
        for shelf in self._shelves:
            lease = self._held.pop(shelf.name, None)
            if lease is not None:
                try:
                    await shelf.give_back(lease)
                except StoreError:
                    continue

    def why_not(self) -> str:
        """Return why nothing may be sent or kept now, nothing where all leases are held for certain."""
        if self._lost is not None:
            return str(self._lost)
        now_s = self._steady_s()
        if all(now_s < self._trusted_until_s.get(shelf.name, 0.0) for shelf in self._shelves):
            return ""
        late = f"the lease on {'/'.join(self._subject)} was not renewed in time: another process may have it by now"
        return f"{late}; {self._trouble}" if self._trouble else late

    def demand(self) -> None:
        """Make sure that no lease was lost.

        Raises:
            LeaseLostError: one was.
        """
        if self._lost is not None:
            raise self._lost

    def lose(self, error: LeaseLostError) -> None:
        """Take note that a lease is another's."""
        if self._lost is None:
            self._lost = error
            self.on_lost()

    def lease_on(self, shelf: Shelf) -> Lease:
        """Return the lease on *shelf*, to write under.

        Raises:
            LeaseLostError: it is another's.
            StoreUnavailableError: it is not held for certain.
        """
        self.demand()
        reason = self.why_not()
        if reason:
            raise StoreUnavailableError(f"{shelf.name}: {reason}")
        return self._held[shelf.name]

    async def _taken_by_another(self, *, waits: bool) -> str | None:
        """Take all leases and return nothing, or why one of them is not to be had, and then none is held."""
        other: str | None = "nothing was asked"
        try:
            other = await self._take_all(waits=waits)
        finally:
            if other is not None:
                await self.end()
        return other

    async def _take_all(self, *, waits: bool) -> str | None:
        for shelf in self._shelves:
            sent_s = self._steady_s()
            try:
                lease = await self._taken(shelf)
            except StoreUnreachableError as error:
                if not waits:
                    raise
                return str(error)
            if lease.tenant != self._tenant:
                self._is_known_alive = is_alive(lease.tenant)
                return _told(shelf, lease)
            self._holds(shelf, lease, sent_s)
        return None

    async def _taken(self, shelf: LeasingShelf) -> Lease:
        if shelf.name not in self._opened:
            await shelf.open()
            self._opened.add(shelf.name)
        lease = await shelf.take(self._subject, self._tenant, self._seconds * _TERM)
        if lease.tenant != self._tenant and is_gone(lease.tenant):
            lease = await shelf.take(self._subject, self._tenant, self._seconds * _TERM, ousted=lease.fence)
        return lease

    async def _renew(self, shelf: LeasingShelf) -> None:
        sent_s, lease = self._steady_s(), self._held[shelf.name]
        try:
            await shelf.renew(lease, self._seconds * _TERM)
        except LeaseLostError as error:
            self.lose(error)
        except StoreError as error:  # then it is not trusted any more once its time is over
            self._trouble = self._trouble or str(error)
        else:
            self._trouble = ""
            self._holds(shelf, lease, sent_s)

    def _holds(self, shelf: LeasingShelf, lease: Lease, sent_s: float) -> None:
        self._held[shelf.name] = lease
        self._trusted_until_s[shelf.name] = sent_s + self._seconds * _TRUSTED


def _told(shelf: Shelf, lease: Lease) -> str:
    """Return who has *lease*, for people."""
    tenant, mode, exchange = lease.tenant, *lease.subject
    who = f"pid {tenant.pid} on {tenant.node}, since {utc_text(tenant.since_ms)}"
    return f"{shelf.name}: {mode} on {exchange!r} is traded by another process already ({who})"
