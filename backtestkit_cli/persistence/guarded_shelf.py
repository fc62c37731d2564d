"""A shelf as whoever holds a lease on it sees it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from backtestkit_cli.errors import LeaseLostError
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Shelf
from backtestkit_cli.persistence.tenure import Tenure
from backtestkit_cli.ports import Key


class GuardedShelf:
    """A shelf that its tenant alone changes: every change is under the lease, and none goes out without it."""

    def __init__(self, shelf: LeasingShelf, tenure: Tenure) -> None:
        """Stand before *shelf*."""
        self._shelf = shelf
        self._tenure = tenure

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the shelf has
        return getattr(self._shelf, name)

    async def put(self, contents: Mapping[Key, bytes], _lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there."""
        await self._changed(lambda lease: self._shelf.put(contents, lease))

    async def delete(self, keys: Sequence[Key], _lease: Lease | None = None) -> int:
        """Remove the contents of *keys*."""
        return cast("int", await self._changed(lambda lease: self._shelf.delete(keys, lease)))

    async def set_aside(self, key: Key, content: bytes, _lease: Lease | None = None) -> str:
        """Move a damaged content away."""
        return cast("str", await self._changed(lambda lease: self._shelf.set_aside(key, content, lease)))

    async def _changed(self, change: Callable[[Lease], Awaitable[object]]) -> object:
        try:
            return await change(self._tenure.lease_on(self._shelf))
        except LeaseLostError as error:
            self._tenure.lose(error)
            raise


def guarded(shelf: LeasingShelf, tenure: Tenure) -> Shelf:
    """Return *shelf* as one that changes under the leases of *tenure* only."""
    return cast("Shelf", GuardedShelf(shelf, tenure))
