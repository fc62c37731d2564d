"""What orders and candles make of a simulated account: pure, the account before to the account after."""

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import Fill, OrderKind, OrderState, RefusalKind, Rejected, VenueOrder
from backtestkit_cli.engine.booking import merged
from backtestkit_cli.execution.account import (
    Account,
    Holding,
    KnownOrder,
    SeenCandle,
    Terms,
    enters,
    money_needed,
    proceeds,
    reserved,
)

SETTLED_KEPT = 8
"""How many settled orders of each session are remembered; a session leaves hardly more than one unsettled."""
_ROUNDING = 1e-9


def placed(account: Account, order: VenueOrder, terms: Terms) -> Account:
    """Return *account* after *order* came in; one that is known already changes nothing."""
    if account.find(order.client_id) is not None:
        return account
    refusal = _refusal(account, order, terms)
    if refusal is not None:
        return _noted(account, KnownOrder(order, OrderState.CANCELLED, refusal=refusal))
    known = KnownOrder(order, OrderState.RESTING)
    if terms.latency_ms >= MINUTE_MS:
        return _noted(account, known)
    return _traded(account, known, order.price_expected, terms)


def cancelled(account: Account, client_id: str) -> Account:
    """Return *account* with the order of *client_id* taken back, if it rests."""
    known = account.find(client_id)
    if known is None or known.state is not OrderState.RESTING:
        return account
    return _noted(account, known._replace(state=OrderState.CANCELLED))


def after_candle(account: Account, symbol: str, candle: Candle, terms: Terms) -> Account:
    """Return *account* after a 1m *candle* of *symbol*; one that is not newer than the last changes nothing.

    An order trades from the candle on at whose end it has reached the market, at the closes, in the order of arrival.
    """
    ended_ms = candle.timestamp + MINUTE_MS
    seen = account.candles.get(symbol)
    if seen is not None and ended_ms <= seen.ended_ms:
        return account
    account = account._replace(candles={**account.candles, symbol: SeenCandle(ended_ms, candle.volume)})
    delay_ms = terms.latency_ms // MINUTE_MS * MINUTE_MS
    for known in tuple(account.resting()):
        if known.order.symbol == symbol and known.order.at_ms + delay_ms <= ended_ms:
            account = _traded(account, known, candle.close, terms)
    return account


def _refusal(account: Account, order: VenueOrder, terms: Terms) -> Rejected | None:
    if order.kind is not OrderKind.MARKET:
        return Rejected(RefusalKind.OTHER, f"expected a market order, found {order.kind}: nothing rests here")
    if enters(order):
        needed = money_needed(order.quantity, order.price_expected, terms.costs_of(order.strategy))
        free = account.cash - reserved(account, terms)
        if needed <= free:
            return None
        return Rejected(RefusalKind.BALANCE, f"balance: {needed:.12g} is needed with the fee, {free:.12g} is free")
    holding = account.holdings.get(order.signal_id)
    bound = sum(known.left for known in account.resting() if _reduces(known.order, order.signal_id))
    free = (holding.quantity if holding else 0.0) - bound
    if order.quantity <= free * (1 + _ROUNDING):
        return None
    return Rejected(
        RefusalKind.BALANCE, f"balance: {order.quantity:.12g} is to be closed, {free:.12g} is held and free"
    )


def _reduces(order: VenueOrder, signal_id: str) -> bool:
    return not enters(order) and order.signal_id == signal_id


def _traded(account: Account, known: KnownOrder, price: float, terms: Terms) -> Account:
    """Return *account* after *known* traded at *price* what the newest candle has left for it, perhaps nothing.

    An entry that the cash does not suffice for any more, as prices have risen, is cancelled.
    """
    order, left = known.order, known.left
    quantity, dust = min(left, _available(account, order.symbol, terms)), order.quantity * _ROUNDING
    if quantity <= dust:
        return _noted(account, known)
    if quantity >= left - dust:  # a rest of next to nothing would never be worth a fill
        quantity = left
    costs = terms.costs_of(order.strategy)
    if not enters(order):
        account = _sold(account, order, quantity, price, costs)
    elif money_needed(quantity, price, costs) > account.cash:
        return _noted(account, known._replace(state=OrderState.CANCELLED))
    else:
        account = _bought(account, order, quantity, price, costs)
    part = Fill(quantity, price)
    fill = part if known.fill is None else merged([known.fill, part])
    state = OrderState.FILLED if quantity >= left else OrderState.RESTING
    return _noted(_consumed(account, order.symbol, quantity), known._replace(state=state, fill=fill))


def _available(account: Account, symbol: str, terms: Terms) -> float:
    if terms.max_volume_pct is None:
        return float("inf")
    seen = account.candles.get(symbol)
    return 0.0 if seen is None else seen.volume * terms.max_volume_pct / 100 - seen.taken


def _consumed(account: Account, symbol: str, quantity: float) -> Account:
    seen = account.candles.get(symbol)
    if seen is None:
        return account
    return account._replace(candles={**account.candles, symbol: seen._replace(taken=seen.taken + quantity)})


def _bought(account: Account, order: VenueOrder, quantity: float, price: float, costs: Costs) -> Account:
    side = Side.LONG if order.is_buy else Side.SHORT
    held = account.holdings.get(order.signal_id) or Holding(order.strategy, order.symbol, side, 0.0, 0.0)
    held = held._replace(quantity=held.quantity + quantity, cost=held.cost + quantity * price)
    cash = account.cash - money_needed(quantity, price, costs)
    return account._replace(cash=cash, holdings={**account.holdings, order.signal_id: held})


def _sold(account: Account, order: VenueOrder, quantity: float, price: float, costs: Costs) -> Account:
    held = account.holdings[order.signal_id]
    is_all = quantity >= held.quantity * (1 - _ROUNDING)
    sold = held.quantity if is_all else quantity
    cash = account.cash + proceeds(held, sold, price, costs)
    holdings = {key: holding for key, holding in account.holdings.items() if key != order.signal_id}
    if not is_all:
        rest = held.quantity - sold
        holdings[order.signal_id] = held._replace(quantity=rest, cost=held.cost * (rest / held.quantity))
    return account._replace(cash=cash, holdings=holdings)


def _noted(account: Account, known: KnownOrder) -> Account:
    """Return *account* with *known* as the newest word on that order; what is settled is forgotten in time."""
    client_id = known.order.client_id
    if account.find(client_id) is None:
        orders = (*account.orders, known)
    else:
        orders = tuple(known if one.order.client_id == client_id else one for one in account.orders)
    return account._replace(orders=_bounded(orders, known.order))


def _bounded(orders: tuple[KnownOrder, ...], newest: VenueOrder) -> tuple[KnownOrder, ...]:
    """Return *orders* without the settled ones of the session of *newest* that are too old to be asked for."""
    session = newest.strategy, newest.symbol
    settled = [
        known.order.client_id
        for known in orders
        if known.state is not OrderState.RESTING and (known.order.strategy, known.order.symbol) == session
    ]
    forgotten = set(settled[:-SETTLED_KEPT])
    return tuple(known for known in orders if known.order.client_id not in forgotten) if forgotten else orders
