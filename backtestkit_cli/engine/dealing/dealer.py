"""The dealer of one session: it brings what the desk decides to the venue, and what the venue did into the book.

Order of steps: save the attempt, ask the venue, change the state, save, and only then tell. A crash between any two
leaves an order whose id is known, so that the venue is asked what became of it before anything is sent again.
"""

from collections import deque
from dataclasses import replace
from typing import Any

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.venue import Leg
from backtestkit_cli.engine.dealing.blotter import Blotter, DealingPlan
from backtestkit_cli.engine.dealing.entering import Entering
from backtestkit_cli.engine.dealing.leaving import Leaving
from backtestkit_cli.engine.dealing.orders import with_levels_of
from backtestkit_cli.engine.dealing.withdrawing import withdrawn
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.memory import SessionMemory, State
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
_ENTRIES = (Leg.ENTRY, Leg.AVERAGE)


class Dealer:
    """Settles what one session decides; `memory` is what it must not forget, as it was saved last."""

    def __init__(self, plan: DealingPlan, memory: SessionMemory) -> None:
        """Deal by *plan*, beginning with *memory*."""
        self._blotter = Blotter(plan, memory)
        self._entering = Entering(self._blotter)
        self._leaving = Leaving(self._blotter)
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

    def attach(self, desk: Desk, row: int) -> None:
        """Deal for *desk*, which takes up at *row* what the memory holds; that row has been judged."""
        self._blotter.attach(desk)
        desk.move_to(row)
        if self.memory.state is not None:
            desk.take(self.memory.state)

    def why_not_enter(self, when_ms: int) -> str:
        """Return why nothing new may be opened at *when_ms*, nothing where it may."""
        blotter = self._blotter
        if self.memory.blocked:
            return self.memory.blocked
        if blotter.is_late(when_ms):
            return f"the tick is {blotter.lateness_s(when_ms):.0f} s old"
        return ""

    async def begin(self) -> None:
        """Ask what has become of orders since the last tick, exits before entries; facts wait in `settled`."""
        if self.memory.closing is None and not self.memory.orders:
            return  # nearly always, where nothing rests at the venue
        blotter = self._blotter
        blotter.is_off = False
        if self.memory.closing is not None:
            await self._leaving.finish()
        by_urgency = sorted(self.memory.orders, key=lambda known: known.order.leg in _ENTRIES)
        for known in by_urgency:
            if known in self.memory.orders and known.order.leg is not Leg.CLOSE:
                look = self._entering if known.order.leg in _ENTRIES else self._leaving
                await look.look_after(known)
        await blotter.save()
        if blotter.is_off:
            blotter.desk.take(self._with_levels(blotter.desk.state), is_judged=False)

    async def settled(self) -> deque[Told]:
        """Settle what the desk proposes, and return the facts that are to be told, oldest first."""
        blotter, outbox = self._blotter, self._blotter.desk.outbox
        if not outbox:
            return blotter.facts
        blotter.is_off = False
        is_proposed = any(type(event) in self._settle_by for event in outbox)
        while outbox:
            await self._settle(outbox.popleft())
        if is_proposed:
            await self._leaving.rest()
            await blotter.save()
        if blotter.is_off:
            blotter.desk.take(self._with_levels(blotter.desk.state))
        return blotter.facts

    def _with_levels(self, decided: State) -> State:
        """Return the confirmed state, with the levels that the desk has *decided* on for the same position."""
        state = self.memory.state
        if isinstance(state, Position) and isinstance(decided, Position) and state.id == decided.id:
            state = with_levels_of(state, decided)
            self._blotter.remembers(state=state)
        return state

    async def end(self, tick_ms: int, slot: int) -> None:
        """Count the tick *tick_ms* as done, and save what it has changed."""
        blotter, before = self._blotter, self.memory
        desk = blotter.desk
        if isinstance(desk.state, Position):
            blotter.remembers(state=desk.settle(desk.row))
            await self._leaving.rest()
            if desk.state != self.memory.state:
                desk.take(self.memory.state)
        blotter.remembers(tick_ms=tick_ms, slot=slot)
        if self.memory.state is not None or before.slot != slot or before.orders != self.memory.orders:
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
        """Take back what rests at the venue of a signal that waits."""
        blotter, known = self._blotter, self._blotter.order_of(Leg.ENTRY)
        if known is not None and not await withdrawn(blotter, known, self._entering.answered):
            blotter.is_off = True  # tried again when it is decided again
            return
        if isinstance(blotter.state, Position):  # it was filled before
            blotter.is_off = True
            return
        blotter.becomes(None, as_decided=True)
        blotter.tell(event)
