"""The dealer of one session: it brings what the desk decides to the venue, and what the venue did into the book.

Order of steps: save the attempt, ask the venue, change the state, save, and only then tell. A crash between any two
leaves an order whose id is known, so that the venue is asked what became of it before anything is sent again. The
tick of the first attempt counts as done with it: what was decided there is not decided twice.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.venue import Leg
from backtestkit_cli.engine.dealing.blotter import ENTRIES, Blotter, DealingPlan
from backtestkit_cli.engine.dealing.correcting import Correcting
from backtestkit_cli.engine.dealing.entering import Entering
from backtestkit_cli.engine.dealing.leaving import Leaving
from backtestkit_cli.engine.dealing.orders import with_levels_of
from backtestkit_cli.engine.dealing.resting import Resting
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.lifecycle import Waiting, born_ms
from backtestkit_cli.engine.memory import Decided, SessionMemory, State
from backtestkit_cli.engine.reconciling import Correction
from backtestkit_cli.events.facts import (
    LossLevelReached,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    SignalCancelled,
    SignalScheduled,
    StopMoved,
    TargetMoved,
    Told,
)

_LEVELS = (StopMoved, TargetMoved, ProfitLevelReached, LossLevelReached)
_MOST_UNASKED = 30
"""How many ticks in a row nothing is asked while a session catches up: the venue counts questions."""


class Dealer:
    """Settles what one session decides; `memory` is what it must not forget, as it was saved last."""

    def __init__(self, plan: DealingPlan, memory: SessionMemory) -> None:
        """Deal by *plan*, beginning with *memory*."""
        self._blotter = Blotter(plan, memory)
        self._entering = Entering(self._blotter)
        self._leaving = Leaving(self._blotter, self._entering)
        self._resting = Resting(self._blotter, self._leaving)
        self._correcting = Correcting(self._blotter, self._entering, self._leaving)
        self._found: tuple[int, Sequence[Correction]] | None = None
        self._unasked = 0
        self._settle_by: dict[type, Any] = {
            SignalScheduled: self._entering.scheduled,
            PositionOpened: self._entering.opens,
            PositionAveraged: self._entering.averages,
            PositionReduced: self._leaving.reduces,
            PositionClosed: self._leaving.closes,
            SignalCancelled: self._cancels,
        }

    @property
    def memory(self) -> SessionMemory:
        """Return all that the session must not forget."""
        return self._blotter.memory

    def saved_facts(self) -> Iterator[Told]:
        """Yield what has been saved and was not told, oldest first; each is told once."""
        while self._blotter.facts:
            yield self._blotter.facts.popleft()

    @property
    def has_doubts(self) -> bool:
        """Say whether the venue does not seem to have what the book says, so that the two should be compared."""
        return self._blotter.has_doubts

    @property
    def due(self) -> str:
        """Return why what was done is not saved yet, nothing where it is."""
        return self._blotter.due

    async def make_good(self) -> None:
        """Save what is due, after the session has failed or its run is over: see `Blotter.make_good`."""
        await self._blotter.make_good()

    @property
    def desk(self) -> Desk | None:
        """Return the desk that is dealt for, None before the first tick."""
        return self._blotter.desk if self._blotter.is_attached else None

    def attach(self, desk: Desk, row: int) -> None:
        """Deal for *desk*, which takes up at *row* what the memory holds; that row has been judged."""
        self._blotter.attach(desk)
        desk.move_to(row)
        state = self.memory.state
        # What was born in the tick that was under way is first looked at in the one after.
        if state is not None and born_ms(state) > desk.when_ms:
            desk.move_to(row + 1)
        desk.take(state, reserved=self._entering.reserved())

    def decided_at(self, when_ms: int) -> Decided | None:
        """Return how far the tick *when_ms* had got before a crash, None where nothing of it was decided."""
        decided = self.memory.decided
        return decided if decided is not None and decided.at_ms == when_ms else None

    def why_not_enter(self, when_ms: int) -> str:
        """Return why nothing new may be opened at *when_ms*, nothing where it may."""
        return self._blotter.why_not_enter(when_ms)

    def correct(self, corrections: Sequence[Correction], revision: int) -> None:
        """Apply *corrections* when the next tick begins, unless the memory has moved on from *revision* until then."""
        self._found = (revision, corrections) if corrections else None
        self._blotter.has_doubts = False

    async def begin(self) -> None:
        """Ask what has become of orders since the last tick, exits before entries; facts wait in `settled`."""
        memory, found, self._found = self.memory, self._found, None
        is_held_up = bool(self.due) and memory.state is None  # who holds something gets out of it before that
        if not (memory.closing or memory.orders or memory.cancelling or found or is_held_up):
            return  # nearly always, where nothing rests at the venue
        blotter = self._blotter
        blotter.is_off = False
        if found is not None and found[0] == memory.revision:
            await self._correcting.apply(found[1])
        await self._pursue()
        if self._asks():
            await self._look_after_orders()
            await self._pursue()  # a stop that was filled in part is to be brought to its end
        await blotter.save()
        if blotter.is_off:
            self._tell_desk(is_judged=False)

    async def _pursue(self) -> None:
        """Go on with a close or a cancel that was decided and is not done."""
        await self._leaving.finish_if_decided()
        if self.memory.cancelling is not None:
            await self._entering.cancels()

    def _asks(self) -> bool:
        """Say whether the venue is asked at this tick: while a session catches up, hardly ever."""
        desk = self._blotter.desk
        self._unasked = self._unasked + 1 if desk.market.is_behind(desk.row) else 0
        return self._unasked % _MOST_UNASKED == 0

    async def _look_after_orders(self) -> None:
        for known in sorted(self.memory.orders, key=lambda known: known.order.leg in ENTRIES):
            if known in self.memory.orders and known.order.leg is not Leg.CLOSE:
                look = self._entering if known.order.leg in ENTRIES else self._leaving
                await look.look_after(known)

    async def settled(self, slot: int, *, by_itself: bool = False, may_ask: bool = False) -> deque[Told]:
        """Settle what the desk proposes, and return the facts that are to be told, oldest first.

        *slot* is the newest in which the strategy was asked; *by_itself* says that no code of the author's decided,
        and *may_ask* that it may be asked at this very tick. See `Decided`.
        """
        blotter, outbox = self._blotter, self._blotter.desk.outbox
        if not outbox:
            return blotter.facts
        blotter.is_off = False
        is_proposed = any(type(event) in self._settle_by or isinstance(event, _LEVELS) for event in outbox)
        if is_proposed:
            when_ms = blotter.desk.when_ms
            blotter.remembers(slot=slot, tick_ms=when_ms - MINUTE_MS, decided=Decided(when_ms, by_itself, may_ask))
        while outbox:
            await self._settle(outbox.popleft())
        if is_proposed:
            await self._resting.sees_to_it(may_move=False)
            await blotter.save()
        blotter.release()
        if blotter.is_off:
            self._tell_desk()
        return blotter.facts

    def _tell_desk(self, *, is_judged: bool = True) -> None:
        desk = self._blotter.desk
        desk.take(self._with_levels(desk.state), is_judged=is_judged, reserved=self._entering.reserved())

    def _with_levels(self, decided: State) -> State:
        """Return the confirmed state, with the levels that the desk has *decided* on for the same position."""
        state = self.memory.state
        if isinstance(state, Position) and isinstance(decided, Position) and state.id == decided.id:
            state = with_levels_of(state, decided)
            self._blotter.remembers(state=state)
        return state

    async def end(self, tick_ms: int, slot: int) -> None:
        """Count the tick *tick_ms* as done, and save what it has changed."""
        blotter, desk = self._blotter, self._blotter.desk
        if isinstance(desk.state, Position):
            blotter.remembers(state=desk.settle(desk.row))
            if not desk.market.is_behind(desk.row):
                blotter.is_off = False
                await self._resting.sees_to_it(may_move=True)
            if desk.state != self.memory.state:
                self._tell_desk()
        blotter.remembers(tick_ms=tick_ms, slot=slot, decided=None)
        if self.memory.state is not None or blotter.has_news or blotter.due:
            await blotter.save()

    async def _settle(self, event: Told) -> None:
        settle = self._settle_by.get(type(event))
        if settle is not None:
            await settle(event)
        elif isinstance(event, _LEVELS):
            self._levels(event)
        else:
            self._blotter.tell(event)

    def _levels(self, event: Any) -> None:  # noqa: ANN401 - any event that moves levels or counts progress
        blotter, state = self._blotter, self._blotter.state
        if not isinstance(state, Position):
            return
        if blotter.is_off:
            event = replace(event, position=with_levels_of(state, event.position))
        blotter.remembers(state=event.position)
        blotter.tell(event)

    async def _cancels(self, event: SignalCancelled) -> None:
        """Take back what rests at the venue of a signal that waits; if it was filled before, it stays open."""
        blotter = self._blotter
        if isinstance(blotter.state, Waiting):
            blotter.remembers(cancelling=event.reason)
            await self._entering.cancels()
        else:
            blotter.is_off = True
