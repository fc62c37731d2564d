"""Keeps one session going: from window to window of candles, and after a failure from its saved state."""

from dataclasses import dataclass, field

from backtestkit_cli.analytics.outcome import Failure, SessionOutcome
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.dealing.blotter import DealingPlan
from backtestkit_cli.engine.dealing.dealer import Dealer
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.wall_clock import minute_of
from backtestkit_cli.events.facts import Event, SignalScheduled
from backtestkit_cli.events.venue_facts import PositionRestored, SessionRestarted
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.counting import counts_of
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.status import SessionStatus

_MS_PER_SECOND = 1000


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
    session: Session | None = field(init=False, default=None)
    events: list[Event] = field(init=False, default_factory=list)
    marks: list[tuple[int, float]] = field(init=False, default_factory=list)
    error: str | None = field(init=False, default=None)
    _booked: int = field(init=False, default=0)

    @property
    def memory(self) -> SessionMemory:
        """Return what the session must not forget."""
        return self.dealer.memory

    @property
    def start_ms(self) -> int:
        """Return the first tick that is still to be done; who holds nothing has nothing to catch up with."""
        memory, begin_ms = self.memory, self.floor.start_ms
        if memory.tick_ms < 0 or (memory.state is None and not memory.orders):
            return max(begin_ms, memory.tick_ms + MINUTE_MS)
        return memory.tick_ms + MINUTE_MS

    async def run(self, clock: Clock) -> None:
        """Run the session, and another one after it, until the end of the frame."""
        await self._tell_restored()
        while True:
            self._booked = 0
            plan = self.floor.session_plan(self.spec, self.symbol, self.shared, self.start_ms)
            session = self.session = Session(plan, self.floor.book, self.floor.life.bus, self.dealer)
            await session.run(clock)
            self.collect()
            self.events += session.events
            if session.error is None and not session.is_over:
                continue  # the window of candles is over
            self.error = session.error
            if session.error is None or self.floor.is_history:
                return
            await self._restart(session.error, clock)

    async def _restart(self, error: str, clock: Clock) -> None:
        """Wait, and go on from what was saved."""
        self.status.error = error
        self.floor.on_failure(self.spec.name, self.symbol)
        again_ms = self.floor.time.now_ms() + round(self.floor.options.restart_seconds * _MS_PER_SECOND)
        await clock.sleep_until(minute_of(again_ms))
        journal = self.dealing.journal
        memory = None if journal is None else await journal.recall()
        self.dealer = Dealer(self.dealing, memory or SessionMemory())
        stamp = self.floor.time.now_ms(), self.spec.name, self.symbol
        await self._publish(SessionRestarted(*stamp, error))
        self.status.error = ""
        self.error = None

    async def _tell_restored(self) -> None:
        """Tell what was taken up again."""
        state, memory = self.memory.state, self.memory
        stamp = memory.tick_ms, self.spec.name, self.symbol
        if isinstance(state, Position):
            await self._publish(PositionRestored(*stamp, state))
        elif isinstance(state, Waiting):
            await self._publish(
                SignalScheduled(*stamp, state.id, state.side, state.price_open, state.signal, is_restored=True)
            )

    async def _publish(self, event: Event) -> None:
        with self.floor.seen_at(event.at_ms, self.symbol):
            publisher = self.floor.life.publisher(strategy=self.spec.name, symbol=self.symbol)
            publisher.keeps_record = False
            await publisher.publish(event)
        self.events.append(event)

    def collect(self) -> None:
        """Take over the trades that the session has closed since it was asked last."""
        session = self.session
        if session is not None:
            new = session.trades[self._booked :]
            self._booked += len(new)
            self.trades += new
        self.status.trades = len(self.trades)
        self.status.net_quote = sum(trade.gain.net for trade in self.trades)

    def note(self, now_ms: int, lateness_ms: int) -> None:
        """Bring the status up to the tick *now_ms*."""
        self.collect()
        status, memory = self.status, self.memory
        status.state, status.tick_ms, status.blocked = memory.state, memory.tick_ms, memory.blocked
        price = self.floor.price_of(self.spec.name, self.symbol, memory.tick_ms)
        status.price = price
        status.lateness_ms = lateness_ms
        status.connection = self.floor.connection_of(self.symbol, now_ms)
        status.pnl_pct = status.pnl_quote = None
        if isinstance(memory.state, Position) and price is not None:
            gain = memory.state.value_at(price, self.dealing_costs)
            status.pnl_quote = gain.net
            status.pnl_pct = gain.net / memory.state.invested * 100
        if price is not None and memory.tick_ms % DAY_MS == 0 and (not self.marks or self.marks[-1][0] < now_ms):
            self.marks.append((memory.tick_ms, price))

    def outcome(self, end_ms: int) -> SessionOutcome:
        """Return what came of the session up to *end_ms*."""
        self.collect()
        price = self.floor.price_of(self.spec.name, self.symbol, end_ms)
        ends = [] if price is None else [(end_ms, price)]
        return SessionOutcome(
            strategy=self.spec.name,
            symbol=self.symbol,
            trades=tuple(self.trades),
            marks=tuple(mark for mark in self.marks if mark[0] < end_ms) + tuple(ends),
            counts=counts_of(self.events),
            candles=self.floor.book.facts.get(self.symbol),
            error=self.error,
            failure=Failure.STRATEGY if self.error else None,
        )

    @property
    def dealing_costs(self) -> Costs:
        """Return what the fills of the session are booked by."""
        return Costs.of(self.dealing.settings)
