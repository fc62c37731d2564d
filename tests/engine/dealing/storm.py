"""A trading run of its whole length on virtual time, at a venue where things go wrong, and what must hold of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

import backtestkit_cli as btk
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import StoreUnavailableError, VenueError
from backtestkit_cli.events.facts import Event, PositionClosed, SignalCancelled
from backtestkit_cli.events.venue_facts import OrderRejected, OrderUnsettled
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.ports import Json, Key
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import Trading
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.engine.dealing.matcher_broker import MatcherBroker
from tests.engine.dealing.mishaps import Mishap, Mishaps, Steps
from tests.engine.dealing.virtual import VirtualTime, at_once
from tests.markets import START_MS, Held, after_a_quiet_hour, plan_for, registered
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.terms import Terms
from tests.venue.symbols import SymbolFacts

WARM_UP = 10
MONEY = Decimal(1_000_000)
STEP = Decimal("0.0001")
SLOT = 30


@dataclass
class Storm:
    """What a run left: its sessions' memories and trades by symbol, its events, and the account at the venue."""

    broker: MatcherBroker
    memories: dict[str, SessionMemory] = field(default_factory=dict)
    trades: dict[str, list[Trade]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    can_save: bool = True
    longest_naked: dict[str, int] = field(default_factory=dict)

    @property
    def matcher(self) -> Matcher:
        return self.broker.matcher

    def net(self) -> float:
        return sum(trade.gain.net for trades in self.trades.values() for trade in trades)

    def given_up(self) -> set[str]:
        """Return the ids of the signals that were cancelled, or an order refused or given up, as was told."""
        cancelled = {event.signal_id for event in self.events if isinstance(event, SignalCancelled)}
        return cancelled | {
            event.client_id.rpartition("-")[0]
            for event in self.events
            if isinstance(event, OrderRejected) or (isinstance(event, OrderUnsettled) and event.is_given_up)
        }


def walks(seed: int, symbols: int, minutes: int) -> dict[str, Candles]:
    """Return random walks on the grid of the venue."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(symbols):
        close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.002, minutes))), 2)
        opened = np.concatenate(([100.0], close[:-1]))
        wick = np.round(np.abs(rng.normal(0, 0.1, (2, minutes))), 2)
        found[f"C{number}/USDT"] = Candles.frozen(
            START_MS + np.arange(minutes) * MINUTE_MS,
            opened,
            np.maximum(opened, close) + wick[0],
            np.minimum(opened, close) - wick[1],
            close,
            np.full(minutes, 1000.0),
        )
    return found


def register() -> None:
    """Register a strategy that is flat again before each slot begins, and does all that can be done meanwhile."""
    btk.add_strategy("s", interval=f"{SLOT}m", get_signal=_signal, on_active=_acts)


def _signal(symbol: str, when: datetime, price: float) -> btk.Signal | None:
    draw = random.Random(f"{symbol} {when.isoformat()}")
    stop, target = round(price * (1 - draw.uniform(0.004, 0.02)), 2), round(price * (1 + draw.uniform(0.004, 0.02)), 2)
    parts: dict[str, Any] = {"position": "long", "take_profit": target, "stop_loss": stop, "minutes": 18, "cost": 1000}
    kind = draw.randrange(5)
    if kind == 0:
        parts["price_open"] = round(price * 0.999, 2)
    elif kind == 1:
        parts |= {"trailing_stop_pct": 0.5}
    elif kind == 2:
        parts |= {"breakeven_at_pct": 0.3, "stop_loss": round(price * 0.97, 2)}
        parts["ladder"] = btk.Ladder(step_pct=0.3, entries=3)
    return btk.Signal(**parts)


def _acts(event: btk.PositionActive) -> None:
    minute = event.at_ms // MINUTE_MS % SLOT
    draw = random.Random(f"{event.symbol} {event.at_ms}")
    act = draw.random()
    if minute == 5 or act < 0.04:
        btk.partial_close(draw.choice([25, 50]))
    elif minute == 7 or act < 0.12:
        btk.average_buy(500)
    elif minute > 9 and act < 0.2:
        btk.average_buy(300)
        btk.close_position("enough")


def blown_over(
    candles: dict[str, Candles],
    mishaps: Mishaps,
    *,
    calm: int = 60,
    registry: Any = None,
    fatal: Collection[int] = (),
    disk: Mishaps | None = None,
    **terms: Any,
) -> Storm:
    """Return what a run over *candles* left, of whose minutes the last *calm* bring no mishaps.

    At the *fatal* steps its process is killed and starts again; *disk* draws which records cannot be saved.
    """
    return at_once(_run(candles, mishaps, calm, registry or registered(register), (fatal, disk), terms))


async def _run(  # noqa: PLR0915 - one after the other
    candles: dict[str, Candles],
    mishaps: Mishaps,
    calm: int,
    registry: Any,
    troubles: tuple[Collection[int], Mishaps | None],
    terms: dict[str, Any],
) -> Storm:
    first = next(iter(candles.values()))
    minutes = len(first) - WARM_UP - 1
    begin_ms = START_MS + WARM_UP * MINUTE_MS
    time, steps = VirtualTime(begin_ms), Steps(troubles[0])
    store = _Disk(steps, troubles[1])
    venue_terms = {name: terms.pop(name) for name in ("has_pairs", "rests_limits", "min_quantity") if name in terms}
    options = TradingOptions(**terms.pop("options", {}))
    facts = [SymbolFacts(name.replace("/", ""), name[:-5], "USDT", quantity_step=STEP) for name in candles]
    matcher = Matcher(facts, {"USDT": MONEY}, Terms(**terms), now_ms=begin_ms)
    broker = MatcherBroker(matcher, time.now_ms, mishaps, steps=steps, **venue_terms)
    settings = Settings(fee_pct=0.1, fill_model=FillModelName.CANDLE, schedule_await_minutes=8)
    run = replace(plan_for(registry, candles, warm_up=WARM_UP, settings=settings), mode="live")
    plan = TradingPlan(run=run, options=options, paper=PaperOptions(), store=StoreOptions())
    outside = Outside(
        time=time,
        store=store,
        broker=broker,
        source=Present(candles, time),
        rng=random.Random(1),
        lock=nullcontext(),
        steady_s=asyncio.get_running_loop().time,
        beat_s=30.0,
    )
    storm, stop = Storm(broker, can_save=troubles[1] is None), StopRequest()
    watch = _Watch(storm, time)
    broker.on_candle = watch.look

    async def director() -> None:
        _becalm(troubles[1], is_calm=True)  # a process that cannot save at its start does not start
        await asyncio.sleep(90)
        _becalm(troubles[1], is_calm=False)
        await asyncio.sleep((minutes - calm) * 60 - 90)
        for one in (mishaps, troubles[1]):
            _becalm(one, is_calm=True)
        await asyncio.sleep(calm * 60 - 30)
        stop.request()

    directing = asyncio.ensure_future(director())
    trading: Trading | None = None
    while not directing.done():
        steps.died.clear()
        watch.trading = trading = Trading(plan, outside, lambda _status: None, storm.events.append)
        living, dying = asyncio.ensure_future(trading.trade(stop)), asyncio.ensure_future(steps.died.wait())
        await asyncio.wait((living, dying), return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if living.done() and not isinstance(living.exception(), VenueError):
            living.result()
            break
        if living.done():  # one that does not reach the venue does not start, and is started again at once
            dying.cancel()
            await asyncio.sleep(1)
            continue
        storm.deaths += 1
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        await asyncio.sleep(60 - (time.now_ms() - START_MS) / 1000 % 60)
    await directing
    for keeper in trading.keepers if trading is not None else ():
        storm.memories[keeper.symbol] = keeper.memory
        storm.trades[keeper.symbol] = list(keeper.trades)
        if keeper.error:
            storm.errors[keeper.symbol] = keeper.error
    return storm


def _becalm(mishaps: Mishaps | None, *, is_calm: bool) -> None:
    if mishaps is not None:
        mishaps.is_calm = is_calm


class Present(Held):
    """Candles that are there once they are over."""

    def __init__(self, candles: dict[str, Candles], time: VirtualTime) -> None:
        super().__init__({symbol: after_a_quiet_hour(own) for symbol, own in candles.items()})
        self._time = time

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        over_ms = self._time.now_ms() // MINUTE_MS * MINUTE_MS
        return await super().fetch(symbol, interval, start_ms, min(end_ms, over_ms))


class _Disk(MemoryStore):
    """Records that are kept over deaths; not all can be saved."""

    def __init__(self, steps: Steps, mishaps: Mishaps | None) -> None:
        super().__init__()
        self._steps = steps
        self._mishaps = mishaps

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        if self._mishaps is not None and self._mishaps.next() is not None:
            raise StoreUnavailableError("disk full")
        await self._steps.take()
        await super().write_all(records)
        await self._steps.take()


class _Watch:
    """Looks at the venue at every minute: for how many of them coins were there that nobody watched."""

    def __init__(self, storm: Storm, time: VirtualTime) -> None:
        self.trading: Trading | None = None
        self._storm = storm
        self._time = time
        self._naked: Counter[str] = Counter()

    def look(self, symbol: str) -> None:
        known = [] if self.trading is None else self.trading.keepers
        keepers = [keeper for keeper in known if keeper.symbol == symbol]
        if not keepers:
            return
        memory = keepers[0].memory
        held = self._storm.matcher.holdings.get(symbol[:-5])
        coins = 0.0 if held is None else float(held.total)
        is_held = coins > memory.dust + float(STEP) * 1.5
        book = self._storm.matcher.book
        has_stop = any(order.kind.is_stop for order in book.open_orders(symbol.replace("/", "")))
        is_watched = self._is_known(memory) and self._time.now_ms() - memory.tick_ms < 2.2 * MINUTE_MS
        self._naked[symbol] = self._naked[symbol] + 1 if is_held and not has_stop and not is_watched else 0
        longest = self._storm.longest_naked
        longest[symbol] = max(longest.get(symbol, 0), self._naked[symbol])

    @staticmethod
    def _is_known(memory: SessionMemory) -> bool:
        return isinstance(memory.state, Position) or bool(memory.orders)


_DEAREST = 200.0
"""More than a coin costs in any of the walks."""


def problems(storm: Storm) -> list[str]:
    """Return what does not hold of *storm*, which has been calm at its end.

    Where the owner sold coins behind our back nobody knows what that brought, and dust may be gone too. What died did
    not tell all that happened, but nothing twice.
    """
    was_sold = bool(storm.broker.mishaps.happened[Mishap.SOLD_OUTSIDE])
    found, book = [f"{symbol} failed: {error}" for symbol, error in storm.errors.items()], storm.matcher.book
    sent = Counter(order.client_id for order in book.orders.values())
    found += [f"{name} was sent {count} times" for name, count in sent.items() if count > 1]
    expected = {known.order.client_id for memory in storm.memories.values() for known in memory.orders}
    found += [
        f"{order.client_id} is an orphan"
        for order in book.open_orders()
        if not any(order.client_id.startswith(one) for one in expected)
    ]
    for symbol, memory in storm.memories.items():
        held = storm.matcher.holdings.get(symbol[:-5])
        coins = 0.0 if held is None else float(held.total)
        ours = memory.dust + (memory.state.quantity_left if isinstance(memory.state, Position) else 0.0)
        slack = 10 * float(STEP) if was_sold else 1e-9 * max(coins, 1.0)
        if abs(coins - ours) > slack and not memory.blocked:
            found.append(f"{symbol}: the venue has {coins}, the book {ours} ({memory.dust} of it dust)")
    if storm.can_save:
        found += [f"{symbol} was naked for {count} ticks" for symbol, count in storm.longest_naked.items() if count > 1]
    told = Counter(event.trade.id for event in storm.events if isinstance(event, PositionClosed))
    found += [f"the close of {name} was told {count} times" for name, count in told.items() if count > 1]
    closed = Counter(trade.id for trades in storm.trades.values() for trade in trades)
    if (told - closed) or (told != closed and not storm.deaths):
        found.append(f"told {told - closed} more, {closed - told} less than booked")
    if not was_sold and not any(isinstance(memory.state, Position) for memory in storm.memories.values()):
        moved = float(storm.matcher.holdings["USDT"].total - MONEY)
        dust = sum(memory.dust for memory in storm.memories.values()) * _DEAREST  # which stays at what it cost
        if not -1e-6 <= storm.net() - moved <= 1e-6 + dust:
            found.append(f"{moved} of cash moved, {storm.net()} was booked")
    return found
