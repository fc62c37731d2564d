"""What reconciling has found out, brought into the book of one session; see `engine/reconciling`."""

from collections.abc import Iterable

from backtestkit_cli.domain.money import Gain
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CancelReason, CloseReason
from backtestkit_cli.domain.venue import Confirmed, Fill, Leg
from backtestkit_cli.engine.dealing.blotter import ENTRIES, Blotter
from backtestkit_cli.engine.dealing.entering import Entering
from backtestkit_cli.engine.dealing.leaving import Leaving
from backtestkit_cli.engine.dealing.orders import orphan_of
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import OpenOrder
from backtestkit_cli.engine.reconciling import (
    AllowEntries,
    BlockEntries,
    CancelOrphan,
    CloseElsewhere,
    Correction,
    ForgetOrder,
    NoteAnswer,
    ShrinkPosition,
)
from backtestkit_cli.events.venue_facts import EntriesAllowed, EntriesBlocked, PositionAdjusted


class Correcting:
    """Applies corrections at the beginning of a tick."""

    def __init__(self, blotter: Blotter, entering: Entering, leaving: Leaving) -> None:
        """Correct what is in *blotter*."""
        self._blotter = blotter
        self._entering = entering
        self._leaving = leaving

    async def apply(self, corrections: Iterable[Correction]) -> None:
        """Apply *corrections*, in their order."""
        for correction in corrections:
            if isinstance(correction, CancelOrphan):
                await self._cancel(correction)
            elif isinstance(correction, NoteAnswer):
                await self._note(correction)
            elif isinstance(correction, ForgetOrder):
                self._forget(correction)
            elif isinstance(correction, ShrinkPosition):
                self._shrink(correction)
            elif isinstance(correction, CloseElsewhere):
                await self._closed_elsewhere(correction)
            elif isinstance(correction, BlockEntries):
                await self._block(correction.explanation)
            elif isinstance(correction, AllowEntries):
                self._allow()

    async def _cancel(self, correction: CancelOrphan) -> None:
        """Cancel an order that nobody expects; what was filled of it is in no position."""
        blotter, listed = self._blotter, correction.order
        order = orphan_of(listed, blotter.plan.strategy, blotter.desk.when_ms)
        answer = await blotter.ask(order, blotter.wire.broker.cancel)
        text = correction.explanation
        if isinstance(answer, Confirmed) and answer.fill is not None and answer.fill.quantity:
            text = f"{text}: {answer.fill.quantity:.12g} of it was filled and is in no position"
        blotter.unsettled(order, text, 0, is_given_up=True)

    async def _note(self, correction: NoteAnswer) -> None:
        known = self._known(correction.client_id)
        if known is not None:
            answered = self._entering.answered if known.order.leg in ENTRIES else self._leaving.answered
            await answered(known.order, correction.answer)

    def _forget(self, correction: ForgetOrder) -> None:
        known = self._known(correction.client_id)
        if known is None:
            return
        if known.order.leg in ENTRIES:
            self._entering.gives_up(known.order, correction.explanation)
        else:  # it is placed again if it is still wanted
            self._blotter.drop(known.order)

    def _shrink(self, correction: ShrinkPosition) -> None:
        """Take out what was sold outside: it brought nothing that we know of, but its entry had a fee."""
        blotter, state = self._blotter, self._blotter.state
        if not isinstance(state, Position) or not 0 < correction.quantity_after < abs(correction.quantity_before):
            return
        share = correction.quantity_after / correction.quantity_before
        lost = state.cost_left * (1 - share)
        fee = Gain(0.0, 0.0, lost * blotter.costs.fee_rate)
        before, after = state.quantity_left, state.quantity_left * share
        blotter.becomes(
            state._replace(quantity_left=after, cost_left=state.cost_left - lost, realised=state.realised.plus(fee))
        )
        blotter.tell(PositionAdjusted(*blotter.desk.stamp(), before, after, correction.explanation))

    async def _closed_elsewhere(self, correction: CloseElsewhere) -> None:
        """Close what somebody else has sold, at the price of this tick, for nobody tells what it brought."""
        blotter = self._blotter
        for known in blotter.memory.orders:
            answered = self._entering.answered if known.order.leg in ENTRIES else self._leaving.answered
            if not await withdrawn(blotter, known, answered):
                return  # found again when the books are compared next
        state, desk = blotter.state, blotter.desk
        if isinstance(state, Position):
            blotter.tell(
                PositionAdjusted(*desk.stamp(), state.quantity_left, 0.0, correction.explanation),
            )
            fill, reason = Fill(state.quantity_left, desk.price), CloseReason.LIQUIDATED_ELSEWHERE
            await self._leaving.ends(state, reason, fill, correction.explanation, desk.when_ms)

    async def _block(self, explanation: str) -> None:
        """Open nothing new, and take back what would."""
        blotter = self._blotter
        blotter.remembers(blocked=explanation)
        blotter.tell(EntriesBlocked(*blotter.desk.stamp(), explanation))
        if isinstance(blotter.state, Waiting) and blotter.order_of(Leg.ENTRY) is not None:
            blotter.remembers(cancelling=CancelReason.RISK)

    def _allow(self) -> None:
        blotter = self._blotter
        if blotter.memory.blocked:
            blotter.remembers(blocked="", is_lost=False)
            blotter.tell(EntriesAllowed(*blotter.desk.stamp()))

    def _known(self, client_id: str) -> OpenOrder | None:
        orders = self._blotter.memory.orders
        return next((known for known in orders if known.order.client_id == client_id), None)
