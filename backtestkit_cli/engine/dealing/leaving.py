"""Getting out: closes, parts, and the exits that rest at the venue."""

from backtestkit_cli.domain.position import Closing, Position
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.trading import ExitsAt
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
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.dealing.orders import is_exact, must_amend
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.memory import OpenOrder, PendingClose, Stage
from backtestkit_cli.events.facts import PositionClosed, PositionReduced
from backtestkit_cli.events.venue_facts import OrderFilled

_REASONS = {ExitSide.STOP: CloseReason.STOP_LOSS, ExitSide.TARGET: CloseReason.TAKE_PROFIT}
_ALL = 1 - 1e-9
"""The share of a position that counts as all of it: quantities have been through texts and grids."""


class Leaving:
    """Settles the exits of one session. A close that was decided is brought to its end before anything else."""

    def __init__(self, blotter: Blotter) -> None:
        """Settle the exits in *blotter*."""
        self._blotter = blotter
        self._close = blotter.wire.broker.close
        rests = blotter.plan.rules.rests_exits and blotter.wire.options.exits is ExitsAt.VENUE
        self._rests_exits = rests

    async def closes(self, event: PositionClosed) -> None:
        """Sell all that is left, as the desk has decided."""
        blotter, trade = self._blotter, event.trade
        if not isinstance(blotter.state, Position):
            blotter.is_off = True
            return
        closing = PendingClose(event.at_ms, trade.reason, trade.price_close, trade.note)
        blotter.remembers(closing=closing)
        await self.finish(is_decided_now=True)

    async def finish(self, *, is_decided_now: bool = False) -> None:
        """Bring the close that was decided to its end, or as far as it gets at this tick."""
        blotter, closing, state = self._blotter, self._blotter.memory.closing, self._blotter.state
        if closing is None or not isinstance(state, Position):
            blotter.remembers(closing=None)
            return
        exits = blotter.order_of(Leg.EXITS)
        if exits is not None and not await withdrawn(blotter, exits, self.answered):
            blotter.is_off = True
            return
        state = blotter.state
        if not isinstance(state, Position):  # an exit was filled meanwhile
            blotter.remembers(closing=None)
            return
        known = blotter.order_of(Leg.CLOSE)
        if known is None:
            legs, quantity = blotter.next_leg(), state.quantity_left
            order = blotter.maker.reduction(state, Leg.CLOSE, closing.at_ms, closing.price, quantity, legs)
        else:
            order = known.order
        answer = await blotter.send(order, self._close)
        if isinstance(answer, Rejected):
            await self._cannot_close(state, closing, answer)
        elif isinstance(answer, Confirmed):
            await self.answered(order, answer)
        blotter.is_off = blotter.is_off or not is_decided_now or isinstance(blotter.state, Position)

    async def _cannot_close(self, state: Position, closing: PendingClose, answer: Rejected) -> None:
        """Do what is left where the venue refuses to sell: dust counts as sold, all else is tried again."""
        blotter = self._blotter
        if answer.kind is RefusalKind.BELOW_MINIMUM:
            blotter.remembers(dust=blotter.memory.dust + state.quantity_left)
            await self._ends(state, closing.reason, Fill(state.quantity_left, closing.price), closing.note)

    async def reduces(self, event: PositionReduced) -> None:
        """Sell a part, as the desk has decided."""
        blotter, exits = self._blotter, self._blotter.order_of(Leg.EXITS)
        if exits is not None and not await withdrawn(blotter, exits, self.answered):
            blotter.is_off = True
            return
        state = blotter.state
        if not isinstance(state, Position) or blotter.memory.closing is not None:
            blotter.is_off = True
            return
        quantity = state.quantity_left * event.percent / 100
        order = blotter.maker.reduction(state, Leg.PARTIAL, event.at_ms, event.price, quantity, blotter.next_leg())
        answer = await blotter.send(order, self._close)
        fill = answer.fill if isinstance(answer, Confirmed) else None
        if fill is not None and is_exact(order, fill) and not blotter.is_off:
            blotter.drop(order)
            blotter.becomes(event.position, as_decided=True)
            blotter.tell(event)
            return
        blotter.is_off = True
        await self.answered(order, answer)

    async def answered(self, order: VenueOrder, answer: Answer) -> None:
        """Book what *answer* says was sold by *order*."""
        if not isinstance(answer, Confirmed):
            return  # asked again at the next tick
        blotter = self._blotter
        known = next((one for one in blotter.memory.orders if one.order.client_id == order.client_id), None)
        if known is None:
            return
        fill = None if answer.fill is None else remaining(known.booked, answer.fill)
        if answer.state is OrderState.RESTING:
            blotter.put(known._replace(stage=Stage.RESTING, booked=answer.fill or known.booked))
        else:
            blotter.drop(order)
        if fill is not None:
            await self._sold(order, fill, answer)

    async def _sold(self, order: VenueOrder, fill: Fill, answer: Confirmed) -> None:
        """Take *fill* out of the position, which ends where nothing is left."""
        blotter, state, closing = self._blotter, self._blotter.state, self._blotter.memory.closing
        if not isinstance(state, Position):
            return
        stamp = blotter.desk.stamp()
        if not is_exact(order, fill):
            blotter.tell(OrderFilled(*stamp, order.client_id, order.leg, order.is_buy, fill, order.price_expected))
        if fill.quantity < state.quantity_left * _ALL and not self._is_dust(state.quantity_left - fill.quantity):
            after = booked_part(state, stamp[0], fill, blotter.costs)
            blotter.becomes(after)
            blotter.tell(PositionReduced(*stamp, fill.price, after.partials[-1].percent, after))
            return
        left = state.quantity_left - fill.quantity
        if left > state.quantity_left * (1 - _ALL):
            blotter.remembers(dust=blotter.memory.dust + left)
        if answer.exit_side is not None:
            await self._ends(state, _REASONS[answer.exit_side], fill, "")
        elif closing is not None:
            await self._ends(state, closing.reason, fill, closing.note)
        else:
            await self._ends(state, CloseReason.CLOSED, fill, "")

    async def _ends(self, state: Position, reason: CloseReason, fill: Fill, note: str) -> None:
        blotter, plan = self._blotter, self._blotter.plan
        closing = Closing(blotter.desk.when_ms, reason, fill.price, note)
        names = {"strategy": plan.strategy, "symbol": plan.symbol}
        await blotter.closes(booked_close(state, closing, fill, blotter.costs, **names))

    def _is_dust(self, quantity: float) -> bool:
        """Say whether *quantity* is too little to be sold by itself."""
        rules = self._blotter.plan.rules
        return quantity < max(rules.quantity_step, rules.min_quantity)

    async def look_after(self, known: OpenOrder) -> None:
        """Ask what became of a sale on its way; send it again where it never arrived."""
        blotter, order = self._blotter, known.order
        if order.leg is Leg.EXITS:
            answer = await blotter.ask(order, blotter.wire.broker.check)
            if isinstance(answer, Gone) and not blotter.may_arrive(known):
                blotter.drop(order)  # they are put in place again at the end of the tick
            else:
                await self.answered(order, answer)
        elif order.leg is Leg.PARTIAL:
            answer = await blotter.send(order, self._close)
            await self.answered(order, answer)

    async def rest(self) -> None:
        """See to it that stop and target of what is open rest at the venue, where it lets them."""
        blotter = self._blotter
        state, known = blotter.state, blotter.order_of(Leg.EXITS)
        if not self._rests_exits or not isinstance(state, Position) or blotter.memory.closing is not None:
            if known is not None and not isinstance(state, Position):
                await withdrawn(blotter, known, self.answered)
            return
        desk = blotter.desk
        wanted = blotter.maker.exits(state, desk.when_ms, desk.price, blotter.memory.legs + 1)
        if known is None:
            blotter.next_leg()
            answer = await blotter.send(wanted, self._close)
            await self.answered(wanted, answer)
        elif known.stage is Stage.RESTING and must_amend(known.order, wanted, blotter.plan.rules.quantity_step):
            await self._amend(known, wanted)

    async def _amend(self, known: OpenOrder, wanted: VenueOrder) -> None:
        """Put *wanted* exits in the place of those that rest."""
        blotter = self._blotter
        if not await withdrawn(blotter, known, self.answered):
            return
        state = blotter.state
        if isinstance(state, Position):
            blotter.next_leg()
            wanted = wanted._replace(quantity=state.quantity_left)
            answer = await blotter.send(wanted, self._close)
            await self.answered(wanted, answer)
