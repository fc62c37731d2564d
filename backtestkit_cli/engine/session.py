"""One strategy on one symbol: at each tick gather, decide, act. No line of it knows which clock it runs on."""

import types
from collections.abc import Generator
from functools import partial
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.domain.signal_rules import problems_of
from backtestkit_cli.engine.ambient import Markets, SessionContext
from backtestkit_cli.engine.asking import SignalSource, signal_source
from backtestkit_cli.engine.columns import EntryTable, Indicators
from backtestkit_cli.engine.command_desk import CommandDesk
from backtestkit_cli.engine.desk import Desk, DeskPlan
from backtestkit_cli.engine.failures import as_told, is_from_outside, one_line
from backtestkit_cli.engine.lifecycle import id_prefix, signal_id, slot_end_ms
from backtestkit_cli.engine.lone_run import run_alone
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session_plan import SessionPlan, gate_of
from backtestkit_cli.engine.time_limits import TookTooLongError, within
from backtestkit_cli.engine.vetoes import vetoes
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event, PositionActive, SessionEnded, SessionIdle, SignalInvalid, TickPassed
from backtestkit_cli.ports import Clock

_new_tuple = tuple.__new__  # a NamedTuple made by its own constructor takes twice as long


class Session:
    """Runs its strategy from the first tick of the frame to the last; `error` says why it ended early."""

    def __init__(self, plan: SessionPlan, markets: Markets, bus: Bus) -> None:
        """Prepare the session; the strategy's own code runs only in `run`."""
        spec, symbol = plan.strategy, plan.symbol
        self._plan = plan
        self._market: Market = markets.market(symbol)
        self._interval_ms = interval_ms(spec.interval)
        self._last_row = self._market.row_at(plan.end_ms)
        desk_plan = DeskPlan(
            strategy=spec.name,
            symbol=symbol,
            settings=plan.settings,
            last_row=self._last_row,
            sees_ahead=plan.sees_ahead,
        )
        self._gate = gate_of(plan, markets)
        self._desk = Desk(desk_plan, self._market, self._gate)
        self.handler_seconds = plan.settings.max_handler_seconds
        self._publisher = Publisher(
            bus, plan.timings, strategy=spec.name, symbol=symbol, mode=plan.mode, handler_seconds=self.handler_seconds
        )
        self._context = SessionContext(
            run_id=plan.run_id,
            mode=plan.mode,
            strategy=spec.name,
            exchange=plan.exchange,
            frame=plan.frame,
            symbol=symbol,
            bus=bus,
            markets=markets,
            indicators=Indicators(spec.indicators, self._market),
            commands=CommandDesk(self._desk, self._market, self._desk.columns, plan.settings),
        )
        self._slot = -1
        self._id_prefix = id_prefix(plan.mode, plan.exchange, spec.name, symbol)
        self.error: str | None = None

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

        The two branches written out here are the ones a run spends its time in: a quiet minute of an open
        position somebody watches, and asking a flat session for a signal. All else is in `_tick`. A generator,
        because a clock that drives its sleepers by hand takes the bare instant: an awaitable for each minute, or
        one more frame to pass it through, would cost as much as all the rest of a quiet one.
        """
        desk, context, publisher = self._desk, self._context, self._publisher
        ahead, outbox = desk.ahead, desk.outbox
        bus, next_row, takes_instants = publisher.bus, self._next_row, clock.takes_instants
        strategy, symbol = self._plan.strategy.name, self._plan.symbol
        ticks, prices, last_row = self._market.ticks, desk.prices, self._last_row
        row = self._market.row_from(self._plan.start_ms)
        dues, now = publisher.meter.dues, publisher.meter.now
        ambient.set(context)
        try:
            source = self._source_or_done()
            while source is not None and row <= last_row:
                when_ms = ticks[row]
                if takes_instants:
                    yield when_ms
                else:
                    yield from clock.sleep_until(when_ms).__await__()
                context.when_ms = desk.when_ms = when_ms
                desk.row = row
                desk.price = price = prices[row]
                if bus.version != publisher.version:
                    publisher.refresh(when_ms)
                    if clock.now_ms < when_ms:
                        yield from self._obey(clock.now_ms)
                        row = next_row(source, desk.row)
                        continue
                state = desk.state
                if state is None:
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
                    if publisher.hears_active_only and not outbox:
                        row += 1
                        continue
                else:
                    yield from self._tick(source)
                if outbox:
                    yield from self._publish_outbox()
                if publisher.tick:
                    yield from self._ping_tick()
                row = next_row(source, row)
        except BaseException as error:
            if is_from_outside(error):
                raise
            yield from self._fail(error)
        if publisher.hears(SessionEnded, context.when_ms):
            yield from self._tell_end(clock)

    async def _fail(self, error: BaseException) -> None:
        """Record *error* of the strategy; what is open is given up."""
        self.error = one_line(error)
        if self._gate is not None:
            self._gate.abandons(self._desk.price)
        await self._publisher.publish(self._publisher.failure(self._context.when_ms, "strategy", error))

    def _source_or_done(self) -> SignalSource | None:
        """Return where signals come from; None for a batch session that did not wait for the clock, and is through."""
        self._context.when_ms = self._plan.start_ms
        source = signal_source(self._plan, self._market)
        is_alone = self._plan.runs_ahead and self._gate is None and not self._publisher.has_listeners
        if not (isinstance(source, EntryTable) and self._plan.sees_ahead and is_alone):
            return source
        run_alone(self._desk, source, self._plan.start_ms, self._judge, self._interval_ms)
        self._publisher.record_all(self._desk.outbox)
        return None

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
            await self._publish_outbox()
        desk.through()
        if desk.state is None:
            if may_ask and desk.row < self._last_row:
                await self._ask(source, desk.when_ms, desk.price)
        elif was_open and type(desk.state) is Position and self._publisher.active:
            ping, closed = PositionActive(*desk.stamp(), desk.price, desk.settle(desk.row)), len(desk.trades)
            for handler in self._publisher.active:
                if len(desk.trades) == closed:  # whoever comes after a close has no position to hear of
                    await self._publisher.tell(handler, ping)

    async def _obey(self, now_ms: int) -> None:
        """Do what the portfolio orders at *now_ms*, before the tick this session slept for."""
        desk = self._desk
        desk.move_to(self._market.row_at(now_ms))
        desk.when_ms = self._context.when_ms = now_ms
        stop = None if self._gate is None else self._gate.stop_at(now_ms)
        if stop is not None:
            desk.obey(stop.action)
        await self._publish_outbox()

    async def _ask(self, source: SignalSource, when_ms: int, price: float) -> None:
        """Ask for a signal if this slot has not been used yet and entries are not stopped, and act on it."""
        slot = when_ms // self._interval_ms
        if slot != self._slot and (self._gate is None or self._gate.stop_at(when_ms) is None):
            self._slot = slot
            meter = source.meter
            try:
                begun_s = meter.now() if next(meter.dues) else None
                try:
                    answer = source.ask(when_ms, price)
                    if answer is not None and type(answer) is not Signal:
                        answer = await self._answer(answer)
                finally:
                    if begun_s is not None:
                        meter.ended(begun_s)
            except TookTooLongError as error:
                await self._cut_off(error)
            else:
                if answer is not None:
                    self._judge(answer)
                    await self._publish_outbox()
        if self._publisher.idle and self._desk.state is None:
            ping = SessionIdle(*self._desk.stamp(), price)
            for handler in self._publisher.idle:
                await self._publisher.tell(handler, ping)

    async def _answer(self, answer: Any) -> Any:  # noqa: ANN401 - whatever the author's code returns
        """Await *answer* if it can be awaited, within the time a signal may take."""
        return await within(answer, self._plan.settings.max_signal_seconds) if hasattr(answer, "__await__") else answer

    async def _cut_off(self, error: TookTooLongError) -> None:
        cut = as_told(error, "max_signal_seconds", self._plan.settings.max_signal_seconds, what="get_signal")
        await self._publisher.publish(self._publisher.failure(self._desk.when_ms, "get_signal", cut))

    def _judge(self, answer: object) -> None:
        """Act on what the strategy returned: open, wait, or say what is wrong with it."""
        desk = self._desk
        if isinstance(answer, Signal):
            problems = problems_of(answer, desk.price, self._plan.settings)
            if not problems and (validators := self._plan.strategy.validators):
                problems = desk.judged(partial(vetoes, validators, answer, desk.price, self.handler_seconds))
            if not problems:
                desk.accept(answer, signal_id(self._id_prefix, desk.when_ms))
        else:
            problems = [f"get_signal must return a Signal or None, was {type(answer).__name__}"]
        if problems:
            desk.outbox.append(SignalInvalid(*self._desk.stamp(), answer, desk.price, tuple(problems)))

    async def _publish_outbox(self) -> None:
        outbox = self._desk.outbox
        while outbox:
            await self._publisher.publish(outbox.popleft())

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
        if publisher.tick or not self._plan.sees_ahead:
            return row + 1
        if state is not None:
            return row + 1 if publisher.active and type(state) is Position else desk.ahead.quiet_until
        if publisher.idle:
            return row + 1
        from_ms = desk.when_ms + MINUTE_MS
        stop = None if self._gate is None else self._gate.stop_at(from_ms)
        if stop is not None:
            return self._last_row + 1 if stop.until_ms is None else self._market.row_from(stop.until_ms)
        if from_ms // self._interval_ms == self._slot:
            from_ms = slot_end_ms(desk.when_ms, self._interval_ms)
        next_ms = source.next_ms(from_ms)
        return self._last_row + 1 if next_ms is None else self._market.row_from(next_ms)
