"""Keeps one session going: from window to window of candles, and after a failure from its saved state."""

from dataclasses import dataclass, field

from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.dealing.blotter import DealingPlan
from backtestkit_cli.engine.dealing.dealer import Dealer
from backtestkit_cli.engine.failures import one_line
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.wall_clock import minute_of
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.facts import ErrorOccurred, Event, SessionEnded, SignalScheduled, Told
from backtestkit_cli.events.venue_facts import EntriesBlocked, PositionRestored, SessionRestarted
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.growing_book import Reader
from backtestkit_cli.runs.trading.recalling import Recalled, recalled
from backtestkit_cli.runs.trading.status import SessionStatus

_MS_PER_SECOND = 1000
_LONGEST_PAUSE_S, _LONGEST_PAUSE_BOUND_S = 900.0, 60.0
"""How long a session that fails again and again stays away at most: without anything to look after, and with it."""


@dataclass(slots=True, eq=False)
class SessionKeeper:
    """One strategy on one symbol for as long as the run goes on; `trades` are all that it ever closed."""

    floor: Floor
    spec: StrategySpec
    symbol: str
    shared: Coordination | None
    dealing: DealingPlan
    status: SessionStatus
    dealer: Dealer
    trades: list[Trade]
    damages: tuple[str, ...] = ()
    session: Session | None = field(init=False, default=None)
    events: list[Event] = field(init=False, default_factory=list)
    error: str | None = field(init=False, default=None)
    lateness_ms: int = field(init=False, default=0)
    reader: Reader = field(init=False)
    _booked: int = field(init=False, default=0)
    _begin_ms: int = field(init=False, default=-1)
    _failures: int = field(init=False, default=0)
    _failed_ms: int = field(init=False, default=-HOUR_MS)

    def __post_init__(self) -> None:
        self.reader = Reader(self.floor.book)

    @property
    def memory(self) -> SessionMemory:
        """Return what the session must not forget."""
        return self.dealer.memory

    @property
    def start_ms(self) -> int:
        """Return the first tick that is still to be done; who holds nothing has nothing to catch up with."""
        memory, begin_ms = self.memory, max(self.floor.start_ms, self._begin_ms)
        if memory.tick_ms < 0 or (memory.state is None and not memory.orders):
            return max(begin_ms, memory.tick_ms + MINUTE_MS)
        return memory.tick_ms + MINUTE_MS

    def is_ready(self, at_ms: int) -> bool:
        """Say whether the candles for the tick *at_ms* are there: its own, and those of symbols that it reads.

        Who holds something does not wait for the latter beyond patience.
        """
        feed = self.floor.feed
        if not feed.is_ready(self.symbol, at_ms):
            return False
        if all(feed.is_ready(symbol, at_ms) for symbol in self.reader.symbols):
            return True
        is_flat = self.memory.state is None and not self.memory.orders
        patience_ms = round(self.floor.options.candle_patience_seconds * _MS_PER_SECOND)
        return not is_flat and self.floor.time.now_ms() >= at_ms + patience_ms

    async def run(self, clock: Clock) -> None:
        """Run the session, and another one after it, until the end of the frame."""
        await self._tell_restored()
        while True:
            self._booked = 0
            while not self.is_ready(self.start_ms):  # a session begins at a candle that is there
                await clock.sleep_until(max(self.start_ms, clock.now_ms + 1))
            plan = self.floor.session_plan(self.spec, self.symbol, self.shared, self.start_ms)
            session = self.session = Session(plan, self.reader, self.floor.life.bus, self.dealer)
            await session.run(clock)
            self.collect()
            self.events += session.events
            if session.error is None and not session.is_over:
                continue  # the window of candles is over
            self.error = session.error
            if session.error is None:
                return
            if self.floor.is_history:
                session.give_up()
                return
            await self._recover(session, session.error, clock)

    async def _recover(self, failed: Session, error: str, clock: Clock) -> None:
        """Wait, longer each time it fails again, and go on from what was saved.

        The tick that failed is done again only where something is held; the slot it was asked in is used up.
        """
        self.status.error = self.error = error
        self.floor.on_failure(self.spec.name, self.symbol)
        found: Recalled | None = None
        while found is None:
            await self._pause(clock)
            try:
                await self.dealer.make_good()
                for fact in self.dealer.saved_facts():
                    await self.publish(fact)
                found = await recalled(self.dealing.journal)
            except StoreError as failure:
                now_ms = self.floor.time.now_ms()
                report = ErrorOccurred(now_ms, self.spec.name, self.symbol, "state", one_line(failure), "")
                await self.publish(report)
        memory, self.damages = found.memory, found.damages
        self.dealer = Dealer(self.dealing, memory._replace(slot=max(memory.slot, failed.slot)))
        await self._tell_damages()
        if self.shared is not None and not isinstance(memory.state, Position):
            self.shared.drop((self.symbol, self.spec.name))  # what was decided in the tick that failed is not open
        self._begin_ms = clock.now_ms
        await self.publish(SessionRestarted(self.floor.time.now_ms(), self.spec.name, self.symbol, error))
        self.status.error = ""
        self.error = None

    async def _pause(self, clock: Clock) -> None:
        """Sleep until the first minute after a time that doubles with each failure within an hour."""
        now_ms = self.floor.time.now_ms()
        self._failures = 1 if now_ms - self._failed_ms > HOUR_MS else self._failures + 1
        is_bound = self.memory.state is not None or self.memory.orders
        longest_s = _LONGEST_PAUSE_BOUND_S if is_bound else _LONGEST_PAUSE_S
        first_s = self.floor.options.restart_seconds
        pause_s = max(first_s, min(max(first_s, 1.0) * 2 ** min(self._failures - 1, 20), longest_s))
        again_ms = minute_of(max(now_ms + round(pause_s * _MS_PER_SECOND), clock.now_ms + 1))
        while clock.now_ms < again_ms:  # an alarm wakes it before
            await clock.sleep_until(again_ms)
        self._failed_ms = self.floor.time.now_ms()

    async def _tell_restored(self) -> None:
        """Tell what was taken up again."""
        await self._tell_damages()
        state, memory = self.memory.state, self.memory
        stamp = memory.tick_ms, self.spec.name, self.symbol
        if isinstance(state, Position):
            await self.publish(PositionRestored(*stamp, state))
        elif isinstance(state, Waiting):
            await self.publish(
                SignalScheduled(*stamp, state.id, state.side, state.price_open, state.signal, is_restored=True)
            )

    async def _tell_damages(self) -> None:
        """Tell what of the saved state could not be read, and that nothing new is opened because of it."""
        stamp = self.floor.time.now_ms(), self.spec.name, self.symbol
        for damage in self.damages:
            await self.publish(ErrorOccurred(*stamp, "state", damage, ""))
        if self.damages and self.memory.blocked:
            await self.publish(EntriesBlocked(*stamp, self.memory.blocked))

    async def publish(self, event: Told) -> None:
        """Tell *event* outside of the session under way."""
        with self.floor.seen_at(event.at_ms, self.symbol):
            await self._publisher().publish(event)

    async def ends(self, at_ms: int) -> None:
        """Tell that the session is over, for the run has been stopped at *at_ms*."""
        self.collect()
        plan = self.floor.plan
        names = at_ms, self.spec.name, self.symbol, plan.exchange, plan.frame
        with self.floor.seen_at(at_ms, self.symbol):
            await self._publisher().ping(SessionEnded(*names, len(self.trades), self.error))

    def _publisher(self) -> Publisher:
        return self.floor.life.publisher(strategy=self.spec.name, symbol=self.symbol)

    def collect(self) -> None:
        """Take over the trades that the session has closed since it was asked last."""
        session = self.session
        if session is not None and len(session.trades) > self._booked:
            self.trades += session.trades[self._booked :]
            self._booked = len(session.trades)
        if self.status.trades != len(self.trades):
            self.status.trades = len(self.trades)
            self.status.net_quote = sum(trade.gain.net for trade in self.trades)

    def note(self) -> None:
        """Bring the status up to the present."""
        self.collect()
        status, memory = self.status, self.memory
        status.state, status.tick_ms, status.blocked = memory.state, memory.tick_ms, memory.blocked
        price = self.floor.price_of(self.spec.name, self.symbol, memory.tick_ms)
        status.price = price
        status.lateness_ms = self.lateness_ms
        status.connection = self.floor.connection_of(self.symbol)
        status.pnl_pct = status.pnl_quote = None
        if isinstance(memory.state, Position) and price is not None:
            gain = memory.state.value_at(price, self.dealing_costs)
            status.pnl_quote = gain.net
            status.pnl_pct = gain.net / memory.state.invested * 100

    @property
    def dealing_costs(self) -> Costs:
        """Return what the fills of the session are booked by."""
        return Costs.of(self.dealing.settings)
