"""Stop and target at the venue: put there, moved where that is worth it, and put there again."""

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.trading import ExitsAt
from backtestkit_cli.domain.venue import Leg, RefusalKind, Rejected, VenueOrder
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.dealing.leaving import Leaving
from backtestkit_cli.engine.dealing.orders import must_amend
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.memory import OpenOrder, PendingClose, Stage

_AGAIN_MS = 15 * MINUTE_MS
"""After how long exits are offered again that the venue has refused and that are still the same."""


class Resting:
    """Keeps the exits of one session at the venue.

    They are moved by taking them back and placing others: the broker could do both in one call, but then a crash
    in between would leave nobody who knows which of the two rests. Meanwhile the engine watches, as it always does.
    """

    def __init__(self, blotter: Blotter, leaving: Leaving) -> None:
        """Keep the exits in *blotter*; what they sell is booked by *leaving*."""
        self._blotter = blotter
        self._leaving = leaving
        self._rests = blotter.plan.rules.rests_exits and blotter.wire.options.exits is ExitsAt.VENUE
        self._refused: tuple[VenueOrder, int] | None = None

    async def sees_to_it(self, *, may_move: bool) -> None:
        """See to it that the exits of what is open rest at the venue, where it lets them; see `may_move`.

        They are moved once a tick, when all that moves them has happened; placed as soon as they are missing.
        """
        blotter, state = self._blotter, self._blotter.state
        if not self._rests or not isinstance(state, Position) or blotter.memory.closing is not None:
            return
        known, wanted = blotter.order_of(Leg.EXITS), self._wanted(state)
        if known is None:
            await self._place(wanted)
        elif may_move and known.stage is Stage.RESTING and self._must_move(known, wanted):
            await self._move(known)
        await self._leaving.finish_if_decided()

    def _wanted(self, state: Position) -> VenueOrder:
        """Return the exits of what no other order on its way is going to sell."""
        blotter, part = self._blotter, self._blotter.order_of(Leg.PARTIAL)
        leaving = 0.0 if part is None else part.order.quantity - (part.booked.quantity if part.booked else 0.0)
        desk, quantity = blotter.desk, max(state.quantity_left - leaving, 0.0)
        return blotter.maker.exits(state, desk.when_ms, desk.price, quantity, blotter.memory.legs + 1)

    def _must_move(self, known: OpenOrder, wanted: VenueOrder) -> bool:
        return must_amend(known.order, wanted, self._blotter.plan.rules.quantity_step)

    async def _move(self, known: OpenOrder) -> None:
        """Put other exits in the place of *known*."""
        blotter = self._blotter
        if await withdrawn(blotter, known, self._leaving.answered):
            state = blotter.state
            if isinstance(state, Position) and blotter.memory.closing is None:
                await self._place(self._wanted(state))

    async def _place(self, wanted: VenueOrder) -> None:
        blotter = self._blotter
        if not wanted.quantity or self._was_refused(wanted):
            return
        blotter.next_leg()
        answer = await blotter.send(wanted, blotter.wire.broker.close)
        self._refused = None
        if isinstance(answer, Rejected):
            self._cannot_rest(wanted, answer)
        else:
            await self._leaving.answered(wanted, answer)

    def _was_refused(self, wanted: VenueOrder) -> bool:
        """Say whether the venue has refused the same not long ago."""
        if self._refused is None:
            return False
        refused, until_ms = self._refused
        return wanted.at_ms < until_ms and not must_amend(refused, wanted, self._blotter.plan.rules.quantity_step)

    def _cannot_rest(self, wanted: VenueOrder, answer: Rejected) -> None:
        """Do what follows from a refusal: exits that the market has reached close, of all others the engine watches."""
        blotter, state = self._blotter, self._blotter.state
        if answer.kind is RefusalKind.BALANCE:  # coins that are missing, or bound in an order that is about to end
            blotter.has_doubts = True
        elif answer.kind is RefusalKind.WOULD_TRIGGER and isinstance(state, Position):
            price, at_ms = blotter.desk.price, blotter.desk.when_ms
            is_stop = abs(price - state.stop_loss) <= abs(price - state.take_profit)
            reason = CloseReason.STOP_LOSS if is_stop else CloseReason.TAKE_PROFIT
            self._leaving.decides(PendingClose(at_ms, reason, price))
        else:
            self._refused = (wanted, wanted.at_ms + _AGAIN_MS)
