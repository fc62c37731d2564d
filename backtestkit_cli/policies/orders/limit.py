"""Entry order `limit`: waits for the price to come back to a level and opens at it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement


@dataclass(frozen=True, slots=True)
class Limit:
    """What `Signal(price_open=…)` means: buy at *price* or below, sell short at *price* or above."""

    price: float
    kind: ClassVar[str] = "limit"

    def levels(self) -> Mapping[str, float]:
        """Return the level."""
        return {"price": self.price}

    def placement(self, sign: int, price: float) -> Placement:
        """Open at the level where *price* has reached it already, which is never better than the market."""
        level = float(self.price)
        must_wait = (price > level) if sign > 0 else (price < level)
        return not must_wait, level

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return what the fill model says of a resting limit."""
        return market.first_limit(float(self.price), start, stop)
