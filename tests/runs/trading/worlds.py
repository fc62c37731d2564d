"""Trading runs in a present of their own: the candles of the demo market close as a warp loop leaps on."""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.errors import VenueError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.runs.trading.assembly import assemble_trading
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import Trading
from backtestkit_cli.runs.trading.status import RunStatus
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.builders import START_MS
from tests.warp import WarpTime

QUIET = """
from backtestkit_cli import add_strategy

add_strategy("quiet", interval="1m", get_signal=lambda symbol, when, price: None)
"""
EAGER = """
from backtestkit_cli import Signal, add_strategy


def get_signal(symbol, when, price):
    return Signal(position="long", take_profit=price * 1.02, stop_loss=price * 0.98, minutes=2)


add_strategy("eager", interval="1m", get_signal=get_signal)
"""


def minute_of(at_ms: int) -> int:
    """Return how many whole minutes after the start *at_ms* is."""
    return (at_ms - START_MS) // MINUTE_MS


class Present:
    """The demo market as a venue that has only what has closed; it fails as it is told to.

    `is_down` and `frozen_at` (the newest minute there is) are asked with the second since the start, `holes` are
    minutes without trades, by symbol. `asked` are the seconds of all requests.
    """

    name = "present"
    is_synthetic = True

    def __init__(self, time: WarpTime) -> None:
        self._time = time
        self._demo = DemoMarket()
        self.is_down: Callable[[float, str], bool] = lambda _second, _symbol: False
        self.frozen_at: Callable[[float, str], int | None] = lambda _second, _symbol: None
        self.holes: dict[str, set[int]] = {}
        self.lag_s = 0.3
        self.slow_s = 0.05
        self.asked: list[tuple[str, float]] = []
        self.is_closed = False

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        second = (self._time.now_ms() - START_MS) / 1000
        self.asked.append((symbol, second))
        await asyncio.sleep(self.slow_s)
        if self.is_down(second, symbol):
            raise VenueError("present: no answer after 2 attempts")
        known_ms = floor_to(START_MS + round((second - self.lag_s) * 1000), MINUTE_MS)
        frozen = self.frozen_at(second, symbol)
        if frozen is not None:
            known_ms = START_MS + frozen * MINUTE_MS
        if min(end_ms, known_ms) <= start_ms:
            return Candles.empty()
        found = await self._demo.fetch(symbol, interval, start_ms, min(end_ms, known_ms))
        missing = self.holes.get(symbol, set())
        keep = [row for row in range(len(found)) if minute_of(int(found.timestamp[row])) not in missing]
        return Candles.joined([found.slice(row, row + 1) for row in keep]) if missing else found

    def format_price(self, symbol: str, price: float) -> str:
        return self._demo.format_price(symbol, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        return self._demo.format_quantity(symbol, quantity)

    async def close(self) -> None:
        self.is_closed = True


@dataclass
class World:
    """One run: what it is given, and what it told. `ticks` are (strategy, symbol, minute, second it was through)."""

    plan: TradingPlan
    time: WarpTime
    source: Any
    outside: Outside
    stop: StopRequest = field(default_factory=StopRequest)
    events: list[Event] = field(default_factory=list)
    statuses: list[RunStatus] = field(default_factory=list)
    ticks: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    outcome: RunOutcome | None = None
    trading: Any = None
    keeps_statuses: bool = True

    @property
    def second(self) -> float:
        return (self.time.now_ms() - START_MS) / 1000

    def told(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    def minutes_of(self, symbol: str) -> list[int]:
        return [minute for minute, _ in self.ticks.get(symbol, [])]

    def _hear(self, status: RunStatus) -> None:
        if self.keeps_statuses:
            self.statuses.append(replace(status, sessions=[replace(one) for one in status.sessions]))
        for one in status.sessions:
            ticks = self.ticks.setdefault(one.symbol, [])
            if one.tick_ms > START_MS and (not ticks or ticks[-1][0] != minute_of(one.tick_ms)):
                ticks.append((minute_of(one.tick_ms), round(self.second)))

    async def live(self, minutes: float) -> "World":
        """Trade for so many *minutes*."""
        self.trading = Trading(self.plan, self.outside, self._hear, self.events.append)
        await self.outside.store.wait_for_init()
        running = asyncio.ensure_future(self.trading.trade(self.stop))
        await asyncio.wait([running], timeout=minutes * 60)
        self.stop.request()
        self.outcome = await running
        return self


async def a_world(
    folder: Path,
    *symbols: str,
    strategy: str = QUIET,
    sets: Iterable[str] = (),
    begins_s: float = 0.0,
    beat_s: float = 15.0,
    source: Callable[[WarpTime], Any] = Present,
    outbox: Callable[[Any, WarpTime], Any] | None = None,
    store: Any = None,
) -> World:
    """Return a paper run of *strategy*; only within a warp loop."""
    entry = folder / "own.py"
    entry.write_text(strategy, encoding="utf-8")
    flags = {"entry": str(entry), "symbols": list(symbols or ("BTCUSDT",))}
    loaded = load_config(None, flags=flags, sets=tuple(sets), environ={}, dotenv=None, default=None)
    plan = assemble_trading(loaded, mode="paper", environ={})
    time = WarpTime(START_MS + round(begins_s * 1000))
    there, store = source(time), store or MemoryStore()
    costs = {name: Costs.of(one) for name, one in plan.run.settings.items()}
    key = ("paper", "demo", "account", "simulated")
    broker = await PaperBroker.recalled(plan.paper, costs, quote="quote", store=store, key=key)
    outside = Outside(
        time=time,
        store=store,
        broker=broker,
        source=there,
        rng=random.Random(1),
        lock=nullcontext(),
        outbox=None if outbox is None else outbox(store, time),
        steady_s=time.steady_s,
        beat_s=beat_s,
    )
    return World(replace(plan, run=replace(plan.run, source=there)), time, there, outside)
