"""What the prices of a position have been so far, found when it is asked for and never twice."""

from typing import Any

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.position_view import Extreme, PositionView
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.engine.market import Market


class Watched:
    """Best and worst price of one position, from its opening to the row last asked about.

    A waiting entry may open at another price than that of its tick: both count.
    """

    def __init__(self, position: Position, market: Market, prices: Any) -> None:  # noqa: ANN401 - columns of a fill model
        """Begin at the opening of *position*, at its own price."""
        self.id = position.id
        self._market = market
        self._prices = prices
        self._row = market.row_at(position.opened_at_ms) - 1
        self._highest = self._lowest = (position.price_open, position.opened_at_ms)

    def view(self, position: Position, row: int, at_ms: int, costs: Costs) -> PositionView:
        """Return what is to be known of *position* at *row*."""
        seen = self._prices[self._row + 1 : row + 1]
        if len(seen):
            top, bottom = int(seen.argmax()), int(seen.argmin())
            if seen[top] > self._highest[0]:
                self._highest = (float(seen[top]), self._market.time_of(self._row + 1 + top))
            if seen[bottom] < self._lowest[0]:
                self._lowest = (float(seen[bottom]), self._market.time_of(self._row + 1 + bottom))
            self._row = row
        best, worst = (self._highest, self._lowest) if position.side is Side.LONG else (self._lowest, self._highest)

        def extreme(found: tuple[float, int]) -> Extreme:
            price, when_ms = found
            return Extreme(price, when_ms, position.value_at(price, costs).net / position.invested * 100)

        return PositionView(
            position=position,
            price=float(self._prices[row]),
            at_ms=at_ms,
            costs=costs,
            best=extreme(best),
            worst=extreme(worst),
        )
