"""The account at a simulated venue, as a value.

Its money follows the ledger of the engine: slippage and fee of the settings are paid at each fill as in
`round_trip`, and what is put into a short is set aside until it is closed. So at any price

    cash + Σ proceeds of what is held = balance at the start + Σ net of trades + Σ net of open positions.

A short that lost more than was put in takes the rest from the cash, if need be below 0: nobody liquidates here.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from backtestkit_cli.domain.money import Costs, round_trip
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import Answer, Confirmed, Fill, Gone, Leg, OrderState, Rejected, VenueOrder

_NO_COSTS = Costs(0.0, 0.0)


class Terms(NamedTuple):
    """How the venue executes: the costs by strategy, the delay, and its part (0-100) of each candle's volume."""

    costs: Mapping[str, Costs]
    latency_ms: int = 0
    max_volume_pct: float | None = None

    def costs_of(self, strategy: str) -> Costs:
        """Return what *strategy* pays: nothing where it does not run any more, and only its old account is known."""
        return self.costs.get(strategy, _NO_COSTS)


class Holding(NamedTuple):
    """What is held of one position: `quantity` of the base asset (of a short, owed), which `cost` was put into."""

    strategy: str
    symbol: str
    side: Side
    quantity: float
    cost: float


class KnownOrder(NamedTuple):
    """An order that was asked for, and what became of it; one that was refused has a `refusal`."""

    order: VenueOrder
    state: OrderState
    fill: Fill | None = None
    refusal: Rejected | None = None

    @property
    def left(self) -> float:
        """Return what is still to be traded; nothing unless it rests."""
        if self.state is not OrderState.RESTING:
            return 0.0
        return self.order.quantity - (self.fill.quantity if self.fill else 0.0)

    @property
    def answer(self) -> Answer:
        """Return what the venue says of it."""
        return self.refusal or Confirmed(self.state, self.fill, self.order.client_id)


class SeenCandle(NamedTuple):
    """The newest candle of a symbol: when it ended, what was traded in it, and what our orders took of that."""

    ended_ms: int
    volume: float
    taken: float = 0.0


_NOTHING: Mapping[str, Holding] = MappingProxyType({})
_UNSEEN: Mapping[str, SeenCandle] = MappingProxyType({})


class Account(NamedTuple):
    """Money in the quote asset, holdings by signal id, orders as they came in, and the newest candle of each symbol."""

    cash: float
    holdings: Mapping[str, Holding] = _NOTHING
    orders: tuple[KnownOrder, ...] = ()
    candles: Mapping[str, SeenCandle] = _UNSEEN

    def find(self, client_id: str) -> KnownOrder | None:
        """Return the order of *client_id*, None where it is not known (any more)."""
        return next((known for known in self.orders if known.order.client_id == client_id), None)

    def answer(self, client_id: str) -> Answer:
        """Return what the venue says of the order of *client_id*."""
        known = self.find(client_id)
        return Gone(f"no order {client_id!r} is known") if known is None else known.answer

    def resting(self) -> Iterator[KnownOrder]:
        """Yield the orders that are not settled, oldest first."""
        return (known for known in self.orders if known.state is OrderState.RESTING)


def reserved(account: Account, terms: Terms) -> float:
    """Return the quote money that resting entries will need at the prices they expect."""
    return sum(
        money_needed(known.left, known.order.price_expected, terms.costs_of(known.order.strategy))
        for known in account.resting()
        if enters(known.order)
    )


def proceeds(holding: Holding, quantity: float, price: float, costs: Costs) -> float:
    """Return the quote money that a sale of *quantity* of *holding* at *price* brings, its fee paid.

    It is what the part had cost, with the fee that was paid on it, and the net gain: for a short below 0 where it
    lost more than was put in.
    """
    cost = holding.cost * min(quantity / holding.quantity, 1.0)
    return round_trip(holding.side, cost, holding.cost / holding.quantity, price, costs).net + _with_fee(cost, costs)


def equity(account: Account, prices: Mapping[str, float], terms: Terms) -> float:
    """Return the quote money there would be if all that is held were sold at *prices*, given by symbol."""
    return account.cash + sum(
        proceeds(held, held.quantity, prices[held.symbol], terms.costs_of(held.strategy))
        for held in account.holdings.values()
    )


def coins(account: Account) -> Mapping[str, float]:
    """Return how much of its base asset is held by symbol, what shorts owe deducted."""
    held: dict[str, float] = {}
    for holding in account.holdings.values():
        held[holding.symbol] = held.get(holding.symbol, 0.0) + holding.side.sign * holding.quantity
    return held


def enters(order: VenueOrder) -> bool:
    """Say whether *order* puts money in."""
    return order.leg in (Leg.ENTRY, Leg.AVERAGE)


def money_needed(quantity: float, price: float, costs: Costs) -> float:
    """Return the quote money that a purchase of *quantity* at *price* takes, its fee included."""
    return _with_fee(quantity * price, costs)


def _with_fee(cost: float, costs: Costs) -> float:
    return cost * (1 + costs.fee_rate)
