"""One strategy on one symbol: at each tick gather, decide, act. No line of it knows which clock it runs on."""

import hashlib
from dataclasses import dataclass
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import Signal, problems_of
from backtestkit_cli.engine.ambient import Markets, SessionContext
from backtestkit_cli.engine.asking import AskFunction, SignalSource, TookTooLongError, within
from backtestkit_cli.engine.columns import EntryTable, Indicators
from backtestkit_cli.engine.desk import Desk, DeskPlan
from backtestkit_cli.engine.failures import is_from_outside
from backtestkit_cli.engine.lifecycle import signal_id, slot_end_ms
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.publishing import Publisher, one_line
from backtestkit_cli.engine.vetoes import vetoes
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event, PositionActive, SessionIdle, SignalInvalid, TickPassed
from backtestkit_cli.ports import Clock

_new_tuple = tuple.__new__  # a NamedTuple made by its own constructor takes twice as long


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What one session runs; `sees_ahead` allows it to sleep until something happens, see `DeskPlan`."""

    run_id: str
    mode: str
    exchange: str
    frame: str
    symbol: str
    strategy: StrategySpec
    settings: Settings
    start_ms: int
    end_ms: int
    sees_ahead: bool = True


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
        self._desk = Desk(desk_plan, self._market)
        self.handler_seconds = plan.settings.max_handler_seconds
        self._publisher = Publisher(
            bus, strategy=spec.name, symbol=symbol, mode=plan.mode, handler_seconds=self.handler_seconds
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
            commands=self._desk,
        )
        self._slot = -1
        names = f"{plan.mode}|{plan.exchange}|{spec.name}|{symbol}"
        self._id_prefix = hashlib.blake2b(names.encode(), digest_size=6).hexdigest()
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
        ambient.set(self._context)
        try:
            source = self._signal_source()
            if isinstance(source, EntryTable) and self._plan.sees_ahead and not self._publisher.has_listeners:
                self._run_alone(source)
            else:
                await self._live(clock, source)
        except BaseException as error:
            if is_from_outside(error):
                raise
            self.error = one_line(error)
            at_ms = self._context.when_ms or self._plan.start_ms
            await self._publisher.publish(self._publisher.failure(at_ms, "strategy", error))

    async def _live(self, clock: Clock, source: SignalSource) -> None:  # noqa: C901, PLR0912 - the hot loop, written out
        """Wake at every tick that may matter.

        The two branches written out here are the ones a run spends its time in: a quiet minute of an open
        position somebody watches, and asking a flat session for a signal. All else is in `_tick`.
        """
        desk, context, publisher = self._desk, self._context, self._publisher
        bus, sleep_until, next_row = publisher.bus, clock.sleep_until, self._next_row
        strategy, symbol = self._plan.strategy.name, self._plan.symbol
        ticks, last_row = self._market.ticks, self._last_row
        prices = desk.prices
        row = self._market.row_from(self._plan.start_ms)
        while row <= last_row:
            when_ms = ticks[row]
            await sleep_until(when_ms)
            context.when_ms = desk.when_ms = when_ms
            desk.row = row
            desk.price = price = prices[row]
            if bus.version != publisher.version:
                publisher.refresh()
            state = desk.state
            if state is None:
                if row < last_row:
                    await self._ask(source, when_ms, price)
            elif row < desk.quiet_until and type(state) is Position:
                ping = _new_tuple(PositionActive, (when_ms, strategy, symbol, price, state))
                for handler in publisher.active:
                    try:
                        outcome = handler(ping)
                    except BaseException as error:  # noqa: BLE001 - `report` passes on what is not the handler's
                        await publisher.report(handler, ping, error)
                    else:
                        if outcome is not None:
                            await publisher.finish(handler, ping, outcome)
                if publisher.hears_active_only and not desk.outbox:
                    row += 1
                    continue
            else:
                await self._tick(source)
            if desk.outbox:
                await self._publish_outbox()
            if publisher.tick:
                await self._ping_tick()
            row = next_row(source, row)

    def _signal_source(self) -> SignalSource:
        spec = self._plan.strategy
        if spec.get_signal is not None:
            return AskFunction(spec.get_signal, self._plan.symbol)
        assert spec.entries is not None  # noqa: S101 - registration sees to it
        self._context.when_ms = self._plan.start_ms
        return EntryTable(spec.entries, self._market.series(spec.interval))

    def _run_alone(self, table: EntryTable) -> None:
        """Go from entry to entry of the table without a clock: nobody hears when things happen."""
        desk = self._desk
        next_ms = table.next_ms(self._plan.start_ms)
        while next_ms is not None and (row := self._market.row_from(next_ms)) < self._last_row:
            desk.move_to(row)
            answer = table.ask(desk.when_ms, desk.price)
            if answer is not None:  # after a gap a newer candle may have closed, one without an entry
                self._judge(answer)
            free_ms = slot_end_ms(desk.when_ms, self._interval_ms)
            while desk.state is not None:
                desk.move_to(desk.quiet_until)
                is_free_now = desk.carry_out_due()
                free_ms = max(free_ms, desk.when_ms if is_free_now else desk.when_ms + MINUTE_MS)
            next_ms = table.next_ms(free_ms)
        self._publisher.record += desk.outbox
        desk.outbox.clear()

    async def _tick(self, source: SignalSource) -> None:
        """Do what the machine does by itself at this tick, or else tell who watches the position."""
        desk = self._desk
        act = desk.act_now()
        if act is not None:
            may_ask = desk.carry_out(act)
            await self._publish_outbox()
            if may_ask and desk.state is None and desk.row < self._last_row:
                await self._ask(source, desk.when_ms, desk.price)
        elif type(desk.state) is Position:
            ping = PositionActive(*self._stamp(), desk.price, desk.state)
            for handler in self._publisher.active:
                await self._publisher.tell(handler, ping)

    async def _ask(self, source: SignalSource, when_ms: int, price: float) -> None:
        """Ask for a signal if this slot has not been used yet, and act on it."""
        slot = when_ms // self._interval_ms
        if slot != self._slot:
            self._slot = slot
            try:
                answer = source.ask(when_ms, price)
                if answer is not None and type(answer) is not Signal:
                    answer = await self._answer(answer)
            except TookTooLongError as error:
                await self._cut_off(error)
            else:
                if answer is not None:
                    self._judge(answer)
                    await self._publish_outbox()
        if self._publisher.idle and self._desk.state is None:
            ping = SessionIdle(*self._stamp(), price)
            for handler in self._publisher.idle:
                await self._publisher.tell(handler, ping)

    async def _answer(self, answer: Any) -> Any:  # noqa: ANN401 - whatever the author's code returns
        """Await *answer* if it can be awaited, within the time a signal may take."""
        if not hasattr(answer, "__await__"):
            return answer
        return await within(answer, self._plan.settings.max_signal_seconds)

    async def _cut_off(self, error: TookTooLongError) -> None:
        limit = self._plan.settings.max_signal_seconds
        cut = TimeoutError(f"get_signal took longer than max_signal_seconds ({limit:g})")
        cut.__cause__ = error
        await self._publisher.publish(self._publisher.failure(self._desk.when_ms, "get_signal", cut))

    def _judge(self, answer: object) -> None:
        """Act on what the strategy returned: open, wait, or say what is wrong with it."""
        desk = self._desk
        if isinstance(answer, Signal):
            problems = problems_of(answer, desk.price, self._plan.settings)
            if not problems and (validators := self._plan.strategy.validators):
                problems = vetoes(validators, answer, desk.price, self.handler_seconds)
            if not problems:
                desk.accept(answer, signal_id(self._id_prefix, desk.when_ms))
        else:
            problems = [f"get_signal must return a Signal or None, was {type(answer).__name__}"]
        if problems:
            desk.outbox.append(SignalInvalid(*self._stamp(), answer, desk.price, tuple(problems)))

    async def _publish_outbox(self) -> None:
        outbox = self._desk.outbox
        while outbox:
            await self._publisher.publish(outbox.popleft())

    async def _ping_tick(self) -> None:
        state = self._desk.state
        position = state if isinstance(state, Position) else None
        waiting = None if state is None or position is not None else state.signal  # type: ignore[union-attr]
        ping = TickPassed(*self._stamp(), self._desk.price, position, waiting)
        for handler in self._publisher.tick:
            await self._publisher.tell(handler, ping)
        await self._publish_outbox()

    def _next_row(self, source: SignalSource, row: int) -> int:
        """Return the next row that may matter: without foresight, or with somebody listening, the next minute."""
        desk, publisher = self._desk, self._publisher
        state = desk.state
        if publisher.tick or not self._plan.sees_ahead:
            return row + 1
        if state is not None:
            return row + 1 if publisher.active and type(state) is Position else desk.quiet_until
        if publisher.idle:
            return row + 1
        from_ms = desk.when_ms + MINUTE_MS
        if from_ms // self._interval_ms == self._slot:
            from_ms = slot_end_ms(desk.when_ms, self._interval_ms)
        next_ms = source.next_ms(from_ms)
        return self._last_row + 1 if next_ms is None else self._market.row_from(next_ms)

    def _stamp(self) -> tuple[int, str, str]:
        return self._desk.when_ms, self._plan.strategy.name, self._plan.symbol
