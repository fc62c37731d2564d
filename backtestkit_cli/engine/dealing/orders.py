"""Which orders follow from a decision: pure, so that the same decision after a crash is the same order."""

from collections.abc import Iterable

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.domain.venue import (
    EXIT_SUFFIXES,
    Answer,
    Confirmed,
    ExitSide,
    Fill,
    Leg,
    OrderKind,
    OrderState,
    RestingOrder,
    VenueOrder,
)
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.policies.orders.at_venue import AtVenue

_AMEND_RATE = 0.0002
"""By how much of its price an exit must have moved until it is worth a request."""


class OrderMaker:
    """Makes the orders of one session."""

    def __init__(self, strategy: str, symbol: str) -> None:
        """Make orders of *strategy* for *symbol*."""
        self._strategy = strategy
        self._symbol = symbol

    def _order(
        self, signal_id: str, leg: Leg, legs: int, *, at_ms: int, is_buy: bool, quantity: float, price: float
    ) -> VenueOrder:
        return VenueOrder(
            client_id=f"{signal_id}-{leg.value}{legs}",
            signal_id=signal_id,
            strategy=self._strategy,
            symbol=self._symbol,
            leg=leg,
            kind=OrderKind.MARKET,
            is_buy=is_buy,
            quantity=quantity,
            price_expected=price,
            at_ms=at_ms,
        )

    def entry(self, position: Position, at_ms: int, price: float, legs: int) -> VenueOrder:
        """Return the market order that makes *position*, decided at *price*."""
        is_buy = position.side is Side.LONG
        quantity = position.quantity_left
        return self._order(position.id, Leg.ENTRY, legs, at_ms=at_ms, is_buy=is_buy, quantity=quantity, price=price)

    def limit(self, waiting: Waiting, at_ms: int, cost: float, legs: int) -> VenueOrder:
        """Return the limit order that *waiting* stands for, worth *cost* at its price."""
        price, is_buy = waiting.price_open, waiting.side is Side.LONG
        order = self._order(waiting.id, Leg.ENTRY, legs, at_ms=at_ms, is_buy=is_buy, quantity=cost / price, price=price)
        return order._replace(kind=OrderKind.LIMIT, price_limit=price, post_only=waiting.signal.post_only)

    def average(self, position: Position, at_ms: int, price: float, cost: float, legs: int) -> VenueOrder:
        """Return the order that puts *cost* more into *position*."""
        is_buy = position.side is Side.LONG
        return self._order(
            position.id, Leg.AVERAGE, legs, at_ms=at_ms, is_buy=is_buy, quantity=cost / price, price=price
        )

    def reduction(
        self, position: Position, leg: Leg, at_ms: int, price: float, quantity: float, legs: int
    ) -> VenueOrder:
        """Return the order that takes *quantity* out of *position*, as a part or as the close."""
        is_buy = position.side is Side.SHORT
        order = self._order(position.id, leg, legs, at_ms=at_ms, is_buy=is_buy, quantity=quantity, price=price)
        return order._replace(reduce_only=True)

    def exits(self, position: Position, at_ms: int, price: float, quantity: float, legs: int) -> VenueOrder:
        """Return stop and target for *quantity* of *position* as they should rest at the venue."""
        order = self.reduction(position, Leg.EXITS, at_ms, price, quantity, legs)
        return order._replace(kind=OrderKind.EXITS, price_limit=position.take_profit, price_stop=position.stop_loss)


def orphan_of(listed: RestingOrder, strategy: str, at_ms: int) -> VenueOrder:
    """Return the order that a venue *listed*, as far as it takes to cancel it."""
    side = next((side for side, suffix in EXIT_SUFFIXES.items() if listed.client_id.endswith(suffix)), None)
    client_id = listed.client_id if side is None else listed.client_id.removesuffix(EXIT_SUFFIXES[side])
    price = listed.price_stop if side is ExitSide.STOP else listed.price_limit
    return VenueOrder(
        client_id=client_id,
        signal_id=client_id.rpartition("-")[0],
        strategy=strategy,
        symbol=listed.symbol,
        leg=Leg.ENTRY if side is None else Leg.EXITS,
        kind=OrderKind.LIMIT if side is None else OrderKind.EXITS,
        is_buy=listed.is_buy,
        quantity=listed.quantity,
        price_expected=price or 0.0,
        at_ms=at_ms,
        price_limit=None if side is ExitSide.STOP else listed.price_limit,
        price_stop=listed.price_stop if side is ExitSide.STOP else None,
    )


def is_exact(order: VenueOrder, fill: Fill) -> bool:
    """Say whether *fill* is what was decided, to the last bit, with the fee that the settings state."""
    is_whole = fill.quantity == order.quantity and fill.price == order.price_expected
    return is_whole and fill.fee_quote is None and not fill.fee_base


def is_as_decided(order: VenueOrder, answer: Answer) -> bool:
    """Say whether *answer* is that *order* was filled at once, exactly as it was decided."""
    if not isinstance(answer, Confirmed) or answer.fill is None:
        return False
    return answer.state is OrderState.FILLED and is_exact(order, answer.fill)


def must_amend(resting: VenueOrder, wanted: VenueOrder, quantity_step: float) -> bool:
    """Say whether *wanted* exits differ from those that rest by so much that the venue must be told."""
    if abs(resting.quantity - wanted.quantity) > max(quantity_step, wanted.quantity * 1e-9):
        return True
    pairs = ((resting.price_stop, wanted.price_stop), (resting.price_limit, wanted.price_limit))
    return any(old is None or new is None or abs(new - old) > old * _AMEND_RATE for old, new in pairs)


def in_flight(position: Position, signal: Signal, price: float) -> Waiting:
    """Return what a session holds while the order that opens *position* is on its way."""
    return Waiting(position.id, signal, position.side, AtVenue(price), price, position.scheduled_at_ms)


def signal_of(position: Position, flags: Iterable[str]) -> Signal:
    """Return a signal that opens *position* again, at market, with *flags* set."""
    plan, given = position.plan, set(flags)
    return Signal(
        position=position.side,
        take_profit=plan.take_profit,
        stop_loss=plan.stop_loss,
        minutes=plan.minutes,
        cost=position.entries[0].cost,
        note=plan.note,
        trailing_stop_pct=plan.trailing_stop_pct,
        trailing_activation_pct=plan.trailing_activation_pct,
        breakeven_at_pct=plan.breakeven_at_pct,
        ladder=plan.ladder,
        post_only="post_only" in given,
        reduce_only="reduce_only" in given,
    )


def with_levels_of(actual: Position, decided: Position) -> Position:
    """Return the ledger of *actual* with the levels and the progress of *decided*, the same position."""
    return actual._replace(take_profit=decided.take_profit, stop_loss=decided.stop_loss, progress=decided.progress)
