"""Getting out: closes and parts, and what is booked where something was sold."""

from backtestkit_cli.domain.position import Closing, Position
from backtestkit_cli.domain.signal import CancelReason, CloseReason
from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    ExitSide,
    Fill,
    Gone,
    Leg,
    OrderState,
    RefusalKind,
    Rejected,
    VenueOrder,
)
from backtestkit_cli.engine.booking import booked_close, booked_part, remaining
from backtestkit_cli.engine.dealing.blotter import ENTRIES, Blotter
from backtestkit_cli.engine.dealing.entering import Entering
from backtestkit_cli.engine.dealing.orders import is_as_decided, is_exact
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import OpenOrder, PendingClose, Stage
from backtestkit_cli.errors import VenueError
from backtestkit_cli.events.facts import PositionClosed, PositionReduced
from backtestkit_cli.events.venue_facts import OrderFilled

_REASONS = {ExitSide.STOP: CloseReason.STOP_LOSS, ExitSide.TARGET: CloseReason.TAKE_PROFIT}
_ALL = 1 - 1e-9
"""The share of a position that counts as all of it: quantities have been through texts and grids."""
_ROUNDS = 3
"""How often within a tick a close is sent anew for what the order before it left."""


class Leaving:
    """Settles the exits of one session. A close that was decided is brought to its end before anything else."""

    def __init__(self, blotter: Blotter, entering: Entering) -> None:
        """Settle the exits in *blotter*, whose entries are settled by *entering*."""
        self._blotter = blotter
        self._entering = entering
        self._close = blotter.wire.broker.close

    async def closes(self, event: PositionClosed) -> None:
        """Sell all that is left, as the desk has decided; one that is decided twice is the first one."""
        blotter, trade = self._blotter, event.trade
        is_on_its_way = isinstance(blotter.state, Waiting) and blotter.order_of(Leg.ENTRY) is not None
        is_held = isinstance(blotter.state, Position) or is_on_its_way
        if blotter.memory.closing is not None or not is_held:
            blotter.is_off = True
            return
        if isinstance(blotter.state, Position):  # a stop that follows has moved
            moved = blotter.state._replace(take_profit=trade.take_profit, stop_loss=trade.stop_loss)
            blotter.remembers(state=moved)
        self.decides(PendingClose(event.at_ms, trade.reason, trade.price_close, trade.note))
        await self.finish(is_decided_now=True)

    def decides(self, closing: PendingClose) -> None:
        """Take *closing* for decided, unless another one is."""
        if self._blotter.memory.closing is None:
            self._blotter.remembers(closing=closing)

    async def finish_if_decided(self) -> None:
        """Go on with the close that was decided, if one was."""
        if self._blotter.memory.closing is not None:
            await self.finish()

    async def finish(self, *, is_decided_now: bool = False) -> None:
        """Bring the close that was decided to its end, or as far as it gets at this tick."""
        blotter = self._blotter
        for _ in range(_ROUNDS):
            if not await self._clear_way(*ENTRIES, Leg.PARTIAL, Leg.EXITS):
                blotter.is_off = True
                return
            closing, state = blotter.memory.closing, blotter.state
            if closing is None or not isinstance(state, Position):
                if isinstance(state, Waiting):  # it was to be closed before it was open
                    self._entering.drops_signal(CancelReason.RISK)
                blotter.remembers(closing=None)
                break
            if not await self._sells(state, closing):
                break
        blotter.is_off = blotter.is_off or not is_decided_now or isinstance(blotter.state, Position)

    async def _clear_way(self, *legs: Leg) -> bool:
        """Take back the orders of *legs*; say whether none of them is left."""
        blotter = self._blotter
        for leg in legs:
            known = blotter.order_of(leg)
            answered = self._entering.answered if leg in ENTRIES else self.answered
            if known is not None and not await withdrawn(blotter, known, answered):
                return False
        return True

    async def _sells(self, state: Position, closing: PendingClose) -> bool:
        """Send the close, and say whether another one makes sense for what this one has left."""
        blotter, known = self._blotter, self._blotter.order_of(Leg.CLOSE)
        order = self._closing_order(state, closing, state.quantity_left) if known is None else known.order
        answer = await blotter.send(order, self._close)
        if isinstance(answer, Rejected):
            return await self._cannot_close(state, closing, answer)
        await self.answered(order, answer)
        return isinstance(answer, Confirmed) and answer.state is OrderState.CANCELLED and answer.fill is not None

    def _closing_order(self, state: Position, closing: PendingClose, quantity: float) -> VenueOrder:
        legs = self._blotter.next_leg()
        return self._blotter.maker.reduction(state, Leg.CLOSE, closing.at_ms, closing.price, quantity, legs)

    async def _cannot_close(self, state: Position, closing: PendingClose, answer: Rejected) -> bool:
        """Do what is left where the venue refuses to sell.

        What is too little to be sold is dust, which stays at what it cost. Where coins are missing, those are sold
        that are there, and who reconciles must say what has become of the others. All else is tried again at the next
        tick.
        """
        blotter = self._blotter
        if answer.kind is RefusalKind.BELOW_MINIMUM:
            blotter.remembers(dust=blotter.memory.dust + state.quantity_left)
            await self.ends(state, closing.reason, Fill(0.0, closing.price, 0.0), closing.note, blotter.desk.when_ms)
        elif answer.kind is RefusalKind.BALANCE:
            blotter.has_doubts = True
            there = await self._coins_there()
            if there < state.quantity_left and not self._is_dust(there):
                order = self._closing_order(state, closing, there)
                await self.answered(order, await blotter.send(order, self._close))
        return False

    async def _coins_there(self) -> float:
        """Return how much of the base asset can be sold, nothing where that is not known."""
        try:
            balances = await self._blotter.wire.broker.balances()
        except VenueError:
            return 0.0
        held = balances.get(self._blotter.plan.rules.base)
        return 0.0 if held is None else held.free

    async def reduces(self, event: PositionReduced) -> None:
        """Sell a part, as the desk has decided; one at a time."""
        blotter = self._blotter
        is_free = self._may_reduce() and await self._clear_way(Leg.EXITS)
        state = blotter.state
        if not is_free or not self._may_reduce() or not isinstance(state, Position):
            blotter.is_off = True
            return
        quantity = state.quantity_left * (event.percent / 100)
        order = blotter.maker.reduction(state, Leg.PARTIAL, event.at_ms, event.price, quantity, blotter.next_leg())
        answer = await blotter.send(order, self._close, decided=event.percent)
        if is_as_decided(order, answer) and not blotter.is_off:
            blotter.drop(order)
            blotter.becomes(event.position, as_decided=True)
            blotter.tell(event)
            return
        blotter.is_off = True
        await self.answered(order, answer)

    def _may_reduce(self) -> bool:
        blotter = self._blotter
        is_busy = blotter.memory.closing is not None or blotter.order_of(Leg.PARTIAL) is not None
        return not is_busy and isinstance(blotter.state, Position)

    async def answered(self, order: VenueOrder, answer: Answer) -> None:
        """Book what *answer* says was sold by *order*.

        What would end the position is not booked while something that was to be added to it is on its way: who knows
        then what all of it is. It is asked again at the next tick.
        """
        blotter = self._blotter
        known = blotter.known(order)
        if not isinstance(answer, Confirmed) or known is None:
            return  # asked again at the next tick
        fill = None if answer.fill is None else remaining(known.booked, answer.fill)
        if fill is not None and self._would_end(fill) and not await self._has_all_additions():
            return
        if answer.state is OrderState.RESTING:
            blotter.put(known._replace(stage=Stage.RESTING, booked=answer.fill or known.booked))
        else:
            blotter.drop(order)
        if fill is not None:
            await self._sold(known, fill, answer.exit_side)

    async def look_after(self, known: OpenOrder) -> None:
        """Ask what became of a sale on its way; send it again where it never arrived."""
        blotter, order = self._blotter, known.order
        if blotter.state is None or blotter.state.id != order.signal_id:  # there is nothing left to be sold
            await withdrawn(blotter, known, self.answered)
        elif order.leg is Leg.EXITS:
            answer = await blotter.ask(order, blotter.wire.broker.check)
            if isinstance(answer, Gone) and not blotter.may_arrive(known):
                blotter.drop(order)  # they are put in place again at the end of the tick
            else:
                await self.answered(order, answer)
        elif order.leg is Leg.PARTIAL:
            await self.answered(order, await blotter.send(order, self._close))

    async def ends(self, state: Position, reason: CloseReason, fill: Fill, note: str, at_ms: int) -> None:
        """Close *state*, of which *fill* was sold last, at the tick *at_ms*."""
        blotter, plan = self._blotter, self._blotter.plan
        closing = Closing(at_ms, reason, fill.price, note)
        names = {"strategy": plan.strategy, "symbol": plan.symbol}
        await blotter.closes(booked_close(state, closing, fill, blotter.costs, **names))

    def _would_end(self, fill: Fill) -> bool:
        state = self._blotter.state
        if not isinstance(state, Position):
            return False
        is_all = fill.quantity >= state.quantity_left * _ALL
        return is_all or self._is_dust(state.quantity_left - fill.quantity)

    async def _has_all_additions(self) -> bool:
        """Take back what was to be added; say whether all that was filled of it is booked."""
        known = self._blotter.order_of(Leg.AVERAGE)
        return known is None or await withdrawn(self._blotter, known, self._entering.answered)

    async def _sold(self, known: OpenOrder, fill: Fill, exit_side: ExitSide | None) -> None:
        """Take *fill* out of the position, which ends where nothing is left."""
        blotter, state, order = self._blotter, self._blotter.state, known.order
        if not isinstance(state, Position) or state.id != order.signal_id:
            return
        stamp, at_ms = blotter.desk.stamp(), blotter.filled_ms(known)
        if not is_exact(order, fill):
            blotter.tell(OrderFilled(*stamp, order.client_id, order.leg, order.is_buy, fill, order.price_expected))
        reason = CloseReason.CLOSED if exit_side is None else _REASONS[exit_side]
        closing = blotter.memory.closing
        if not self._would_end(fill):
            percent = known.decided if fill.quantity == order.quantity else None
            after = booked_part(state, at_ms, fill, blotter.costs, percent=percent)
            blotter.becomes(after)
            blotter.tell(PositionReduced(*stamp, fill.price, after.partials[-1].percent, after))
            if exit_side is ExitSide.STOP:  # no stop rests any more, and the price was there
                self.decides(PendingClose(stamp[0], reason, fill.price))
            return
        left = state.quantity_left - fill.quantity
        if left > state.quantity_left * (1 - _ALL):
            blotter.remembers(dust=blotter.memory.dust + left)
        if exit_side is None and closing is not None:
            await self.ends(state, closing.reason, fill, closing.note, at_ms)
        else:
            await self.ends(state, reason, fill, "", at_ms)

    def _is_dust(self, quantity: float) -> bool:
        """Say whether *quantity* is too little to be sold by itself."""
        rules = self._blotter.plan.rules
        return quantity < max(rules.quantity_step, rules.min_quantity)
