"""Entry orders `above` and `below`: at market, at the first tick whose price stands beyond a level."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement, has_reached
from backtestkit_cli.policies.fills.search import first_outside


@dataclass(frozen=True, slots=True)
class Above:
    """Open, long or short, at the first tick whose price is *price* or higher."""

    price: float
    kind: ClassVar[str] = "above"

    def levels(self) -> Mapping[str, float]:
        """Return the level."""
        return {"price": self.price}

    def placement(self, _sign: int, price: float) -> Placement:
        """Open at market *price* where that is high enough already."""
        return (True, price) if has_reached(price, self.price, 1) else (False, float(self.price))

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return the first tick at or above the level."""
        return _first_tick(market, -math.inf, float(self.price), start, stop)


@dataclass(frozen=True, slots=True)
class Below:
    """Open, long or short, at the first tick whose price is *price* or lower."""

    price: float
    kind: ClassVar[str] = "below"

    def levels(self) -> Mapping[str, float]:
        """Return the level."""
        return {"price": self.price}

    def placement(self, _sign: int, price: float) -> Placement:
        """Open at market *price* where that is low enough already."""
        return (True, price) if has_reached(price, self.price, -1) else (False, float(self.price))

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return the first tick at or below the level."""
        return _first_tick(market, float(self.price), math.inf, start, stop)


def _first_tick(market: EntryMarket, floor: float, ceiling: float, start: int, stop: int) -> EntryTouch | None:
    """Return the first tick priced outside *floor* to *ceiling*; beyond an exit of the signal it rejects it."""
    prices = market.prices
    row = first_outside(prices, prices, floor, ceiling, start, stop)
    if row is None:
        return None
    price = prices.item(row)
    low, high = sorted((market.stop_loss, market.take_profit))
    return EntryTouch(row, price if low < price < high else None)
