"""Stop and target that rest at the venue: as a pair of which one cancels the other, or the stop alone."""

from collections.abc import Awaitable, Callable, Mapping

from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    ExitSide,
    Fill,
    Gone,
    OrderState,
    Transient,
    VenueOrder,
)
from backtestkit_cli.exchange.broker.fills import Fills
from backtestkit_cli.exchange.broker.order_facts import filled_of, state_of
from backtestkit_cli.exchange.broker.refusals import Failed
from backtestkit_cli.exchange.broker.traded import Traded
from backtestkit_cli.exchange.broker.venue_calls import Raw, TradingExchange, VenueCalls

_SLIP = 0.01
"""How far below its trigger a stop may still sell, where the venue has stops with a limit only: 1 %."""
_LOOKS = 2


class RestingExits:
    """Places, finds and takes back the exits of a position; each of the two has an id of its own, made of theirs."""

    def __init__(self, calls: VenueCalls, fills: Fills) -> None:
        """Ask by *calls*, and complete answers by *fills*."""
        self._calls = calls
        self._fills = fills

    async def place(self, order: VenueOrder, traded: Traded) -> Answer:
        """Send the exits in *order*."""
        if len(traded.exits_of(order)) == len(ExitSide):
            return await self._place_pair(order, traded)
        answer = await self._calls.send(_placing_one(order, traded))
        if isinstance(answer, Failed):
            return answer
        if not answer.get("id"):
            return Transient("the venue answered and named no order", may_have_arrived=True)
        return await self._seen(order, traded)

    async def check(self, order: VenueOrder, traded: Traded) -> Answer:
        """Return where the exits in *order* stand, from both of them."""
        answer: Answer = Gone("never asked for")
        for _ in range(_LOOKS):
            legs = await self._legs(order, traded)
            if isinstance(legs, Failed):
                return legs
            answer = await self._united(legs, traded)
            if not _is_between(legs):
                break
        return answer

    async def cancel(self, order: VenueOrder, traded: Traded) -> Answer:
        """Take the exits in *order* back; those that have ended before are looked up."""
        answer = await self._calls.change(_cancelling(order, traded))
        if isinstance(answer, Failed) and not isinstance(answer, Gone):
            return answer
        return await self.check(order, traded)

    async def _place_pair(self, order: VenueOrder, traded: Traded) -> Answer:
        request = _pair(order, traded)
        answer = await self._calls.send(lambda venue: venue.private_post_orderlist_oco(request))
        if isinstance(answer, Failed):
            return answer
        if not isinstance(answer, Mapping) or answer.get("orderListId") is None:
            return Transient("the venue answered and named no pair of orders", may_have_arrived=True)
        if answer.get("listOrderStatus") == "EXECUTING":
            return Confirmed(OrderState.RESTING, venue_id=str(answer["orderListId"]), has_target=True)
        return await self._seen(order, traded)

    async def _seen(self, order: VenueOrder, traded: Traded) -> Answer:
        """Return where exits stand that the venue has taken."""
        answer = await self.check(order, traded)
        if isinstance(answer, Confirmed):
            return answer
        reason = f"the venue took the exits and does not say where they stand: {answer.reason}"
        return Transient(reason, may_have_arrived=True)

    async def _legs(self, order: VenueOrder, traded: Traded) -> dict[ExitSide, Raw] | Failed:
        """Return those of the exits that the venue knows; `Gone` if it knows none."""
        legs: dict[ExitSide, Raw] = {}
        answer: Raw | Failed = Gone("no exits")
        for side, (client_id, _) in traded.exits_of(order).items():
            answer = await self._calls.read(_fetching(traded.symbol, client_id))
            if not isinstance(answer, Failed):
                legs[side] = answer
            elif not isinstance(answer, Gone):
                return answer
        return answer if isinstance(answer, Gone) and not legs else legs

    async def _united(self, legs: Mapping[ExitSide, Raw], traded: Traded) -> Answer:
        """Return what the orders of both exits say together."""
        fills: dict[ExitSide, Fill] = {}
        for side, leg in legs.items():
            fill = await self._fills.fill(leg, traded)
            if isinstance(fill, Transient):
                return fill
            if fill is not None:
                fills[side] = fill
        live = _live(legs)
        most = max(fills, key=lambda side: fills[side].quantity, default=None)
        is_filled = any(state_of(leg) is OrderState.FILLED for leg in legs.values())
        state = OrderState.RESTING if live else OrderState.FILLED if is_filled else OrderState.CANCELLED
        return Confirmed(
            state,
            _sum(list(fills.values())),
            _venue_id(legs),
            exit_side=most,
            has_target=ExitSide.TARGET in live,
        )


