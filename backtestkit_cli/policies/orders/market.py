"""Entry order `market`: opens at the price of the tick at which it appears."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement


@dataclass(frozen=True, slots=True)
class Market:
    """What a signal without `price_open` and `entry` means."""

    kind: ClassVar[str] = "market"

    def levels(self) -> Mapping[str, float]:
        """Return nothing: it takes any price."""
        return {}

    def placement(self, _sign: int, price: float) -> Placement:
        """Open at *price*."""
        return True, price

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Open at the first row there is; an order that never waits is not asked."""
        return EntryTouch(start, market.prices.item(start)) if start < stop else None
