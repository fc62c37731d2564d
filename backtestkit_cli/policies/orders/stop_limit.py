"""Entry order `stop_limit`: a breakout through one level sends a limit order at another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement, has_reached


@dataclass(frozen=True, slots=True)
class StopLimit:
    """Once the price reached *stop* as with `Stop`, buy at *limit* or below, sell short at *limit* or above.

    *limit* may stand on either side of *stop*, as at crypto exchanges: beyond it, it bounds what a breakout may
    cost; before it, the order waits for the pullback after the breakout.
    """

    stop: float
    limit: float
    kind: ClassVar[str] = "stop_limit"

    def levels(self) -> Mapping[str, float]:
        """Return both levels."""
        return {"stop": self.stop, "limit": self.limit}

    def placement(self, sign: int, price: float) -> Placement:
        """Open at market *price* where that stands beyond the stop and within the limit already."""
        is_touched = has_reached(price, self.stop, sign)
        fill = price if is_touched else float(self.stop)
        if has_reached(fill, self.limit, -sign):
            return is_touched, fill
        return False, float(self.limit)

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return the fill of the breakout where it is within the limit, else what follows it as a limit.

        That the stop was touched is not remembered: it is looked for from where the signal appeared.
        """
        since, limit = market.scheduled_row, float(self.limit)
        if not has_reached(market.prices.item(since), self.stop, market.sign):
            touch = market.first_stop(float(self.stop), since + 1, stop)
            if touch is None:
                return None
            if touch.row >= start and (touch.price is None or has_reached(touch.price, limit, -market.sign)):
                return touch
            start = max(start, touch.row + 1)
        return market.first_limit(limit, start, stop)
