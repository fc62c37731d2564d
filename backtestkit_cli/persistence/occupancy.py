"""Who trades by what is in the places of records: by the locks of folders and the leases of servers."""

from backtestkit_cli.persistence.holders import Holder, Presence, holders_below
from backtestkit_cli.persistence.places import Places, patient
from backtestkit_cli.persistence.shelf import Lease
from backtestkit_cli.persistence.tenants import is_gone


async def holders_in(places: Places) -> list[Holder]:
    """Return who holds *places*, and who left them without giving them back: each once, sorted by their names.

    Raises:
        StoreError: a server cannot be asked.
    """
    found = [holder for folder in places.folders for holder in holders_below(folder)]
    for place, shelf in places.servers:
        found += [_holder(lease) for lease in await patient(shelf, place).leases() if len(lease.subject) == 2]
    # A process with several places holds each of them, a folder some milliseconds before the rest.
    earliest = {_names(holder): holder for holder in sorted(found, key=lambda one: -one.since_ms)}
    return [earliest[names] for names in sorted(earliest)]


def _names(one: Holder) -> tuple[str, str, str, str, int, Presence]:
    return one.mode, one.exchange, one.account, one.node, one.pid, one.presence


def _holder(lease: Lease) -> Holder:
    """Return who has *lease*; it would have ended if he did not renew it, unless he died a moment ago."""
    mode, exchange = lease.subject
    tenant = lease.tenant
    return Holder(
        mode=mode,
        exchange=exchange,
        account=tenant.account,
        pid=tenant.pid,
        node=tenant.node,
        since_ms=tenant.since_ms,
        presence=Presence.GONE if is_gone(tenant) else Presence.RUNNING,
    )
