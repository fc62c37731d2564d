"""One strategy on one symbol: at each tick gather, decide, act. No line of it knows which clock it runs on."""

import hashlib
from dataclasses import dataclass
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.registry import StrategySpec
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import Signal, problems_of
from backtestkit_cli.engine.ambient import Markets, SessionContext
from backtestkit_cli.engine.asking import AskFunction, SignalSource, within
from backtestkit_cli.engine.columns import EntryTable, Indicators
from backtestkit_cli.engine.desk import Desk, DeskPlan
from backtestkit_cli.engine.lifecycle import signal_id, slot_end_ms
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.publishing import Publisher, one_line
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event, PositionActive, SessionIdle, SignalInvalid, TickPassed
from backtestkit_cli.ports import Clock


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
        self._publisher = Publisher(bus, strategy=spec.name, symbol=symbol, mode=plan.mode)
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
        names = "|".join((plan.mode, plan.exchange, spec.name, symbol))
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
            await self._live(clock, self._signal_source())
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self.error = one_line(error)
            at_ms = self._context.when_ms or self._plan.start_ms
            await self._publisher.publish(self._publisher.failure(at_ms, "strategy", error))

    def _signal_source(self) -> SignalSource:
        spec = self._plan.strategy
        if spec.get_signal is not None:
            return AskFunction(spec.get_signal, self._plan.symbol)
        assert spec.entries is not None  # noqa: S101 - registration sees to it
        self._context.when_ms = self._plan.start_ms
        return EntryTable(spec.entries, self._market.series(spec.interval))

    async def _live(self, clock: Clock, source: SignalSource) -> None:
        desk, context, publisher = self._desk, self._context, self._publisher
        row, last_row = self._market.row_at(self._plan.start_ms), self._last_row
        first_ms = self._market.time_of(0)
        strategy, symbol = self._plan.strategy.name, self._plan.symbol
        prices = desk.prices
        while row <= last_row:
            when_ms = first_ms + row * 60_000
            await clock.sleep_until(when_ms)
            context.when_ms = desk.when_ms = when_ms
            desk.row = row
            publisher.refresh()
            state = desk.state
            if row < desk.quiet_until and type(state) is Position:
                # The one path that runs every minute: a quiet tick of an open position somebody watches.
                ping = PositionActive._make((when_ms, strategy, symbol, prices.item(row), state))
                for handler in publisher.active:
                    await publisher.tell(handler, ping)
            else:
                await self._tick(source)
            if desk.outbox:
                await self._publish_outbox()
            if publisher.tick:
                await self._ping_tick()
            row = self._next_row(source)

    async def _tick(self, source: SignalSource) -> None:
        desk = self._desk
        may_ask = desk.state is None
        act = desk.act_now()
        if act is not None:
            may_ask = desk.carry_out(act)
            await self._publish_outbox()
        elif type(desk.state) is Position:
            ping = PositionActive(*self._stamp(), desk.price, desk.state)
            for handler in self._publisher.active:
                await self._publisher.tell(handler, ping)
            await self._publish_outbox()
        if may_ask and desk.state is None and desk.row < self._last_row:
            await self._ask(source)

    async def _ask(self, source: SignalSource) -> None:
        desk, settings = self._desk, self._plan.settings
        slot = desk.when_ms // self._interval_ms
        if slot != self._slot:
            self._slot = slot
            answer = source.ask(desk.when_ms, desk.price)
            if hasattr(answer, "__await__"):
                answer = await self._awaited(answer)
            if answer is not None:
                await self._judge(answer, settings)
        if desk.state is None and self._publisher.idle:
            ping = SessionIdle(*self._stamp(), desk.price)
            for handler in self._publisher.idle:
                await self._publisher.tell(handler, ping)

    async def _awaited(self, answer: Any) -> Any:  # noqa: ANN401 - the author's awaitable
        limit = self._plan.settings.max_signal_seconds
        try:
            return await within(answer, limit)
        except TimeoutError as error:
            cut = TimeoutError(f"get_signal took longer than max_signal_seconds ({limit:g})")
            cut.__cause__ = error
            await self._publisher.publish(self._publisher.failure(self._desk.when_ms, "get_signal", cut))
            return None

    async def _judge(self, answer: object, settings: Settings) -> None:
        desk = self._desk
        if isinstance(answer, Signal):
            problems = problems_of(answer, desk.price, settings)
        else:
            problems = [f"get_signal must return a Signal or None, was {type(answer).__name__}"]
        if problems:
            desk.outbox.append(SignalInvalid(*self._stamp(), answer, desk.price, tuple(problems)))
        elif isinstance(answer, Signal):
            desk.accept(answer, signal_id(self._id_prefix, desk.when_ms))
        await self._publish_outbox()

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

    def _next_row(self, source: SignalSource) -> int:
        """Return the next row that may matter: without foresight, or with somebody listening, the next minute."""
        desk, publisher = self._desk, self._publisher
        following = desk.row + 1
        state = desk.state
        if not self._plan.sees_ahead or publisher.tick:
            return following
        if state is not None:
            return following if publisher.active and type(state) is Position else desk.quiet_until
        if publisher.idle:
            return following
        candidate_ms = self._market.time_of(following)
        if candidate_ms // self._interval_ms == self._slot:
            candidate_ms = slot_end_ms(desk.when_ms, self._interval_ms)
        next_ms = source.next_ms(candidate_ms)
        return self._last_row + 1 if next_ms is None else self._market.row_at(next_ms)

    def _stamp(self) -> tuple[int, str, str]:
        return self._desk.when_ms, self._plan.strategy.name, self._plan.symbol
