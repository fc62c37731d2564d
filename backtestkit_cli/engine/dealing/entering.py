"""Getting in: orders that open a position or add to it."""

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CancelReason
from backtestkit_cli.domain.venue import Answer, Confirmed, Fill, Leg, OrderState, Rejected, Transient, VenueOrder
from backtestkit_cli.engine.booking import booked_average, booked_entry, remaining
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.dealing.orders import in_flight, is_exact, signal_of
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.lifecycle import Waiting, opened
from backtestkit_cli.engine.memory import OpenOrder, Stage
from backtestkit_cli.events.facts import PositionAveraged, PositionOpened, SignalCancelled, SignalScheduled
from backtestkit_cli.events.venue_facts import OrderFilled
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
        answer = await blotter.send(order, self._open)
        if isinstance(answer, Rejected):
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
        if blotter.is_late(event.at_ms):
            blotter.complain(order, f"the tick is {blotter.lateness_s(event.at_ms):.0f} s old, too late to open")
            self._never_opened(waiting)
            return
        signal = waiting.signal if isinstance(waiting, Waiting) else signal_of(position)
        blotter.remembers(state=in_flight(position, signal, event.price))
        answer = await blotter.send(order, self._open)
        if isinstance(answer, Rejected):
            self._never_opened(waiting)
        elif _is_exact(order, answer):
            blotter.drop(order)
            blotter.becomes(position, as_decided=True)
            blotter.tell(event)
        else:
            blotter.is_off = True
            await self.answered(order, answer)

    def _never_opened(self, waiting: object) -> None:
        """Be flat, for the venue does not want it; what waited is cancelled."""
        blotter = self._blotter
        if isinstance(waiting, Waiting):
            blotter.tell(SignalCancelled(*blotter.desk.stamp(), waiting.id, CancelReason.RISK))
        blotter.becomes(None)

    async def averages(self, event: PositionAveraged) -> None:
        """Buy what the desk has added."""
        blotter, state = self._blotter, self._blotter.state
        if not isinstance(state, Position) or blotter.memory.closing is not None:
            blotter.is_off = True
            return
        order = blotter.maker.average(state, event.at_ms, event.price, event.cost, blotter.next_leg())
        if blotter.is_late(event.at_ms):
            blotter.complain(order, f"the tick is {blotter.lateness_s(event.at_ms):.0f} s old, too late to buy more")
            blotter.is_off = True
            return
        answer = await blotter.send(order, self._open)
        if _is_exact(order, answer) and not blotter.is_off:
            blotter.drop(order)
            blotter.becomes(event.position, as_decided=True)
            blotter.tell(event)
            return
        blotter.is_off = True
        if not isinstance(answer, Rejected):
            await self.answered(order, answer)

    async def answered(self, order: VenueOrder, answer: Answer) -> None:
        """Book what *answer* says was filled of *order*, an entry or an addition, and take back the rest."""
        if not isinstance(answer, Confirmed):
            return  # asked again at the next tick
        blotter = self._blotter
        known = next((one for one in blotter.memory.orders if one.order.client_id == order.client_id), None)
        if known is None:
            return
        fill = None if answer.fill is None else remaining(known.booked, answer.fill)
        if fill is not None:
            self._book(order, fill)
        if answer.state is not OrderState.RESTING:
            blotter.drop(order)
            if isinstance(blotter.state, Waiting):  # nothing was filled, and nothing will be
                blotter.tell(SignalCancelled(*blotter.desk.stamp(), blotter.state.id, CancelReason.USER))
                blotter.becomes(None)
            return
        blotter.put(known._replace(stage=Stage.RESTING, booked=answer.fill or known.booked))
        if answer.fill is not None:
            await blotter.save()
            rest = blotter.order_of(order.leg)
            if rest is not None:
                await withdrawn(blotter, rest, self.answered)

    def _book(self, order: VenueOrder, fill: Fill) -> None:
        """Make *fill* of *order* a position, or part of one."""
        blotter, state = self._blotter, self._blotter.state
        stamp = blotter.desk.stamp()
        blotter.tell(OrderFilled(*stamp, order.client_id, order.leg, order.is_buy, fill, order.price_expected))
        if isinstance(state, Waiting):
            times_ms = (state.scheduled_at_ms, stamp[0])
            settings = blotter.plan.settings
            proposed = opened(state.signal, state.side, times_ms, order.price_expected, state.id, settings)
            position = booked_entry(proposed, fill, blotter.costs)
            blotter.becomes(position)
            blotter.tell(PositionOpened(*stamp, position.entries[0].price, position, state.signal.flags))
        elif isinstance(state, Position):
            after = booked_average(state, stamp[0], fill, blotter.costs)
            blotter.becomes(after)
            entry = after.entries[-1]
            blotter.tell(PositionAveraged(*stamp, entry.price, entry.cost, after))

    async def look_after(self, known: OpenOrder) -> None:
        """Ask what became of an order on its way; send it again where it never arrived and is not too old."""
        blotter, order = self._blotter, known.order
        if known.stage is Stage.RESTING:
            answer = await blotter.ask(order, blotter.wire.broker.check)
            if isinstance(answer, Confirmed):
                await self.answered(order, answer)
            elif not isinstance(answer, Transient):  # gone or refused: nobody knows it any more
                self._give_up(order, answer.reason)
            return
        if blotter.is_late(order.at_ms):
            answer = await blotter.ask(order, blotter.wire.broker.check)
            if isinstance(answer, Confirmed):
                await self.answered(order, answer)
            elif not isinstance(answer, Transient) and not blotter.may_arrive(known):
                self._give_up(order, answer.reason)
            return
        answer = await blotter.send(order, self._open)
        if isinstance(answer, Rejected):
            self._give_up(order, answer.reason)
        else:
            await self.answered(order, answer)

    def _give_up(self, order: VenueOrder, reason: str) -> None:
        """Do without *order*."""
        blotter = self._blotter
        blotter.drop(order)
        blotter.unsettled(order, reason, 0, is_given_up=True)
        if isinstance(blotter.state, Waiting):
            blotter.tell(SignalCancelled(*blotter.desk.stamp(), blotter.state.id, CancelReason.USER))
            blotter.becomes(None)


def _is_exact(order: VenueOrder, answer: Answer) -> bool:
    """Say whether *order* was filled as it was decided."""
    if not isinstance(answer, Confirmed) or answer.fill is None:
        return False
    return answer.state is OrderState.FILLED and is_exact(order, answer.fill)
