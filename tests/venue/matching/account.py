"""The money and coins of one account: what is free, and what its orders have locked."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from tests.venue.matching.orders import ZERO


class Holding(NamedTuple):
    """An asset of the account."""

    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


class Account:
    """Holdings by asset; locks have the name of what they are for, and hold one asset each."""

    def __init__(self, deposits: Mapping[str, Decimal]) -> None:
        self._free = dict(deposits)
        self._locks: dict[str, tuple[str, Decimal]] = {}

    @property
    def holdings(self) -> dict[str, Holding]:
        """Return every asset there ever was, the empty ones too."""
        locked: dict[str, Decimal] = {}
        for asset, amount in self._locks.values():
            locked[asset] = locked.get(asset, ZERO) + amount
        return {asset: Holding(free, locked.get(asset, ZERO)) for asset, free in sorted(self._free.items())}

    def free(self, asset: str) -> Decimal:
        return self._free.get(asset, ZERO)

    def locked_for(self, name: str) -> Decimal:
        return self._locks[name][1] if name in self._locks else ZERO

    def change(self, asset: str, amount: Decimal) -> None:
        """Add *amount*, or take it where it is negative; it must be there."""
        left = self.free(asset) + amount
        if left < 0:
            raise ValueError(f"{asset}: expected at least {-amount} free, found {self.free(asset)}")
        self._free[asset] = left

    def lock(self, name: str, asset: str, amount: Decimal) -> None:
        """Lock *amount* in place of what *name* had locked."""
        self.unlock(name)
        self.change(asset, -amount)
        if amount:
            self._locks[name] = (asset, amount)

    def unlock(self, name: str) -> None:
        if name in self._locks:
            asset, amount = self._locks.pop(name)
            self.change(asset, amount)
