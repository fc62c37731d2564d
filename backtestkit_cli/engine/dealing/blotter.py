"""The blotter of one session: its memory, its orders on the way, and the facts that wait to be told."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.venue import Answer, Leg, OrderKind, Rejected, Transient, VenueOrder, VenueRules
from backtestkit_cli.engine.dealing.orders import OrderMaker
from backtestkit_cli.engine.dealing.sending import Ask, Wire
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.memory import Journal, OpenOrder, SessionMemory, Stage, State
from backtestkit_cli.errors import StoreError, StoreUnavailableError
from backtestkit_cli.events.facts import PositionClosed, Told
from backtestkit_cli.events.venue_facts import OrderRejected, OrderUnsettled

_MS_PER_SECOND = 1000
ENTRIES = (Leg.ENTRY, Leg.AVERAGE)
"""The legs that buy: without their attempt on record none of them is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealingPlan:
    """What a dealer deals with: the names, the rules of the venue, and what its fills are booked by.

    Without a `journal` nothing survives the process.
    """

    strategy: str
    symbol: str
    settings: Settings
    rules: VenueRules
    wire: Wire
    journal: Journal | None


class Blotter:
    """Changes the memory of a session, saves it, and keeps what is to be told until it is saved.

    `facts` have been saved and wait to be told. `is_off` says that the confirmed state is not what the desk has
    decided on, so that the desk must be told. With `has_doubts` the venue does not have the coins that the book says.
    `due` says why what was done is not saved yet: then nothing new is opened, and nothing is told, but exits go on.
    """

    def __init__(self, plan: DealingPlan, memory: SessionMemory) -> None:
        """Begin with *memory*, as it was saved last."""
        self.plan = plan
        self.memory = memory
        self.maker = OrderMaker(plan.strategy, plan.symbol)
        self.costs = Costs.of(plan.settings)
        self.facts: deque[Told] = deque()
        self.is_off = self.has_doubts = False
        self.due = ""
        self._saved = memory
        self._unbooked: list[Trade] = []
        self._untold: list[Told] = []
        self._owed = (0, 0)  # how many of these two are of the memory that is due, the others of what came since
        self._complaints: set[tuple[Leg, str]] = set()
        self._desk: Desk | None = None

    @property
    def desk(self) -> Desk:
        """Return the desk of the session under way."""
        assert self._desk is not None  # noqa: S101 - attached before the first tick
        return self._desk

    @property
    def is_attached(self) -> bool:
        """Say whether there is a session under way."""
        return self._desk is not None

    def attach(self, desk: Desk) -> None:
        """Deal for *desk* from now on."""
        self._desk = desk

    @property
    def wire(self) -> Wire:
        """Return the way to the venue."""
        return self.plan.wire

    @property
    def state(self) -> State:
        """Return what the session holds as far as the venue has confirmed it."""
        return self.memory.state

    def lateness_s(self, at_ms: int) -> float:
        """Return how long ago the tick *at_ms* was."""
        return (self.wire.now_ms() - at_ms) / _MS_PER_SECOND

    def is_late(self, at_ms: int) -> bool:
        """Say whether what was decided at *at_ms* is too old to open anything."""
        return self.lateness_s(at_ms) > self.wire.options.max_lateness_seconds

    def why_not_enter(self, at_ms: int) -> str:
        """Return why what was decided at *at_ms* may not be opened now, nothing where it may."""
        blocked = self.memory.blocked or self.due or next(iter(self.wire.hindrances.values()), "")
        if blocked or not self.is_late(at_ms):
            return blocked
        return f"the tick is {self.lateness_s(at_ms):.0f} s old"

    def may_arrive(self, known: OpenOrder) -> bool:
        """Say whether *known*, which the venue does not know, may still be on its way."""
        return self.wire.may_arrive(known.sent_ms)

    def filled_ms(self, known: OpenOrder) -> int:
        """Return when what the venue tells of *known* was traded, as a tick.

        What goes at once was traded when it was sent, however late its answer came; of what rests only the tick is
        known at which it was seen.
        """
        if known.stage is Stage.RESTING or known.order.kind is not OrderKind.MARKET:
            return self.desk.when_ms
        return min(self.desk.when_ms, max(known.order.at_ms, floor_to(known.sent_ms, MINUTE_MS)))

    def becomes(self, state: State, *, as_decided: bool = False) -> None:
        """Make *state* the confirmed one; unless it is what the desk has *decided*, the desk will be told."""
        self.memory = self.memory._replace(state=state)
        self.is_off = self.is_off or not as_decided

    def remembers(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the memory
        """Change the memory, and nothing the desk knows of."""
        self.memory = self.memory._replace(**changes)

    def order_of(self, leg: Leg) -> OpenOrder | None:
        """Return the order of *leg* that is not settled, if there is one."""
        return next((known for known in self.memory.orders if known.order.leg is leg), None)

    def known(self, order: VenueOrder) -> OpenOrder | None:
        """Return what is remembered of *order*, None where it is settled."""
        return next((one for one in self.memory.orders if one.order.client_id == order.client_id), None)

    def put(self, known: OpenOrder) -> None:
        """Keep *known* in the place of an order of the same id, or besides the others."""
        ids = [one.order.client_id for one in self.memory.orders]
        orders = list(self.memory.orders)
        if known.order.client_id in ids:
            orders[ids.index(known.order.client_id)] = known
        else:
            orders.append(known)
        self.memory = self.memory._replace(orders=tuple(orders))

    def drop(self, order: VenueOrder) -> None:
        """Forget *order*, which is settled."""
        orders = tuple(known for known in self.memory.orders if known.order.client_id != order.client_id)
        self.memory = self.memory._replace(orders=orders)

    def next_leg(self) -> int:
        """Return the number of the next order of the signal, and count it."""
        legs = self.memory.legs + 1
        self.memory = self.memory._replace(legs=legs)
        return legs

    async def save(self, *, is_needed: bool = False) -> None:
        """Save the memory where it has changed, and let be told what was held back until then.

        Where the store is not available for now the save is due: it comes with the next one, and who is in a position
        can get out of it meanwhile.

        Raises:
            StoreUnavailableError: it was not saved, and *is_needed* before what comes next.
            StoreError: it cannot be saved; the memory is again what was saved before, or is due, and the rest has not
                happened.
        """
        if self.memory != self._saved or self.due:
            changed = self.memory._replace(revision=self.memory.revision + 1)
            if self.plan.journal is not None:
                try:
                    await self.plan.journal.save(changed, tuple(self._unbooked))
                except StoreUnavailableError as error:
                    self.due = f"what was done is not saved yet: {error}"
                    if is_needed:
                        raise
                    self.memory = self._saved = changed
                    self._owed = len(self._unbooked), len(self._untold)
                    return
                except StoreError:
                    self._back_to_saved()
                    raise
            self.due, self._owed = "", (0, 0)
            self._unbooked.clear()
            self.memory = self._saved = changed
        self.release()

    async def make_good(self) -> None:
        """Save what is due, after the session has failed: what it did since counts as not done.

        Raises:
            StoreError: it cannot be saved.
        """
        self._back_to_saved()
        if self.due:
            await self.save(is_needed=True)

    def _back_to_saved(self) -> None:
        """Undo what came after the memory that is saved, or due."""
        trades, facts = self._owed
        self.memory = self._saved
        del self._unbooked[trades:], self._untold[facts:]

    def release(self) -> None:
        """Let be told what was held back, unless it is to be saved before."""
        if not self.due:
            self.facts.extend(self._untold)
            self._untold.clear()

    @property
    def has_news(self) -> bool:
        """Say whether there is more to save than that a tick is done."""
        return self.memory._replace(tick_ms=self._saved.tick_ms) != self._saved

    def tell(self, *events: Told) -> None:
        """Let *events* be published, after all has been saved."""
        self._untold.extend(events)

    async def send(
        self, order: VenueOrder, how: Ask, *, until_ms: float | None = None, decided: float | None = None
    ) -> Answer:
        """Send *order*, saved before, and return the answer; what the venue will not have is dropped and told.

        After *until_ms* it is not sent. See `OpenOrder.decided`.
        """
        known = self.known(order)
        one, saves = known or OpenOrder(order, Stage.ATTEMPTED, 0, 0, None, decided), 0

        async def saving(sent_ms: int) -> None:
            nonlocal one, saves
            one = one._replace(stage=Stage.ATTEMPTED, sent_ms=sent_ms, attempts=one.attempts + 1)
            self.put(one)
            await self.save(is_needed=order.leg in ENTRIES)
            saves += 1

        try:
            answer = await self.wire.send(order, how, saving, None if known is None else known.sent_ms, until_ms)
        except StoreUnavailableError:
            return self._unsent(order, known if saves == 0 else one)
        if isinstance(answer, Rejected):
            self.drop(order)
            self.complain(order, answer.reason)
        elif isinstance(answer, Transient):
            self.unsettled(order, answer.reason, one.attempts, is_given_up=False)
        else:
            self._complaints.clear()
        return answer

    def _unsent(self, order: VenueOrder, before: OpenOrder | None) -> Transient:
        """Do without an attempt that could not be saved; *before* is what the one before it left, if there was one."""
        self.complain(order, f"not sent: {self.due}")
        if before is None:
            self.drop(order)
        else:
            self.put(before)
        return Transient(self.due, may_have_arrived=before is not None)

    async def ask(self, order: VenueOrder, how: Ask) -> Answer:
        """Return the answer to a question about *order*, told if there is none."""
        answer = await self.wire.ask(order, how)
        if isinstance(answer, Transient):
            self.unsettled(order, answer.reason, self.wire.options.attempts, is_given_up=False)
        return answer

    def complain(self, order: VenueOrder, reason: str) -> None:
        """Tell that the venue refused *order*; once, where it goes on refusing for the same reason."""
        if (order.leg, reason) not in self._complaints:
            self._complaints.add((order.leg, reason))
            self.tell(OrderRejected(*self.desk.stamp(), order.client_id, order.leg, reason))

    def unsettled(self, order: VenueOrder, reason: str, attempts: int, *, is_given_up: bool) -> None:
        """Tell that nobody knows what became of *order*, or that nothing more is done for it; once each."""
        complaint = (order.leg, f"unsettled {is_given_up}")
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            stamp = self.desk.stamp()
            self.tell(OrderUnsettled(*stamp, order.client_id, order.leg, reason, attempts, is_given_up))

    async def closes(self, trade: Trade) -> None:
        """Book *trade*: the session is flat."""
        self._unbooked.append(trade)
        self.becomes(None, as_decided=self.desk.state is None)
        self.remembers(closing=None)
        self._complaints.clear()
        self.tell(PositionClosed(*self.desk.stamp(), trade))
        await self.save()
        self.desk.book(trade)
