"""From an order of ccxt to the word of the venue on it: with the price that was made, and the fees that were paid."""

from backtestkit_cli.domain.venue import Confirmed, Fill, Transient
from backtestkit_cli.exchange.broker.order_facts import charges_of, charges_within, filled_of, price_of, state_of
from backtestkit_cli.exchange.broker.refusals import Failed
from backtestkit_cli.exchange.broker.traded import Traded
from backtestkit_cli.exchange.broker.venue_calls import Raw, TradingExchange, VenueCalls


class Fills:
    """Completes what an order says of its fills by its trades, where it leaves out the fees."""

    def __init__(self, calls: VenueCalls) -> None:
        """Ask by *calls*."""
        self._calls = calls

    async def confirmed(self, order: Raw, traded: Traded) -> Confirmed | Transient:
        """Return where *order* stands; what was filled comes with its fees, else nothing is known yet."""
        state = state_of(order)
        if state is None:
            return Transient(f"the venue tells of an order in the state {order.get('status')!r}", True)
        fill = await self.fill(order, traded)
        if isinstance(fill, Transient):
            return fill
        return Confirmed(state, fill, str(order.get("id") or ""))

    async def fill(self, order: Raw, traded: Traded) -> Fill | Transient | None:
        """Return what was filled of *order*, None if nothing was."""
        quantity = filled_of(order)
        if quantity <= 0:
            return None
        try:
            price = price_of(order)
        except ValueError as error:
            return Transient(str(error), may_have_arrived=True)
        charges = charges_of(order)
        if charges is None:
            trades = await self._trades(str(order.get("id")), traded)
            if isinstance(trades, Transient):
                return trades
            charges = None if trades is None else charges_within(trades, quantity)
        if charges is None:
            return Fill(quantity, price)
        fee_base = charges.pop(traded.listing.base, 0.0)
        return Fill(quantity, price, await self._worth(charges, traded), fee_base)

    async def _trades(self, venue_id: str, traded: Traded) -> list[Raw] | Transient | None:
        """Return the trades of an order, None where the venue does not tell them."""
        if self._calls.exchange.has.get("fetchOrderTrades") is True:
            answer = await self._calls.read(lambda venue: venue.fetch_order_trades(venue_id, traded.symbol))
        elif self._calls.exchange.has.get("fetchMyTrades"):
            answer = await self._calls.read(lambda venue: venue.fetch_my_trades(traded.symbol))
        else:
            return None
        if isinstance(answer, Transient):
            return answer._replace(may_have_arrived=True)
        return None if isinstance(answer, Failed) else [one for one in answer if one.get("order") in {None, venue_id}]

    async def _worth(self, charges: dict[str, float], traded: Traded) -> float | None:
        """Return what *charges* are worth in quote, None if the price of an asset is not to be had."""
        total = 0.0
        for asset, cost in charges.items():
            price = await self._price(asset, traded.listing.quote) if cost else 0.0
            if price is None:
                return None
            total += cost * price
        return total

    async def _price(self, asset: str, quote: str) -> float | None:
        if asset == quote:
            return 1.0
        listings = await self._calls.listings()
        for symbol, is_inverse in ((f"{asset}/{quote}", False), (f"{quote}/{asset}", True)):
            if symbol not in listings or not listings[symbol].active:
                continue

            async def ticker(venue: TradingExchange, symbol: str = symbol) -> Raw:
                return await venue.fetch_ticker(symbol)

            answer = await self._calls.read(ticker)
            last = None if isinstance(answer, Failed) else answer.get("last")
            if last:
                return 1.0 / float(last) if is_inverse else float(last)
        return None
