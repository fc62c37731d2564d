"""One of several processes that want the same leases."""

from backtestkit_cli.persistence.shelf import LeasingShelf, Tenant
from backtestkit_cli.ports import Key

RACES = 40


def note_of(number: int) -> Key:
    return (f"race{number}", "note")


async def won(shelf: LeasingShelf, pid: int) -> list[int]:
    """Return which of the races *pid* has won; each was for a lease, and the winner has written a note."""
    races = []
    for number in range(RACES):
        lease = await shelf.take((f"race{number}",), Tenant("main", pid, "here", 1), 60)
        if lease.tenant.pid == pid:
            await shelf.put({note_of(number): b"%d" % pid}, lease)
            races.append(number)
    return races
