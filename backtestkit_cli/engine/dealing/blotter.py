"""The blotter of one session: its memory, its orders on the way, and the facts that wait to be told."""

from collections import deque
from dataclasses import dataclass
from typing import Any

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.venue import Answer, Leg, Rejected, Transient, VenueOrder, VenueRules
from backtestkit_cli.engine.dealing.orders import OrderMaker
from backtestkit_cli.engine.dealing.sending import Ask, Wire
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.memory import Journal, OpenOrder, SessionMemory, Stage, State
from backtestkit_cli.events.facts import PositionClosed, Told
from backtestkit_cli.events.venue_facts import OrderRejected, OrderUnsettled

_MS_PER_SECOND = 1000


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
    """Changes the memory of a session, saves it, and keeps what is to be told until it is saved."""

    def __init__(self, plan: DealingPlan, memory: SessionMemory) -> None:
        """Begin with *memory*."""
        self.plan = plan
        self.memory = memory
        self.maker = OrderMaker(plan.strategy, plan.symbol)
        self.costs = Costs.of(plan.settings)
        self.facts: deque[Told] = deque()
        self.is_off = False
        self._complaints: set[tuple[Leg, str]] = set()
        self._desk: Desk | None = None

    @property
    def desk(self) -> Desk:
        """Return the desk of the session under way."""
        assert self._desk is not None  # noqa: S101 - attached before the first tick
        return self._desk

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

    def may_arrive(self, known: OpenOrder) -> bool:
        """Say whether *known*, which the venue does not know, may still be on its way."""
        return self.wire.may_arrive(known.sent_ms)

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

    async def save(self) -> None:
        """Save the memory."""
        self.memory = self.memory._replace(revision=self.memory.revision + 1)
        if self.plan.journal is not None:
            await self.plan.journal.save(self.memory)

    def tell(self, *events: Told) -> None:
        """Let *events* be published, after all has been saved."""
        self.facts.extend(events)

    async def send(self, order: VenueOrder, how: Ask) -> Answer:
        """Send *order*, saved before, and return the answer; what the venue will not have is dropped and told."""
        known = next((one for one in self.memory.orders if one.order.client_id == order.client_id), None)
        count = 0 if known is None else known.attempts
        booked = None if known is None else known.booked

        async def saving(sent_ms: int) -> None:
            nonlocal count
            count += 1
            self.put(OpenOrder(order, Stage.ATTEMPTED, sent_ms, count, booked))
            await self.save()

        answer = await self.wire.send(order, how, saving, None if known is None else known.sent_ms)
        if isinstance(answer, Rejected):
            self.drop(order)
            self.complain(order, answer.reason)
        elif isinstance(answer, Transient):
            self.unsettled(order, answer.reason, count, is_given_up=False)
        else:
            self._complaints.clear()
        return answer

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
        if self.plan.journal is not None:
            await self.plan.journal.book(trade)
        self.desk.book(trade)
        self.becomes(None, as_decided=self.desk.state is None)
        self.remembers(closing=None)
        self._complaints.clear()
        await self.save()
        self.tell(PositionClosed(*self.desk.stamp(), trade))
