"""Orders that stand for themselves: at the market, or resting at a limit."""

from collections.abc import Awaitable, Callable

from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, OrderKind, OrderState, Transient, VenueOrder
from backtestkit_cli.exchange.broker.fills import Fills
from backtestkit_cli.exchange.broker.order_facts import state_of
from backtestkit_cli.exchange.broker.refusals import Failed
from backtestkit_cli.exchange.broker.traded import Traded
from backtestkit_cli.exchange.broker.venue_calls import Raw, TradingExchange, VenueCalls

_POLLS_S = (0.1, 0.2, 0.4, 0.8, 1.5)
"""The waits between the questions of how a market order fares."""


class SingleOrders:
    """Places, finds and takes back orders by their client id; nothing is sent twice."""

    def __init__(self, calls: VenueCalls, fills: Fills, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Ask by *calls*, complete answers by *fills*, and wait by *sleep*."""
        self._calls = calls
        self._fills = fills
        self._sleep = sleep

    async def place(self, order: VenueOrder, traded: Traded) -> Answer:
        """Send *order*; at the market it is followed for some seconds, until it is filled."""
        answer = await self._calls.send(_placing(order, traded))
        if isinstance(answer, Failed):
            return answer
        if not answer.get("id"):
            return Transient("the venue answered and named no order", may_have_arrived=True)
        state = state_of(answer)
        if state is None or (state is OrderState.RESTING and order.kind is OrderKind.MARKET):
            return await self._followed(order, traded)
        return await self._fills.confirmed(answer, traded)

    async def check(self, order: VenueOrder, traded: Traded) -> Answer:
        """Return where *order* stands."""
        client_id = {"clientOrderId": order.client_id}
        answer = await self._calls.read(lambda venue: venue.fetch_order(None, traded.symbol, client_id))
        return answer if isinstance(answer, Failed) else await self._fills.confirmed(answer, traded)

    async def cancel(self, order: VenueOrder, traded: Traded) -> Answer:
        """Take *order* back; one that has ended before is looked up."""
        client_id = {"clientOrderId": order.client_id}
        answer = await self._calls.change(lambda venue: venue.cancel_order(None, traded.symbol, client_id))
        if isinstance(answer, Gone):
            return await self.check(order, traded)
        if isinstance(answer, Failed):
            return answer
        if state_of(answer) in {None, OrderState.RESTING}:
            return await self.check(order, traded)
        return await self._fills.confirmed(answer, traded)

    async def _followed(self, order: VenueOrder, traded: Traded) -> Answer:
        """Ask how *order* fares, which the venue has taken, until it tells, and of a market order until it ended."""
        answer: Answer = Gone("never asked for")
        for wait_s in _POLLS_S:
            await self._sleep(wait_s)
            answer = await self.check(order, traded)
            if isinstance(answer, Confirmed) and (answer.state is not OrderState.RESTING or not _is_market(order)):
                return answer
        if isinstance(answer, Confirmed):
            return answer
        reason = f"the venue took the order and does not say where it stands: {answer.reason}"
        return Transient(reason, may_have_arrived=True)


def _is_market(order: VenueOrder) -> bool:
    return order.kind is OrderKind.MARKET


def _placing(order: VenueOrder, traded: Traded) -> Callable[[TradingExchange], Awaitable[Raw]]:
    side = "buy" if order.is_buy else "sell"
    params: dict[str, object] = {"clientOrderId": order.client_id}
    price = None
    if not _is_market(order):
        price = float(traded.price(order.price_expected if order.price_limit is None else order.price_limit))
        if order.post_only:
            params["postOnly"] = True
    kind, quantity = order.kind.value, float(traded.quantity(order))
    return lambda venue: venue.create_order(traded.symbol, kind, side, quantity, price, params)
