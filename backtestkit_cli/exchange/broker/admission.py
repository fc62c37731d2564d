"""What of an order can be refused before it is sent."""

from decimal import Decimal

from backtestkit_cli.domain.venue import Leg, OrderKind, RefusalKind, Rejected, VenueOrder
from backtestkit_cli.exchange.broker.traded import ExitForm, Traded

_ENTERING = {Leg.ENTRY, Leg.AVERAGE}


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
    if grid.max_quantity is not None and quantity > grid.max_quantity:
        text = f"{quantity:f} {base} is above the largest quantity of {grid.max_quantity.normalize():f} {base}"
        return Rejected(RefusalKind.OTHER, text)
    return None


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
    quantity = Decimal(traded.quantity(order))
    if quantity * price >= least:
        return None
    worth = f"{quantity:f} {listing.base} at {price:f} is worth {float(quantity * price):.8g} {listing.quote}"
    text = f"{worth}, below the minimum of {least.normalize():f} {listing.quote}"
    return Rejected(RefusalKind.BELOW_MINIMUM, text)
