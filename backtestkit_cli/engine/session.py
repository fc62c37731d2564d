"""One strategy on one symbol: at each tick gather, decide, act. No line of it knows which clock it runs on."""

import types
from collections.abc import Generator
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.engine.asking import SignalSource, awaited
from backtestkit_cli.engine.dealing.dealer import Dealer
from backtestkit_cli.engine.failures import as_told, is_from_outside, one_line
from backtestkit_cli.engine.judging import Judge
from backtestkit_cli.engine.lifecycle import slot_end_ms
from backtestkit_cli.engine.lone_run import source_or_done
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.memory import Decided
from backtestkit_cli.engine.session_parts import context_of, desk_of, publisher_of
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.engine.time_limits import TookTooLongError
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event, PositionActive, SessionEnded, SessionIdle, TickPassed
from backtestkit_cli.ports import Clock

_new_tuple = tuple.__new__  # a NamedTuple made by its own constructor takes twice as long


class Session:
    """Runs its strategy from the first tick of the frame to the last; `error` says why it ended early.

    `slot` is the newest in which the strategy was asked, -1 for none.

    With a `Dealer` a venue has the last word on what the desk decides, and the session goes on from what was saved;
    it ends with its window of candles, and another one takes its place.
    """

    def __init__(self, plan: SessionPlan, markets: Markets, bus: Bus, dealer: Dealer | None = None) -> None:
        """Prepare the session; the strategy's own code runs only in `run`."""
        self._plan = plan
        self._market: Market = markets.market(plan.symbol)
        self._interval_ms = interval_ms(plan.strategy.interval)
        self._dealer = dealer
        self._desk = desk_of(plan, self._market, markets, is_settled=dealer is not None)
        self._gate, self._last_row = self._desk.gate, self._desk.last_row
        self._publisher = publisher_of(plan, bus)
        self._context = context_of(plan, self._desk, bus, markets)
        self._judge = Judge(self._desk, plan)
        self.slot = -1 if dealer is None else dealer.memory.slot
        self.error: str | None = None
        self.is_over = False

    @property
    def trades(self) -> list[Trade]:
        """Return the closed positions, in the order they closed."""
        return self._desk.trades

    @property
    def events(self) -> list[Event]:
        """Return everything that happened, in order."""
        return self._publisher.record

    async def run(self, clock: Clock) -> None:
        """Live through the frame on *clock*; a failure of the strategy is recorded and ends this session only."""
        await self.live(clock)

    @types.coroutine
    def live(  # noqa: C901, PLR0912, PLR0915 - the hot loop, written out
        self, clock: Clock
    ) -> Generator[Any, Any, None]:
        """Do what `run` does: wake at every tick that may matter.

        A run spends its time in the two branches written out: a quiet minute of an open position somebody watches,
        and asking a flat session for a signal. A generator, because a clock that drives its sleepers by hand takes
        the bare instant: an awaitable for each minute would cost as much as all the rest of a quiet one.
        """
        desk, context, publisher = self._desk, self._context, self._publisher
        ahead, outbox = desk.ahead, desk.outbox
        bus, next_row, takes_instants = publisher.bus, self._next_row, clock.takes_instants
        strategy, symbol = self._plan.strategy.name, self._plan.symbol
        ticks, prices, last_row = self._market.ticks, desk.prices, self._last_row
        row = self._market.row_from(self._plan.start_ms)
        dues, now = publisher.meter.dues, publisher.meter.now
        dealer = self._dealer
        ambient.set(context)
        try:
            if dealer is not None:
                dealer.attach(desk, row - 1)
            context.when_ms = self._plan.start_ms
            source = source_or_done(self._plan, desk, publisher, self._judge)
            while source is not None and row <= last_row:
                when_ms = ticks[row]
                if takes_instants:
                    yield when_ms
                else:
                    yield from clock.sleep_until(when_ms).__await__()
                if dealer is not None and clock.now_ms >= when_ms and not self._market.holds(row):
                    return  # the window is over
                context.when_ms = desk.when_ms = when_ms
                desk.row = row
                desk.price = price = prices[row]
                if bus.version != publisher.version:
                    publisher.refresh(when_ms)
                    if clock.now_ms < when_ms:
                        yield from self._obey(clock.now_ms)
                        row = next_row(source, desk.row)
                        continue
                decided = None
                if dealer is not None:
                    yield from self._begin_tick(dealer)
                    decided = dealer.decided_at(when_ms)
                state = desk.state
                if decided is not None:
                    yield from self._go_on(decided, source)
                elif state is None:
                    if row < last_row:
                        yield from self._ask(source, when_ms, price)
                elif row < ahead.pings_until:  # there are such rows of a position only
                    ping = _new_tuple(PositionActive, (when_ms, strategy, symbol, price, state))
                    for handler in publisher.active:
                        if next(dues):
                            yield from publisher.tell(handler, ping, now())
                        else:
                            try:
                                outcome = handler(ping)
                            except BaseException as error:  # noqa: BLE001 - `report` passes on what is not theirs
                                yield from publisher.report(handler, ping, error)
                            else:
                                if outcome is not None:
                                    yield from publisher.finish(handler, ping, outcome)
                        if desk.state is None:  # whoever comes later has no position to hear of
                            break
                    if publisher.hears_active_only and not outbox and dealer is None:
                        row += 1
                        continue
                else:
                    yield from self._tick(source)
                if outbox:
                    yield from self._publish_outbox()
                if publisher.tick and (decided is None or decided.by_itself):
                    yield from self._ping_tick()
                if dealer is not None:
                    yield from self._end_tick(dealer)
                row = next_row(source, row)
            self.is_over = True
        except BaseException as error:
            if is_from_outside(error):
                raise
            yield from self._fail(error)
        if publisher.hears(SessionEnded, context.when_ms):
            yield from self._tell_end(clock)

    def give_up(self) -> None:
        """Leave what is open to nobody: for the account it counts as sold at the price of this tick."""
        if self._gate is not None:
            self._gate.abandons(self._desk.price)

    async def _fail(self, error: BaseException) -> None:
        """Record *error* of the strategy; what is open is given up, unless another session may take it up."""
        self.error = one_line(error)
        if self._dealer is None:
            self.give_up()
        for event in () if self._dealer is None else self._dealer.saved_facts():
            await self._publisher.publish(event)
        failed = "state" if isinstance(error, StoreError) else "strategy"
        await self._publisher.publish(self._publisher.failure(self._context.when_ms, failed, error))

    async def _tell_end(self, clock: Clock) -> None:
        """Say that the session is over, at the end of its frame: one that sleeps through the rest is not there yet."""
        plan, context = self._plan, self._context
        if self.error is None and context.when_ms < plan.end_ms:
            while clock.now_ms < plan.end_ms:  # an alarm wakes it before
                await clock.sleep_until(plan.end_ms)
            context.when_ms = self._desk.when_ms = plan.end_ms
        names = context.when_ms, plan.strategy.name, plan.symbol, plan.exchange, plan.frame
        await self._publisher.ping(SessionEnded(*names, len(self.trades), self.error))
        await self._publish_outbox()

    async def _tick(self, source: SignalSource) -> None:
        """Do what the machine does by itself at this tick, or else tell who watches the position."""
        desk = self._desk
        was_open, may_ask = type(desk.state) is Position, False
        while (act := desk.act_now()) is not None:
            may_ask = desk.carry_out(act)
            await self._publish_outbox(by_itself=was_open, may_ask=may_ask)
        desk.through()
        if desk.state is None:
            if may_ask and desk.row < self._last_row:
                await self._ask(source, desk.when_ms, desk.price)
        elif was_open:
            await self._ping_active()

    async def _ping_active(self) -> None:
        desk = self._desk
        if type(desk.state) is not Position or not self._publisher.active:
            return
        ping = PositionActive(*desk.stamp(), desk.price, desk.settle(desk.row))
        for handler in self._publisher.active:
            if type(desk.state) is Position:  # whoever comes after a close has none to hear of
                await self._publisher.tell(handler, ping)

    async def _go_on(self, decided: Decided, source: SignalSource) -> None:
        """Do what is left of a tick that a crash broke off, without deciding twice."""
        desk = self._desk
        desk.through()
        if decided.may_ask and desk.state is None and desk.row < self._last_row:
            await self._ask(source, desk.when_ms, desk.price)
        elif decided.by_itself:
            await self._ping_active()

    async def _obey(self, now_ms: int) -> None:
        """Do what the portfolio orders at *now_ms*, before the tick this session slept for."""
        desk = self._desk
        desk.move_to(self._market.row_at(now_ms))
        desk.when_ms = self._context.when_ms = now_ms
        desk.obey_stop()
        await self._publish_outbox()

    async def _ask(self, source: SignalSource, when_ms: int, price: float) -> None:
        """Ask for a signal if this slot has not been used yet and entries are not stopped, and act on it."""
        slot = when_ms // self._interval_ms
        if slot != self.slot and self._may_ask(when_ms):
            self.slot = slot
            meter = source.meter
            try:
                begun_s = meter.now() if next(meter.dues) else None
                try:
                    answer = source.ask(when_ms, price)
                    if answer is not None and type(answer) is not Signal:
                        answer = await awaited(answer, self._plan.settings.max_signal_seconds)
                finally:
                    if begun_s is not None:
                        meter.ended(begun_s)
            except TookTooLongError as error:
                limit_s = self._plan.settings.max_signal_seconds
                cut = as_told(error, "max_signal_seconds", limit_s, what="get_signal")
                await self._publisher.publish(self._publisher.failure(when_ms, "get_signal", cut))
            else:
                if answer is not None:
                    self._judge(answer)
                    await self._publish_outbox()
        if self._publisher.idle and self._desk.state is None:
            ping = SessionIdle(*self._desk.stamp(), price)
            for handler in self._publisher.idle:
                await self._publisher.tell(handler, ping)

    def _may_ask(self, when_ms: int) -> bool:
        """Say whether anything may be opened at *when_ms*: neither the account nor the venue forbids it."""
        stop = None if self._gate is None else self._gate.stop_at(when_ms)
        return stop is None and (self._dealer is None or not self._dealer.why_not_enter(when_ms))

    async def _publish_outbox(self, *, by_itself: bool = False, may_ask: bool = False) -> None:
        dealer, outbox = self._dealer, self._desk.outbox
        while (
            facts := outbox if dealer is None else await dealer.settled(self.slot, by_itself=by_itself, may_ask=may_ask)
        ):
            await self._publisher.publish(facts.popleft())

    async def _begin_tick(self, dealer: Dealer) -> None:
        self._context.renew()
        await dealer.begin()
        await self._publish_outbox()

    async def _end_tick(self, dealer: Dealer) -> None:
        """Save what the tick has changed; a stop from before a restart is obeyed first."""
        self._desk.obey_stop()
        await self._publish_outbox()
        await dealer.end(self._desk.when_ms, self.slot)
        await self._publish_outbox()

    async def _ping_tick(self) -> None:
        state = self._desk.state
        position = self._desk.settle(self._desk.row) if isinstance(state, Position) else None
        waiting = None if state is None or position is not None else state.signal  # type: ignore[union-attr]
        ping = TickPassed(*self._desk.stamp(), self._desk.price, position, waiting)
        for handler in self._publisher.tick:
            await self._publisher.tell(handler, ping)
        await self._publish_outbox()

    def _next_row(self, source: SignalSource, row: int) -> int:
        """Return the next row that may matter: without foresight, or with somebody listening, the next minute."""
        desk, publisher = self._desk, self._publisher
        publisher.refresh(desk.when_ms + MINUTE_MS)
        state = desk.state
        if publisher.tick or not self._plan.sees_ahead or (self._dealer is not None and self._dealer.due):
            return row + 1
        if state is not None:
            return row + 1 if publisher.active and type(state) is Position else desk.ahead.quiet_until
        if publisher.idle:
            return row + 1
        from_ms = desk.when_ms + MINUTE_MS
        stop = None if self._gate is None else self._gate.stop_at(from_ms)
        if stop is not None:
            return self._last_row + 1 if stop.until_ms is None else self._market.row_from(stop.until_ms)
        if from_ms // self._interval_ms == self.slot:
            from_ms = slot_end_ms(desk.when_ms, self._interval_ms)
        next_ms = source.next_ms(from_ms)
        return self._last_row + 1 if next_ms is None else self._market.row_from(next_ms)
