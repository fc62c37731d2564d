"""Nobody trades by records while they are copied: that is looked at on one side, and kept so on the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import LockedError
from backtestkit_cli.persistence.holders import Holder, Presence
from backtestkit_cli.persistence.holdings import Holdings, Leases
from backtestkit_cli.persistence.occupancy import holders_in
from backtestkit_cli.persistence.places import patient
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf
from backtestkit_cli.persistence.tenants import is_gone, this_process
from backtestkit_cli.ports import Key

_ACCOUNT = "btk store"
_SECONDS, _LOOKED_SECONDS = 120.0, 0.5


async def demand_rest(holdings: Holdings) -> None:
    """Make sure that nobody trades by *holdings* now, as far as that is known here.

    Where the place does not know whether a lease has ended, it is watched for as long as one lasts.

    Raises:
        LockedError: somebody does; the message says who and since when.
    """
    begun_s = time.monotonic()
    while (holder := await _present(holdings)) is not None:
        if time.monotonic() - begun_s >= holdings.places.seconds_to_tell:
            raise LockedError(f"{holdings.name}: {told(holder)}; stop that one first")
        await asyncio.sleep(_LOOKED_SECONDS)


async def _present(holdings: Holdings) -> Holder | None:
    return next((one for one in await holders_in(holdings.places) if one.presence is not Presence.GONE), None)


def told(holder: Holder) -> str:
    """Return what *holder* trades, and who he is."""
    doubt = ", if that still runs" if holder.presence is Presence.ELSEWHERE else ""
    who = f"pid {holder.pid} on {holder.node}, since {utc_text(holder.since_ms)}"
    return f"{holder.mode} on {holder.exchange!r}, account {holder.account}, is traded ({who}{doubt})"


@asynccontextmanager
async def claimed(holdings: Holdings, subjects: Iterable[Key], now_ms: int) -> AsyncIterator["Claim"]:
    """Hold the leases of all servers of *holdings* on *subjects*, each (mode, exchange), while the block lasts.

    Raises:
        LockedError: somebody trades there.
    """
    await demand_rest(holdings)
    claim = Claim(holdings, now_ms)
    try:
        for subject in sorted(set(subjects)):
            await claim.take(subject)
        yield claim
    finally:
        await claim.give_back()


class Claim:
    """The leases of this process on what it copies to."""

    def __init__(self, holdings: Holdings, now_ms: int) -> None:
        """Hold nothing yet."""
        self._name = holdings.name
        self._servers: list[LeasingShelf] = [patient(shelf, place) for place, shelf in holdings.places.servers]
        self._tenant = this_process(_ACCOUNT, now_ms)
        self._held: list[tuple[LeasingShelf, Lease]] = []

    async def take(self, subject: Key) -> None:
        """Take the leases on *subject*."""
        for shelf in self._servers:
            lease = await shelf.take(subject, self._tenant, _SECONDS)
            if lease.tenant != self._tenant and is_gone(lease.tenant):
                lease = await shelf.take(subject, self._tenant, _SECONDS, ousted=lease.fence)
            if lease.tenant != self._tenant:
                who = f"pid {lease.tenant.pid} on {lease.tenant.node}"
                raise LockedError(f"{self._name}: {'/'.join(subject)} is traded ({who}); stop that one first")
            self._held.append((shelf, lease))

    async def renewed(self) -> Leases:
        """Return the leases, which last for a while again."""
        for shelf, lease in self._held:
            await shelf.renew(lease, _SECONDS)
        return {(shelf.name, lease.subject): lease for shelf, lease in self._held}

    async def give_back(self) -> None:
        """Let others trade again."""
        for shelf, lease in self._held:
            await shelf.give_back(lease)
