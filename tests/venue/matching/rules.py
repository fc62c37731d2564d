"""What a ticket must be like, refused in the words and codes of Binance."""

from decimal import Decimal

from tests.venue.calls import Refusal
from tests.venue.matching.orders import GRAIN, ZERO, Kind, Order, Ticket
from tests.venue.symbols import SymbolFacts

MAX_PRICE = Decimal(1_000_000)
NO_FUNDS = "Account has insufficient balance for requested action."


def missing(name: str) -> Refusal:
    return Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def filter_failure(name: str) -> Refusal:
    return Refusal(-1013, f"Filter failure: {name}")


def check_ticket(ticket: Ticket, facts: SymbolFacts) -> None:
    """Refuse what does not look like an order of its kind, or does not fit the grids of its symbol."""
    if facts.status != "TRADING":
        raise Refusal(-1013, "Market is closed.")
    _check_presence(ticket)
    for price in (ticket.price, ticket.price_stop):
        if price is not None:
            _check_price(price, facts)
    if ticket.quantity is not None:
        check_quantity(ticket.quantity, facts)
        price = ticket.price or ticket.price_stop
        if price is not None:
            check_cost(ticket.quantity * price, facts)


def _check_presence(ticket: Ticket) -> None:
    kind = ticket.kind
    if ticket.quantity is None and (kind is not Kind.MARKET or ticket.quote_quantity is None):
        raise missing("quantity")
    if kind.has_limit and ticket.price is None:
        raise missing("price")
    if kind.has_trigger and ticket.price_stop is None:
        raise missing("stopPrice")
    if ticket.price is not None and not kind.has_limit:
        raise Refusal(-1106, "Parameter 'price' sent when not required.")
    if ticket.price_stop is not None and not kind.has_trigger:
        raise Refusal(-1106, "Parameter 'stopPrice' sent when not required.")


def check_quantity(quantity: Decimal, facts: SymbolFacts) -> None:
    if quantity % GRAIN:
        raise Refusal(-1111, "Parameter 'quantity' has too much precision.")
    step = facts.quantity_step
    if quantity < step or quantity > facts.max_quantity or quantity % step:
        raise filter_failure("LOT_SIZE")


def check_cost(cost: Decimal, facts: SymbolFacts) -> None:
    if cost < facts.min_cost:
        raise filter_failure("NOTIONAL")


def check_trigger(order: Order, price: Decimal | None) -> None:
    """Refuse what would not wait at all: a stop on the wrong side, a maker that would take."""
    if price is None:
        return
    if order.waits_for_trigger and order.level_on_way(price, price) is not None:
        raise Refusal(-2010, "Stop price would trigger immediately.")
    if order.kind is Kind.LIMIT_MAKER and order.level_on_way(price, price) is not None:
        raise Refusal(-2010, "Order would immediately match and take.")


def check_pair(above: Ticket, below: Ticket, price: Decimal | None) -> None:
    """Refuse an OCO list that is not a limit on the good side and a stop on the bad side of the market."""
    if (above.symbol, above.is_buy, above.quantity) != (below.symbol, below.is_buy, below.quantity):
        raise Refusal(-1158, "Invalid OCO parameters.")
    limit, stop = (below, above) if above.is_buy else (above, below)
    if limit.kind not in {Kind.LIMIT_MAKER, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT} or not stop.kind.is_stop:
        raise Refusal(-1165, "Invalid order types for an OCO list.")
    upper, lower = (_level(ticket) for ticket in (above, below))
    if upper <= lower or (price is not None and not lower < price < upper):
        raise Refusal(-2010, "The relationship of the prices for the orders is not correct.")


def _level(ticket: Ticket) -> Decimal:
    return (ticket.price_stop if ticket.kind.has_trigger else ticket.price) or ZERO


def _check_price(price: Decimal, facts: SymbolFacts) -> None:
    if price % GRAIN:
        raise Refusal(-1111, "Parameter 'price' has too much precision.")
    if price < facts.price_step or price > MAX_PRICE or price % facts.price_step:
        raise filter_failure("PRICE_FILTER")
