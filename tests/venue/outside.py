"""What others do to the account: its owner by hand, another program with the same key, or the market."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

from tests.venue.calls import Refusal
from tests.venue.faults import ERRORS, Breakage, Fault, Meddling, StaleAnswer, lost_before, rejected, taken_late
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Kind, Ticket, floor_to

_HALF = Decimal("0.5")


def cancel_newest(matcher: Matcher, symbol: str) -> bool:
    """Cancel the newest open order of *symbol*, and with it the other one of its list."""
    resting = matcher.book.open_orders(symbol)
    if resting:
        matcher.cancel(symbol, resting[-1].number)
    return bool(resting)


def sell_everything(matcher: Matcher, symbol: str) -> bool:
    """Cancel the sales of *symbol* that rest, and sell all there is of its base at the market."""
    for order in matcher.book.open_orders(symbol):
        if not order.is_buy and matcher.book.orders[order.number].is_open:
            matcher.cancel(symbol, order.number)
    return sell(matcher, symbol, Decimal(1))


def sell(matcher: Matcher, symbol: str, share: Decimal) -> bool:
    """Sell a *share* of what is free of the base of *symbol* at the market."""
    facts, holdings = matcher.facts[symbol], matcher.holdings
    free = holdings[facts.base].free if facts.base in holdings else Decimal(0)
    quantity = floor_to(free * share, facts.quantity_step)
    with suppress(Refusal):
        matcher.place(Ticket(symbol=symbol, is_buy=False, kind=Kind.MARKET, quantity=quantity))
        return True
    return False


def fill_oldest(matcher: Matcher, symbol: str, share: Decimal = _HALF) -> bool:
    """Fill a *share* of the oldest order of *symbol* that rests at a limit, wherever the market is."""
    for order in matcher.book.open_orders(symbol):
        quantity = floor_to(order.left * share, matcher.facts[symbol].quantity_step)
        if order.kind.has_limit and not order.waits_for_trigger and quantity:
            matcher.fill_outright(order, quantity)
            return True
    return False


def take_half(matcher: Matcher, _: str) -> bool:
    """Let the order that comes find only half of what it could take."""
    matcher.share_of_next = _HALF
    return True


def take_all(matcher: Matcher, _: str) -> bool:
    """Say whether the order took only half; whoever comes next takes all again."""
    was_taken = matcher.share_of_next == 1
    matcher.share_of_next = Decimal(1)
    return was_taken


PARTIAL_FILL = Meddling("partial fill", before=take_half, after=take_all)
RESTING_FILL = Meddling("resting order filled in part", after=fill_oldest)
CANCELLED_OUTSIDE = Meddling("cancelled outside", after=cancel_newest)
SOLD_OUTSIDE = Meddling("sold outside", after=sell_everything)

ON_THE_WIRE: Sequence[Fault] = (*ERRORS, lost_before(), taken_late(), rejected(-1000, "Internal error."), StaleAnswer())
"""What the wire does to an order; the account stays what its owner made it."""
MEDDLINGS: Sequence[Fault] = (PARTIAL_FILL, RESTING_FILL, CANCELLED_OUTSIDE, SOLD_OUTSIDE)
TIMEOUTS: Sequence[Fault] = (lost_before(Breakage.STALL),)
