"""How real fills become the ledger of a position, so that its gain is the money that moved.

Law 1: what a venue filled as it was decided, with the fee left to the settings, is booked to the last bit as the
functions of `domain/position` do it. Quantities count as the same where they differ by rounding alone, by less than
1e-12 of themselves.

Law 2: without slippage in the costs, and with the fees that a venue states, the net gain of the trade is the money
received less the money paid less the fees in quote, whatever was filled. A fee that the venue keeps in the base asset
is never money: it is fewer coins (of a short, more to buy back), so it raises the effective price. It is shown as a
fee all the same, at the price of its fill. Coins that the close of a long leaves behind, too few to be sold, stay in
the account at what they cost, neither won nor lost; if it sold more than the position held, what that brought is gain.

How: the cost of a fill is `quantity * price`, and the ledger charges `fee_rate` on every cost as it goes. What the
real fee differs by is put into `realised` at once.
"""

from collections.abc import Sequence

from backtestkit_cli.domain.money import Costs, Gain, round_trip
from backtestkit_cli.domain.position import (
    Closing,
    Entry,
    Partial,
    Position,
    Trade,
    average_in,
    close,
    sell_part,
)
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import Fill

_ROUNDING = 1e-12


def booked_entry(proposed: Position, fill: Fill, costs: Costs) -> Position:
    """Return the position that *fill* opened, of which *proposed* was decided."""
    at_ms, price, cost = proposed.entries[0]
    if fill.price == price and _is_as_decided(fill, cost / price):
        return proposed
    bought = fill.quantity * fill.price
    position = proposed._replace(
        entries=(Entry(at_ms, fill.price, bought),),
        invested=bought,
        cost_left=bought,
        quantity_left=fill.quantity,
        price_effective=fill.price,
    )
    return _with_fees(position, fill, costs)


def booked_average(before: Position, at_ms: int, fill: Fill, costs: Costs, *, cost: float | None = None) -> Position:
    """Return *before* with the purchase that *fill* is; *cost* is the money that was decided to be put in."""
    if cost is not None and _is_as_decided(fill, cost / fill.price):
        return average_in(before, Entry(at_ms, fill.price, cost))
    after = average_in(before, Entry(at_ms, fill.price, fill.quantity * fill.price))
    return _with_fees(after, fill, costs)


def booked_part(before: Position, at_ms: int, fill: Fill, costs: Costs, *, percent: float | None = None) -> Position:
    """Return *before* after the sale that *fill* is; *percent* (0-100) of what is left was decided to be sold.

    A sale of all that is left is a close; here it would leave a position of nothing.
    """
    if percent is not None and _is_as_decided(fill, before.quantity_left * (percent / 100)):
        return sell_part(before, at_ms, fill.price, percent, costs)
    taken = _taken(before.side, fill)
    share = min(taken / before.quantity_left, 1.0) if before.quantity_left else 1.0
    cost = before.cost_left * share
    sale = Partial(at_ms, fill.price, share * 100, cost, len(before.entries))
    return before._replace(
        partials=(*before.partials, sale),
        cost_left=before.cost_left - cost,
        quantity_left=max(before.quantity_left - taken, 0.0),
        realised=before.realised.plus(_gain(before, cost, fill, costs)),
    )


def booked_close(
    position: Position, closing: Closing, fill: Fill, costs: Costs, *, strategy: str, symbol: str
) -> Trade:
    """Return the trade that *position* became by *fill*; what it left behind is no part of the trade any more."""
    closing = closing._replace(price=fill.price)
    trade = close(position, closing, costs, strategy=strategy, symbol=symbol)
    if _is_as_decided(fill, position.quantity_left):
        return trade
    gain = _gain(position, position.cost_left, fill, costs)
    if position.side is Side.LONG:
        kept = position.cost_left - _taken(position.side, fill) * position.price_effective
        gain = gain._replace(gross=gain.gross + max(kept, 0.0))
    return trade._replace(gain=position.realised.plus(gain))


def merged(fills: Sequence[Fill]) -> Fill:
    """Return *fills* (one at least) of one order as one, at their average price.

    Its `fee_quote` is the sum of those that are stated, None where none is.
    """
    if len(fills) == 1:
        return fills[0]
    quantity = sum(fill.quantity for fill in fills)
    price = fills[0].price
    if any(fill.price != price for fill in fills):  # the average of equal prices is that price
        price = sum(fill.quantity * fill.price for fill in fills) / quantity
    fees = [fill.fee_quote for fill in fills if fill.fee_quote is not None]
    return Fill(quantity, price, sum(fees) if fees else None, sum(fill.fee_base for fill in fills))


def remaining(earlier: Fill | None, now: Fill) -> Fill | None:
    """Return what *now* has more than *earlier*, which is the same order before; None if nothing was added.

    A fee that became known without a further quantity is not booked.
    """
    if earlier is None:
        return now if now.quantity > 0 else None
    quantity = now.quantity - earlier.quantity
    if quantity <= _ROUNDING * now.quantity:
        return None
    price = (now.quantity * now.price - earlier.quantity * earlier.price) / quantity
    if now.price == earlier.price or price <= 0:  # an average that a venue rounded may say nonsense
        price = now.price
    fee_quote = None if now.fee_quote is None else now.fee_quote - (earlier.fee_quote or 0.0)
    return Fill(quantity, price, fee_quote, now.fee_base - earlier.fee_base)


def _is_as_decided(fill: Fill, quantity: float) -> bool:
    """Say whether *fill* is of *quantity* and leaves its fee to the settings."""
    has_no_fee = fill.fee_quote is None and not fill.fee_base
    return has_no_fee and abs(fill.quantity - quantity) <= _ROUNDING * quantity


def _with_fees(position: Position, fill: Fill, costs: Costs) -> Position:
    """Return *position*, whose last entry is *fill*, with the fees that it really had."""
    if fill.fee_quote is None and not fill.fee_base:
        return position
    in_quote = 0.0 if fill.fee_quote is None else fill.fee_quote - fill.quantity * fill.price * costs.fee_rate
    in_base = fill.fee_base * fill.price
    quantity = position.quantity_left - position.side.sign * fill.fee_base
    return position._replace(
        quantity_left=quantity,
        price_effective=position.cost_left / quantity,
        realised=position.realised.plus(Gain(in_base, 0.0, in_quote + in_base)),
    )


def _taken(side: Side, fill: Fill) -> float:
    """Return how many coins a sale takes off the position: what the venue kept of them is not there any more either."""
    return fill.quantity + side.sign * fill.fee_base


def _gain(position: Position, cost: float, fill: Fill, costs: Costs) -> Gain:
    """Return the gain of the sale *fill*, which ends what had cost *cost*."""
    sign, price_in, taken = position.side.sign, position.price_effective, _taken(position.side, fill)
    taken_cost = taken * price_in
    gain = round_trip(position.side, taken_cost, price_in, fill.price, costs)
    worth = taken_cost + sign * (gain.gross - gain.slippage)
    modelled_fee = worth * costs.fee_rate
    rest = cost - taken_cost
    if not taken:  # nothing was sold: all of it is left behind
        return Gain(gain.gross - sign * rest, gain.slippage, gain.fee + rest * costs.fee_rate)
    fee_quote = modelled_fee * fill.quantity / taken if fill.fee_quote is None else fill.fee_quote
    fee = fee_quote + worth * fill.fee_base / taken - modelled_fee
    return Gain(gain.gross - sign * rest, gain.slippage, gain.fee + fee + rest * costs.fee_rate)
