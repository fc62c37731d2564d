"""Entry order `stop`: waits for the price to break out through a level and opens there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement, has_reached


@dataclass(frozen=True, slots=True)
class Stop:
    """Buy once the price rises to *price*, sell short once it falls to it."""

    price: float
    kind: ClassVar[str] = "stop"

    def levels(self) -> Mapping[str, float]:
        """Return the level."""
        return {"price": self.price}

    def placement(self, sign: int, price: float) -> Placement:
        """Open at market *price* where that stands at or beyond the level already."""
        level = float(self.price)
        return (True, price) if has_reached(price, level, sign) else (False, level)

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return what the fill model says of a breakout."""
        return market.first_stop(float(self.price), start, stop)
