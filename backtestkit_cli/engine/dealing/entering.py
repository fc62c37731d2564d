"""Getting in: orders that open a position or add to it."""

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CancelReason
from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    Fill,
    Gone,
    Leg,
    OrderKind,
    OrderState,
    Rejected,
    Transient,
    VenueOrder,
)
from backtestkit_cli.engine.booking import booked_average, booked_entry, remaining
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.dealing.orders import in_flight, is_as_decided, is_exact, signal_of
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.lifecycle import Waiting, opened
from backtestkit_cli.engine.memory import OpenOrder, Stage
from backtestkit_cli.events.facts import PositionAveraged, PositionOpened, SignalCancelled, SignalScheduled
from backtestkit_cli.events.venue_facts import EntriesBlocked, OrderFilled
from backtestkit_cli.policies.orders.at_venue import AtVenue
from backtestkit_cli.policies.orders.limit import Limit


class Entering:
    """Settles the entries of one session.

    A position is what was filled: of an entry that was filled in part the rest is taken back, and what of it is
    filled all the same before the venue has taken it back is one more purchase.
    """

    def __init__(self, blotter: Blotter) -> None:
        """Settle the entries in *blotter*."""
        self._blotter = blotter
        self._open = blotter.wire.broker.open

    def reserved(self) -> Position | None:
        """Return the position that an order on its way to the market may become, which keeps its place meanwhile."""
        state, known = self._blotter.state, self._blotter.order_of(Leg.ENTRY)
        if not isinstance(state, Waiting) or known is None or known.order.kind is not OrderKind.MARKET:
            return None
        return self._proposed(state, known)

    async def scheduled(self, event: SignalScheduled) -> None:
        """Let a limit rest at the venue, where it can."""
        blotter, waiting = self._blotter, self._blotter.desk.state
        assert isinstance(waiting, Waiting)  # noqa: S101 - it was scheduled at this tick
        blotter.remembers(legs=0)
        if not (blotter.plan.rules.rests_limits and type(waiting.order) is Limit):
            blotter.becomes(waiting, as_decided=True)
            blotter.tell(event)
            return
        cost = waiting.signal.cost
        money = blotter.plan.settings.position_cost if cost is None else float(cost)
        order = blotter.maker.limit(waiting, event.at_ms, money, blotter.next_leg())
        blotter.becomes(waiting._replace(order=AtVenue(waiting.price_open)))
        answer = await self._sent(order)
        if blotter.known(order) is None and not isinstance(answer, Confirmed):
            blotter.becomes(None)
            return
        blotter.tell(event)
        await self.answered(order, answer)

    async def opens(self, event: PositionOpened) -> None:
        """Buy what the desk has opened."""
        blotter, position, waiting = self._blotter, event.position, self._blotter.state
        resting = blotter.order_of(Leg.ENTRY)
        if isinstance(waiting, Waiting) and resting is not None:  # opened by a command before it was filled
            if not await withdrawn(blotter, resting, self.answered) or isinstance(blotter.state, Position):
                blotter.is_off = True
                return
        elif waiting is None:
            blotter.remembers(legs=0)
        order = blotter.maker.entry(position, event.at_ms, event.price, blotter.next_leg())
        obstacle = blotter.why_not_enter(event.at_ms)
        if obstacle:
            blotter.complain(order, f"nothing new may be opened: {obstacle}")
            self._never_opened(waiting)
            return
        signal = waiting.signal if isinstance(waiting, Waiting) else signal_of(position, event.flags)
        blotter.remembers(state=in_flight(position, signal, event.price))
        answer = await self._sent(order)
        if is_as_decided(order, answer):
            blotter.drop(order)
            blotter.becomes(position, as_decided=True)
            blotter.tell(event)
        elif blotter.known(order) is None:  # refused, or given up
            self._never_opened(waiting)
        else:
            blotter.is_off = True
            await self.answered(order, answer)

    async def averages(self, event: PositionAveraged) -> None:
        """Buy what the desk has added; one addition at a time."""
        blotter, state = self._blotter, self._blotter.state
        is_busy = blotter.memory.closing is not None or blotter.order_of(Leg.AVERAGE) is not None
        if not isinstance(state, Position) or is_busy:
            blotter.is_off = True
            return
        order = blotter.maker.average(state, event.at_ms, event.price, event.cost, blotter.next_leg())
        obstacle = blotter.why_not_enter(event.at_ms)
        if obstacle:
            blotter.complain(order, f"nothing may be added: {obstacle}")
            blotter.is_off = True
            return
        answer = await self._sent(order, event.cost)
        if is_as_decided(order, answer) and not blotter.is_off:
            blotter.drop(order)
            blotter.becomes(event.position, as_decided=True)
            blotter.tell(event)
            return
        blotter.is_off = True
        if isinstance(answer, Rejected):
            self._ends_ladder()
        else:
            await self.answered(order, answer)

    async def cancels(self) -> None:
        """Take back what rests of the signal that waits, and drop the signal; tried again until it is done."""
        blotter, known, reason = self._blotter, self._blotter.order_of(Leg.ENTRY), self._blotter.memory.cancelling
        if known is not None and not await withdrawn(blotter, known, self.answered):
            blotter.is_off = True
            return
        if isinstance(blotter.state, Waiting) and reason is not None:
            self.drops_signal(reason)
        blotter.remembers(cancelling=None)

    async def answered(self, order: VenueOrder, answer: Answer) -> None:
        """Book what *answer* says was filled of *order*, an entry or an addition, and take back the rest."""
        blotter = self._blotter
        known = blotter.known(order)
        if not isinstance(answer, Confirmed) or known is None:
            return  # asked again at the next tick
        fill = None if answer.fill is None else remaining(known.booked, answer.fill)
        if fill is not None:
            self._book(known, fill)
        if answer.state is not OrderState.RESTING:
            blotter.drop(order)
            if isinstance(blotter.state, Waiting) and order.leg is Leg.ENTRY:  # nothing was filled, nothing will be
                self.drops_signal(blotter.memory.cancelling or CancelReason.USER)
            return
        blotter.put(known._replace(stage=Stage.RESTING, booked=answer.fill or known.booked))
        if answer.fill is not None:
            await blotter.save()
            rest = blotter.known(order)
            if rest is not None:
                await withdrawn(blotter, rest, self.answered)

    async def look_after(self, known: OpenOrder) -> None:
        """Ask what became of an order on its way; send it again where it never arrived and is still wanted."""
        blotter, order = self._blotter, known.order
        if self._is_in_vain(order):
            await withdrawn(blotter, known, self.answered)
            return
        if known.stage is Stage.ATTEMPTED and not blotter.why_not_enter(order.at_ms):
            answer = await self._sent(order)
            if blotter.known(order) is None and not isinstance(answer, Confirmed):
                self._did_without(order)
            else:
                await self.answered(order, answer)
            return
        answer = await blotter.ask(order, blotter.wire.broker.check)
        if isinstance(answer, Confirmed):
            await self.answered(order, answer)
        elif isinstance(answer, Gone) and not blotter.may_arrive(known):
            self.gives_up(order, answer.reason)

    def gives_up(self, order: VenueOrder, reason: str) -> None:
        """Do without *order*, which is not at the venue and never will be."""
        known = self._blotter.known(order)
        self._blotter.drop(order)
        self._blotter.unsettled(order, reason, 0 if known is None else known.attempts, is_given_up=True)
        self._did_without(order)

    def drops_signal(self, reason: CancelReason) -> None:
        """Be flat; the signal that waited is cancelled."""
        blotter, state = self._blotter, self._blotter.state
        assert isinstance(state, Waiting)  # noqa: S101 - asked of what waits only
        blotter.tell(SignalCancelled(*blotter.desk.stamp(), state.id, reason))
        blotter.becomes(None, as_decided=blotter.desk.state is None)
        blotter.remembers(cancelling=None, closing=None)

    async def _sent(self, order: VenueOrder, decided: float | None = None) -> Answer:
        """Send *order* while it is not too old, and return the answer; what is too old and not there is given up."""
        blotter = self._blotter
        until_ms = order.at_ms + blotter.wire.patience_ms
        answer = await blotter.send(order, self._open, until_ms=until_ms, decided=decided)
        if isinstance(answer, Transient) and not answer.may_have_arrived and blotter.is_late(order.at_ms):
            known = blotter.known(order)
            blotter.drop(order)
            blotter.unsettled(order, answer.reason, 0 if known is None else known.attempts, is_given_up=True)
        return answer

    def _is_in_vain(self, order: VenueOrder) -> bool:
        """Say whether what *order* enters is not wanted any more."""
        state, memory = self._blotter.state, self._blotter.memory
        is_held = state is not None and state.id == order.signal_id
        return not is_held or memory.closing is not None or memory.cancelling is not None

    def _did_without(self, order: VenueOrder) -> None:
        if isinstance(self._blotter.state, Waiting) and order.leg is Leg.ENTRY:
            self.drops_signal(CancelReason.RISK)

    def _never_opened(self, waiting: object) -> None:
        """Be flat, for the venue does not want it; what waited is cancelled."""
        blotter = self._blotter
        if isinstance(waiting, Waiting):
            blotter.tell(SignalCancelled(*blotter.desk.stamp(), waiting.id, CancelReason.RISK))
        blotter.becomes(None)

    def _ends_ladder(self) -> None:
        """Let no ladder try at every tick what the venue has refused."""
        state = self._blotter.desk.state
        if isinstance(state, Position) and state.plan.ladder is not None:
            self._blotter.desk.state = state._replace(progress=state.progress._replace(is_ladder_over=True))

    def _book(self, known: OpenOrder, fill: Fill) -> None:
        """Make *fill* of *known* a position, or part of one."""
        blotter, state, order = self._blotter, self._blotter.state, known.order
        stamp, at_ms = blotter.desk.stamp(), blotter.filled_ms(known)
        if not is_exact(order, fill):
            blotter.tell(OrderFilled(*stamp, order.client_id, order.leg, order.is_buy, fill, order.price_expected))
        if state is None or state.id != order.signal_id:
            self._blocks(order, fill)
        elif isinstance(state, Waiting):
            position = booked_entry(self._proposed(state, known, at_ms), fill, blotter.costs)
            blotter.becomes(position)
            blotter.tell(PositionOpened(*stamp, position.entries[0].price, position, state.signal.flags))
        else:
            cost = known.decided if fill.quantity == order.quantity else None
            after = booked_average(state, at_ms, fill, blotter.costs, cost=cost)
            blotter.becomes(after)
            entry = after.entries[-1]
            blotter.tell(PositionAveraged(*stamp, entry.price, entry.cost, after))

    def _proposed(self, waiting: Waiting, known: OpenOrder, at_ms: int | None = None) -> Position:
        times_ms = (waiting.scheduled_at_ms, known.order.at_ms if at_ms is None else at_ms)
        settings, price = self._blotter.plan.settings, known.order.price_expected
        return opened(waiting.signal, waiting.side, times_ms, price, waiting.id, settings)

    def _blocks(self, order: VenueOrder, fill: Fill) -> None:
        """Say that there are coins which no position holds: the venue forgot their order, and then remembered it."""
        blotter = self._blotter
        text = f"order {order.client_id} filled {fill.quantity:.12g} after its position had ended: sell them by hand"
        blotter.remembers(blocked=text)
        blotter.tell(EntriesBlocked(*blotter.desk.stamp(), text))
