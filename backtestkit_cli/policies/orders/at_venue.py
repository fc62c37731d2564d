"""Entry order `at_venue`: it rests at the venue, which alone says when it is filled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement


@dataclass(frozen=True, slots=True)
class AtVenue:
    """What a signal waits with once an order of it has been sent; *price* is what it was decided at, or its limit."""

    price: float
    kind: ClassVar[str] = "at_venue"

    def levels(self) -> Mapping[str, float]:
        """Return the price."""
        return {"price": self.price}

    def placement(self, _sign: int, _price: float) -> Placement:
        """Wait, whatever the market is."""
        return False, self.price

    def first_touch(self, _market: EntryMarket, _start: int, _stop: int) -> EntryTouch | None:
        """Return None: no candle opens it."""
        return None
