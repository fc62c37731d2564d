"""Runs on a clock that is simulated but does not know its end: stopped, killed and started again over one store."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.events.facts import Event
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.ports import Json, Key
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import run_trading
from backtestkit_cli.runs.trading.status import RunStatus
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.markets import START_MS, Held, after_a_quiet_hour
from tests.warp import WarpTime, warped

QUICK = TradingOptions(settle_seconds=0.0, candle_patience_seconds=0.0)


T = TypeVar("T")


class Killed(BaseException):
    """The process is no more."""


class Passing(Held):
    """Candles that close as time passes."""

    def __init__(self, candles: Mapping[str, Candles], time: WarpTime) -> None:
        """Serve *candles* as of *time*, after an hour in which nothing happened."""
        super().__init__({symbol: after_a_quiet_hour(own) for symbol, own in candles.items()})
        self._time = time

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the minutes that have closed, or the days of them."""
        minutes = await super().fetch(symbol, "1m", start_ms, min(end_ms, self._time.now_ms()))
        return minutes if interval == "1m" else aggregated(minutes, interval_ms(interval), MINUTE_MS)


class Frozen(MemoryStore):
    """A store that remembers what was there at the first write that `is_last` says so of, which is all that is left."""

    def __init__(self, contents: dict[Key, bytes], is_last: Callable[[Key, Json], Any], *, is_written: bool) -> None:
        """Go on with *contents*; the last write *is_written* or not."""
        super().__init__(contents)
        self.left: MemoryStore | None = None
        self._is_last = is_last
        self._is_written = is_written

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Write, and remember what is there before or after it."""
        is_last = self.left is None and any(
            bool(record.get("content")) and bool(self._is_last(key, record)) for key, record in records.items()
        )
        if is_last and not self._is_written:
            self._freeze()
        await super().write_all(records)
        if is_last and self._is_written:
            self._freeze()

    def _freeze(self) -> None:
        self.left = MemoryStore(dict(self.contents))


@dataclass(kw_only=True)
class Bot:
    """A bot on a machine: its store, its files and its candles outlive its processes. Minutes count from `START_MS`."""

    plan: RunPlan
    candles: Mapping[str, Candles]
    out: Path | str = ""
    store: MemoryStore = field(default_factory=MemoryStore)
    options: TradingOptions = QUICK
    on_look: Callable[[RunStatus], None] = lambda _status: None
    heard: list[Event] = field(default_factory=list)
    status: RunStatus | None = None
    now_ms: Callable[[], int] = lambda: START_MS

    def lives(self, start: int, until: int, *, killed: bool = False) -> RunOutcome | None:
        """Run a process from minute *start* to minute *until*, where it is stopped, or *killed*; None if it was."""
        found: list[RunOutcome] = []
        with suppress(Killed):
            found.append(warped(self._process(start, until, killed=killed)))
        return found[0] if found else None

    def dies(self, start: int, until: int, last: Callable[[Key, Json], Any], *, is_written: bool = True) -> int:
        """Run a process that is no more at the write that *last* says so of, and return the minute of it.

        It goes on in truth, but nothing is left of what it did after that: neither in the store nor in `heard`.
        """
        died: list[int] = []

        def is_last(key: Key, record: Json) -> bool:
            if last(key, record):
                died.append(minute_of(self.now_ms()))
            return bool(died)

        store = self.store = Frozen(self.store.contents, is_last, is_written=is_written)

        def look(_status: RunStatus) -> None:
            if store.left is not None:
                raise Killed

        self.on_look = look
        self.lives(start, until)
        assert store.left is not None, "it died"
        self.store = store.left
        self.on_look = lambda _status: None
        return died[0]

    def outcome(self, start: int, until: int) -> RunOutcome:
        """Run a process to its stop, and return what it leaves."""
        found = self.lives(start, until)
        assert found is not None
        return found

    async def _process(self, start: int, until: int, *, killed: bool) -> RunOutcome:
        time, stop = WarpTime(START_MS + start * MINUTE_MS), StopRequest()
        plan = replace(self.plan, mode="paper", source=Passing(self.candles, time))
        self.now_ms = time.now_ms
        paper = PaperOptions(balance=1e9)
        broker = await PaperBroker.recalled(
            paper,
            {name: Costs.of(settings) for name, settings in plan.settings.items()},
            quote="quote",
            store=self.store,
            key=("paper", "held", "account", "simulated"),
        )

        def look(status: RunStatus) -> None:
            self.status = status
            try:
                self.on_look(status)
                if status.now_ms >= START_MS + until * MINUTE_MS:
                    if killed:
                        raise Killed
                    stop.request()
            except Killed:
                deaths.append(True)
                trading_task.cancel()

        outside = Outside(
            time=time,
            store=self.store,
            broker=broker,
            source=plan.source,
            rng=random.Random(1),
            lock=nullcontext(),
            steady_s=time.steady_s,
            beat_s=30.0,
        )
        trading = TradingPlan(run=plan, options=self.options, paper=paper, store=StoreOptions(), out=str(self.out))

        def hear(event: Event) -> None:
            if getattr(self.store, "left", None) is None:
                self.heard.append(event)

        deaths: list[bool] = []
        run = run_trading(trading, stop=stop, outside=outside, on_status=look, on_event=hear)
        trading_task = asyncio.ensure_future(run)
        try:
            return await trading_task
        except asyncio.CancelledError:
            if deaths:
                raise Killed from None
            raise


def minute_of(at_ms: int) -> int:
    """Return the minute of an instant."""
    return (at_ms - START_MS) // MINUTE_MS


def of_kind(events: Sequence[Event], kind: type) -> list[Any]:
    """Return the events of *kind*."""
    return [event for event in events if isinstance(event, kind)]


def run_now(awaitable: Coroutine[Any, Any, T]) -> T:
    """Return what *awaitable* returns."""
    return asyncio.run(awaitable)
