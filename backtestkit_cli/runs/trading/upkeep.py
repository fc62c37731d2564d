"""What goes on beside the sessions of a trading run: the stream, the connection, the clocks, alerts, and the status."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from backtestkit_cli.engine.wall_clock import WallClock
from backtestkit_cli.events.facts import ErrorOccurred, Event
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.trading.candles import Problem
from backtestkit_cli.runs.trading.clock_watch import JumpWatch, SkewWatch
from backtestkit_cli.runs.trading.connection import Connection
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.lateness import Lateness
from backtestkit_cli.runs.trading.memory import resident_mb
from backtestkit_cli.runs.trading.notices import Notices
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper
from backtestkit_cli.runs.trading.status import RunStatus
from backtestkit_cli.runs.trading.store_watch import StoreWatch

_SKEW_EVERY_S = 3600.0
_ALERTS_END_S = 5.0


class Upkeep:
    """Looks after one run, as an async context manager around it; on leaving it everything outside is closed.

    `connection` is told by whoever finds a way to the venue lost, or leading there again.
    """

    def __init__(
        self,
        plan: TradingPlan,
        outside: Outside,
        life: RunLife,
        status: RunStatus,
        on_status: Callable[[RunStatus], None],
    ) -> None:
        """Prepare to look after the run of *plan*; *on_status* is told its *status* at each beat and tick."""
        self._outside = outside
        self._life = life
        self._status = status
        self._on_status = on_status
        self._keepers: Sequence[SessionKeeper] = ()
        self._by_session: dict[tuple[str, str], SessionKeeper] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stream: Any = None
        self._floor: Floor | None = None
        now_ms = outside.time.now_ms
        self._notices = Notices(life)
        self.connection = Connection(now_ms, self._notices.tell)
        self._store = StoreWatch(outside.tenure, outside.hindrances)
        self._lateness = Lateness(plan.options.max_lateness_seconds, self._notices.tell)
        read_clock = getattr(outside.source, "read_clock", None)
        self._skew = None
        if read_clock is not None and not outside.is_history:
            most_s = plan.options.max_clock_skew_seconds
            self._skew = SkewWatch(outside.source.name, read_clock, most_s, outside.hindrances, self._notices.tell)

    async def __aenter__(self) -> Self:
        try:
            if self._outside.outbox is not None:
                from backtestkit_cli.alerts.outbox import listener

                await self._outside.outbox.start()
                self._life.bus.subscribe(listener(self._outside.outbox))
            if self._skew is not None:
                await self._skew.demand()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._close()

    def begin(self, floor: Floor, keepers: Sequence[SessionKeeper], clock: WallClock) -> None:
        """Look after *keepers*, whom *clock* wakes, from now on."""
        self._keepers = keepers
        self._by_session = {(keeper.spec.name, keeper.symbol): keeper for keeper in keepers}
        self._floor = floor
        feed = floor.feed
        feed.on_candle = self._outside.broker.candle_closed
        feed.on_change = clock.look_again
        feed.on_problem = self._hear_problem
        self._notices.start(floor.seen_at)
        if self._outside.is_history:
            return
        self._listen(sorted({keeper.symbol for keeper in keepers}), feed.tell)
        jumps = JumpWatch(self._outside.time.now_ms, self._outside.steady_s, self._notices.tell)
        self._go_on(self._beat(clock, jumps))
        if self._skew is not None:
            self._go_on(self._compare_clocks(self._skew))

    def hear(self, event: Event) -> None:
        """Show *event* with its session."""
        keeper = self._by_session.get((event.strategy, event.symbol))
        if keeper is not None:
            keeper.status.last_event = event_kind(type(event))
            keeper.status.last_event_ms = event.at_ms

    def passed(self, number: int, at_ms: int) -> None:
        """Take note that the session with that *number*, or what comes before sessions, is through with *at_ms*."""
        if number < 0:
            return
        keeper = self._keepers[number]
        keeper.lateness_ms = self._outside.time.now_ms() - at_ms
        if not self._outside.is_history:
            self._lateness.passed(keeper.spec.name, keeper.symbol, at_ms, keeper.lateness_ms)
        self._status.now_ms = self._outside.time.now_ms()
        keeper.note()
        self._on_status(self._status)

    def show(self) -> None:
        """Bring what is shown up to the present."""
        self._status.now_ms = self._outside.time.now_ms()
        self._status.memory_mb = resident_mb()
        for keeper in self._keepers:
            keeper.note()
        self._on_status(self._status)

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _listen(self, symbols: Sequence[str], tell: Callable[..., None]) -> None:
        """Let a stream *tell* of candles, where the venue has one."""
        stream_of = getattr(self._outside.source, "stream", None)
        self._stream = None if stream_of is None else stream_of(self._outside.rng)
        if self._stream is not None:
            self._stream.start(symbols, tell)

    async def _beat(self, clock: WallClock, jumps: JumpWatch) -> None:
        while True:
            await asyncio.sleep(self._outside.beat_s)
            jumps.look()
            self._store.look(self._keepers, self.connection)
            clock.look_again()
            self.show()

    async def _compare_clocks(self, skew: SkewWatch) -> None:
        while True:
            await self._outside.time.sleep(_SKEW_EVERY_S)
            await skew.look(self._outside.time.now_ms())

    def _hear_problem(self, symbol: str, problem: Problem | None) -> None:
        """Tell that the candles of *symbol* do not go on, or go on again."""
        if problem is None:
            self.connection.restored(symbol)
        elif problem.is_connection:
            self.connection.lost(symbol, problem.reason)
        else:
            now_ms = self._outside.time.now_ms()
            self._notices.tell(ErrorOccurred(now_ms, "", symbol, "candles", problem.reason, "the symbol waits"))

    async def _close(self) -> None:
        """Close everything that was opened, whatever fails at it; alerts are last, for they are to tell of the rest."""
        for task in self._tasks:
            task.cancel()
        outside = self._outside
        ends: list[Callable[[], Awaitable[object]]] = [self._notices.close]
        if self._stream is not None:
            ends.append(self._stream.close)
        if self._floor is not None:
            ends.append(self._floor.feed.close)
        ends += [outside.source.close, outside.broker.disconnect]
        if outside.outbox is not None:
            ends.append(partial(outside.outbox.close, _ALERTS_END_S))
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [one for one in outcomes if isinstance(one, Exception)]
        for end in ends:
            try:
                await end()
            except Exception as error:  # noqa: BLE001 - the others are closed first
                failures.append(error)
        for failure in failures:
            raise failure