def _live(legs: Mapping[ExitSide, Raw]) -> set[ExitSide]:
    """Return which of *legs* still rest; a state that nobody knows counts as resting."""
    return {side for side, leg in legs.items() if state_of(leg) in {None, OrderState.RESTING}}


def _is_between(legs: Mapping[ExitSide, Raw]) -> bool:
    """Say whether one of *legs* ended between the two questions, so that the other was asked for too early."""
    return 0 < len(_live(legs)) < len(legs) and not any(filled_of(legs[side]) for side in _live(legs))


def _sum(fills: list[Fill]) -> Fill | None:
    """Return *fills* as one, at their average price; fees are known if those of all are."""
    if len(fills) < 2:
        return fills[0] if fills else None
    quantity = sum(fill.quantity for fill in fills)
    fees = [fill.fee_quote for fill in fills if fill.fee_quote is not None]
    return Fill(
        quantity,
        sum(fill.quantity * fill.price for fill in fills) / quantity,
        sum(fees) if len(fees) == len(fills) else None,
        sum(fill.fee_base for fill in fills),
    )


def _venue_id(legs: Mapping[ExitSide, Raw]) -> str:
    """Return the id of the pair where the venue has one, else that of the order."""
    for leg in legs.values():
        told = leg.get("info")
        list_id = told.get("orderListId") if isinstance(told, Mapping) else None
        if list_id is not None and int(list_id) >= 0:
            return str(list_id)
        return str(leg.get("id") or "")
    return ""


def _fetching(symbol: str, client_id: str) -> Callable[[TradingExchange], Awaitable[Raw]]:
    return lambda venue: venue.fetch_order(None, symbol, {"clientOrderId": client_id})


def _cancelling(order: VenueOrder, traded: Traded) -> Callable[[TradingExchange], Awaitable[object]]:
    exits = traded.exits_of(order)
    if len(exits) == len(ExitSide):
        pair = {"symbol": traded.listing.id, "listClientOrderId": order.client_id}
        return lambda venue: venue.private_delete_orderlist(pair)
    ((client_id, _),) = exits.values()
    return lambda venue: venue.cancel_order(None, traded.symbol, {"clientOrderId": client_id})


def _placing_one(order: VenueOrder, traded: Traded) -> Callable[[TradingExchange], Awaitable[Raw]]:
    ((side, (client_id, price)),) = traded.exits_of(order).items()
    at = float(traded.price(price))
    params: dict[str, object] = {"clientOrderId": client_id}
    kind: str = "limit"
    limit: float | None = at
    if side is ExitSide.STOP:
        params["stopLossPrice"] = at
        kind, limit = ("market", None) if traded.has_market_stop else ("limit", float(_slipped(price, traded)))
    quantity = float(traded.quantity(order))
    return lambda venue: venue.create_order(traded.symbol, kind, "sell", quantity, limit, params)


def _pair(order: VenueOrder, traded: Traded) -> dict[str, str]:
    """Return the request of Binance for a target above the market and a stop below it."""
    exits = traded.exits_of(order)
    (stop_id, stop), (target_id, target) = exits[ExitSide.STOP], exits[ExitSide.TARGET]
    request = {
        "symbol": traded.listing.id,
        "side": "SELL",
        "quantity": traded.quantity(order),
        "listClientOrderId": order.client_id,
        "aboveType": "LIMIT_MAKER",
        "aboveClientOrderId": target_id,
        "abovePrice": traded.price(target),
        "belowType": "STOP_LOSS",
        "belowClientOrderId": stop_id,
        "belowStopPrice": traded.price(stop),
    }
    if not traded.has_market_stop:
        limit = {"belowType": "STOP_LOSS_LIMIT", "belowPrice": _slipped(stop, traded), "belowTimeInForce": "GTC"}
        request.update(limit)
    return request


def _slipped(stop: float, traded: Traded) -> str:
    return traded.price(stop * (1 - _SLIP))
