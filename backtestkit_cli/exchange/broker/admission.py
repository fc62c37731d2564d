"""What of an order can be refused before it is sent."""

from decimal import Decimal

from backtestkit_cli.domain.venue import Leg, OrderKind, RefusalKind, Rejected, VenueOrder
from backtestkit_cli.exchange.broker.traded import ExitForm, Traded

_ENTERING = {Leg.ENTRY, Leg.AVERAGE}
_MOST_KEPT = 0.002
"""What a venue may keep of the coins it sells as its fee: an entry must be worth selling without them."""


def refusal(order: VenueOrder, traded: Traded) -> Rejected | None:
    """Return why *order* would break a rule of its symbol, with both numbers; None if it would not."""
    return _wrong_kind(order, traded) or _wrong_quantity(order, traded) or _wrong_cost(order, traded)


def _wrong_kind(order: VenueOrder, traded: Traded) -> Rejected | None:
    listing = traded.listing
    if not listing.active:
        return Rejected(RefusalKind.SYMBOL, f"{listing.symbol} is not traded at present (delisted or halted)")
    if order.is_buy is not (order.leg in _ENTERING):
        return Rejected(RefusalKind.OTHER, f"{listing.symbol} is spot, which cannot be sold short: trade it long only")
    if order.kind is OrderKind.EXITS and (traded.exit_form is ExitForm.NONE or not traded.exits_of(order)):
        return Rejected(RefusalKind.OTHER, f"exits of {listing.symbol} cannot rest at the venue")
    return None


def _wrong_quantity(order: VenueOrder, traded: Traded) -> Rejected | None:
    grid, base = traded.grid, traded.listing.base
    quantity = Decimal(traded.quantity(order))
    least = max(grid.min_quantity or Decimal(0), grid.quantity_step or Decimal(0))
    if quantity <= 0 or quantity < least:
        text = f"{order.quantity:.12g} {base} is below the least quantity of {least.normalize():f} {base}"
        return Rejected(RefusalKind.BELOW_MINIMUM, text)
    sellable = Decimal(_sellable(order, traded))
    if sellable < least:
        text = f"of {quantity:f} {base} a fee may leave {sellable:f}, below the least quantity of {least.normalize():f}"
        return Rejected(RefusalKind.BELOW_MINIMUM, f"{text} {base}: it could not be sold again")
    if grid.max_quantity is not None and quantity > grid.max_quantity:
        text = f"{quantity:f} {base} is above the largest quantity of {grid.max_quantity.normalize():f} {base}"
        return Rejected(RefusalKind.OTHER, text)
    return None


def _sellable(order: VenueOrder, traded: Traded) -> str:
    """Return how much of *order* can be sold again, on the grid; what only adds to a position is sold with the rest."""
    kept = _MOST_KEPT if order.leg is Leg.ENTRY else 0.0
    return traded.quantity(order._replace(quantity=order.quantity * (1 - kept)))


def _wrong_cost(order: VenueOrder, traded: Traded) -> Rejected | None:
    """Refuse what is worth too little at the lowest of its prices: a venue tests each of two exits."""
    least, listing = traded.grid.min_cost, traded.listing
    if least is None:
        return None
    if order.kind is OrderKind.EXITS:
        prices = [price for _, price in traded.exits_of(order).values()]
    else:
        prices = [order.price_expected if order.price_limit is None else order.price_limit]
    price = min(Decimal(traded.price(one)) for one in prices)
    quantity = Decimal(_sellable(order, traded))
    if quantity * price >= least:
        return None
    worth = f"{quantity:f} {listing.base} at {price:f} is worth {float(quantity * price):.8g} {listing.quote}"
    text = f"{worth}, below the minimum of {least.normalize():f} {listing.quote}"
    return Rejected(RefusalKind.BELOW_MINIMUM, text)
