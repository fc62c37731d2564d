"""What an order of ccxt says: its state, what was filled of it, and what that cost."""

from collections.abc import Iterable, Sequence

from backtestkit_cli.domain.venue import OrderState, RestingOrder
from backtestkit_cli.exchange.broker.venue_calls import Raw

_STATES = {
    "open": OrderState.RESTING,
    "canceling": OrderState.RESTING,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.CANCELLED,
    "rejected": OrderState.CANCELLED,
}
_ALL = 1 - 1e-9


def state_of(order: Raw) -> OrderState | None:
    """Return the state of *order*, None where the answer does not tell it, as those to a new order often do not."""
    return _STATES.get(str(order.get("status")))


def filled_of(order: Raw) -> float:
    """Return how much of *order* was filled, in the base asset."""
    return float(order.get("filled") or 0.0)


def price_of(order: Raw) -> float:
    """Return the average price of what was filled of *order*.

    Raises:
        ValueError: it names none.
    """
    filled, cost = filled_of(order), order.get("cost")
    price = order.get("average") or (float(cost) / filled if cost and filled else None) or order.get("price")
    if not price:
        raise ValueError("an order that was filled at no price")
    return float(price)


def charges_of(order: Raw) -> dict[str, float] | None:
    """Return what was paid for the fills of *order* by asset, None where it does not tell."""
    charges = charges_within(order.get("trades") or (), filled_of(order))
    if charges is not None:
        return charges
    fees = [fee for fee in order.get("fees") or [order.get("fee")] if _is_told(fee)]
    return _by_asset(fees) if fees else None


def charges_within(trades: Sequence[Raw], quantity: float) -> dict[str, float] | None:
    """Return what was paid for *trades* by asset, None where one does not tell or they do not make up *quantity*."""
    fees = [trade.get("fee") for trade in trades]
    is_whole = sum(float(trade.get("amount") or 0.0) for trade in trades) >= quantity * _ALL
    return _by_asset(fees) if trades and is_whole and all(map(_is_told, fees)) else None


def resting_order(order: Raw, symbol: str) -> RestingOrder:
    """Return *order*, which is open, under the name that *symbol* was asked by."""
    price, stop = order.get("price"), order.get("triggerPrice") or order.get("stopLossPrice")
    return RestingOrder(
        client_id=str(order.get("clientOrderId") or ""),
        venue_id=str(order.get("id") or ""),
        symbol=symbol,
        is_buy=order.get("side") == "buy",
        quantity=float(order.get("amount") or 0.0),
        quantity_filled=filled_of(order),
        price_limit=float(price) if price else None,
        price_stop=float(stop) if stop else None,
    )


def _is_told(fee: Raw | None) -> bool:
    return bool(fee) and fee is not None and fee.get("cost") is not None and bool(fee.get("currency"))


def _by_asset(fees: Iterable[Raw | None]) -> dict[str, float]:
    charges: dict[str, float] = {}
    for fee in fees:
        if fee is not None:
            asset = str(fee["currency"])
            charges[asset] = charges.get(asset, 0.0) + float(fee["cost"])
    return charges
