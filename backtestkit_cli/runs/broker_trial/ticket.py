"""The orders of the test."""

import math

from backtestkit_cli.domain.venue import Leg, OrderKind, VenueOrder, VenueRules

_FAR, _FARTHER = 0.9, 0.88
_STOP, _TARGET = 0.9, 1.1
"""Where orders rest, as shares of the price: nothing is meant to be filled there while the test lasts."""
_SPARE = 1.05
_LEAST_COST = 10.0


class Ticket:
    """The orders of the test: each of the least size that is worth enough at the lowest price any of them has."""

    def __init__(self, symbol: str, price: float, now_ms: int, rules: VenueRules) -> None:
        """Trade *symbol*, whose last price is *price*; *now_ms* makes the ids."""
        self._price = price
        self._quantity = _least_quantity(rules, price * _FARTHER)
        signal_id = f"btktest-{now_ms:x}"
        self._blank = VenueOrder(
            client_id=signal_id,
            signal_id=signal_id,
            strategy="broker-test",
            symbol=symbol,
            leg=Leg.ENTRY,
            kind=OrderKind.MARKET,
            is_buy=True,
            quantity=self._quantity,
            price_expected=price,
            at_ms=now_ms,
        )

    def far(self) -> VenueOrder:
        """Return a buy that rests below the market."""
        return self._limit(_FAR, 1)

    def farther(self) -> VenueOrder:
        """Return a buy that rests below that."""
        return self._limit(_FARTHER, 2)

    def buy(self) -> VenueOrder:
        """Return a buy at the market."""
        return self._order(Leg.ENTRY, 3)

    def exits(self, quantity: float) -> VenueOrder:
        """Return the exits of *quantity*."""
        stop, target = self._price * _STOP, self._price * _TARGET
        order = self._order(Leg.EXITS, 1)
        return order._replace(kind=OrderKind.EXITS, quantity=quantity, price_stop=stop, price_limit=target)

    def sale(self, quantity: float, number: int) -> VenueOrder:
        """Return a sale of *quantity* at the market."""
        return self._order(Leg.CLOSE, number)._replace(quantity=quantity)

    def _limit(self, share: float, number: int) -> VenueOrder:
        return self._order(Leg.ENTRY, number)._replace(kind=OrderKind.LIMIT, price_limit=self._price * share)

    def _order(self, leg: Leg, number: int) -> VenueOrder:
        client_id = f"{self._blank.signal_id}-{leg.value}{number}"
        return self._blank._replace(client_id=client_id, leg=leg, is_buy=leg is Leg.ENTRY)


def _least_quantity(rules: VenueRules, lowest_price: float) -> float:
    """Return the least that may be traded at *lowest_price*, and enough more that what fees leave of it may be, too."""
    is_free = not rules.min_cost and not rules.min_quantity
    cost = _LEAST_COST if is_free else rules.min_cost
    quantity = max(rules.min_quantity, cost / lowest_price) * _SPARE
    if not rules.quantity_step:
        return quantity
    return round((math.ceil(quantity / rules.quantity_step) + 1) * rules.quantity_step, 12)
