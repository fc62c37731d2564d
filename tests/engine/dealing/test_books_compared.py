"""What a run does where its books and the venue differ: it cancels its own orphans, explains, and ends nothing."""

import asyncio
import random
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.engine.lifecycle import id_prefix
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.events.facts import ErrorOccurred, Event
from backtestkit_cli.events.venue_facts import EntriesAllowed, EntriesBlocked, OrderUnsettled, PositionAdjusted
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import Trading
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.engine.dealing.matcher_broker import MatcherBroker
from tests.engine.dealing.mishaps import Mishaps
from tests.engine.dealing.storm import MONEY, STEP, Present
from tests.engine.dealing.virtual import VirtualTime, at_once
from tests.markets import START_MS, candles_of, plan_for, registered
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Kind, Ticket
from tests.venue.symbols import SymbolFacts

SYMBOL, COIN = "C0/USDT", "C0"
FLAT = candles_of([100.0] * 200, spread=0.0005)
PREFIX = id_prefix("live", "held", "s", SYMBOL)
FACTS = SymbolFacts("C0USDT", COIN, "USDT", quantity_step=STEP)


@dataclass
class World:
    """A venue and records that outlive the runs on them, and what the runs told."""

    matcher: Matcher
    store: MemoryStore
    events: list[Event]
    memory: SessionMemory = field(default_factory=SessionMemory)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def a_world() -> World:
    return World(Matcher([FACTS], {"USDT": MONEY, COIN: Decimal(0)}), MemoryStore(), [])


def _ask(*_: Any) -> btk.Signal:
    return btk.Signal(position="long", take_profit=110.0, stop_loss=90.0, minutes=60, cost=1000)


def lived(world: World, minutes: int, *, asks: bool = True, mode: str = "live", **options: Any) -> World:
    """Let a run go on in *world* for some *minutes*, from where the market is."""
    at_once(_live(world, minutes, mode, options, asks=asks))
    return world


async def _live(world: World, minutes: int, mode: str, options: dict[str, Any], *, asks: bool) -> None:
    begin_ms = START_MS + 10 * 60_000 if not world.matcher.now_ms else world.matcher.now_ms // 60_000 * 60_000
    time, stop = VirtualTime(begin_ms), StopRequest()
    registry = registered(lambda: btk.add_strategy("s", interval="1h", get_signal=_ask if asks else lambda *_: None))
    settings = Settings(fee_pct=0.1, fill_model=FillModelName.CANDLE)
    run = replace(plan_for(registry, {SYMBOL: FLAT}, warm_up=5, settings=settings), mode=mode)
    broker: Any = MatcherBroker(world.matcher, time.now_ms, Mishaps(0, 0.0))
    if mode == "paper":
        key = (mode, "held", "account", "simulated")
        broker = await PaperBroker.recalled(PaperOptions(), {}, quote="USDT", store=world.store, key=key)
    outside = Outside(
        time=time,
        store=world.store,
        broker=broker,
        source=Present({SYMBOL: FLAT}, time),
        rng=random.Random(1),
        lock=nullcontext(),
        steady_s=asyncio.get_running_loop().time,
        beat_s=30.0,
    )
    trading_options = TradingOptions(reconcile_minutes=1, **options)
    plan = TradingPlan(run=run, options=trading_options, paper=PaperOptions(), store=StoreOptions())
    trading = Trading(plan, outside, lambda _status: None, world.events.append)
    time_out = _after(time, minutes, stop)
    await trading.trade(stop)
    await time_out
    world.memory = trading.keepers[0].memory


def _after(time: VirtualTime, minutes: int, stop: StopRequest) -> Any:
    async def waits() -> None:
        await time.sleep(minutes * 60 + 30)
        stop.request()

    return asyncio.ensure_future(waits())


def sells(world: World, quantity: str) -> None:
    """Let the owner cancel what rests and sell *quantity* by hand."""
    for order in world.matcher.book.open_orders("C0USDT"):
        if world.matcher.book.orders[order.number].is_open:
            world.matcher.cancel("C0USDT", order.number)
    world.matcher.place(Ticket(symbol="C0USDT", is_buy=False, kind=Kind.MARKET, quantity=Decimal(quantity)))


def state_of(world: World) -> Any:
    return world.memory.state


def rests(world: World) -> list[str]:
    return [order.client_id for order in world.matcher.book.open_orders("C0USDT")]


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_books_that_agree_are_left_alone(mode: str) -> None:
    world = lived(a_world(), 40, mode=mode)
    assert isinstance(world.memory.state, Position)
    kinds = {type(event).__name__ for event in world.events}
    assert kinds <= {"OrderFilled", "PositionOpened"}


def test_an_orphan_of_ours_is_cancelled_and_told_and_orders_of_others_are_not_touched() -> None:
    world = lived(a_world(), 3, asks=False)
    for client_id in (f"{PREFIX}-1a2b3c-e1", "by-hand"):
        common: dict[str, Any] = {"symbol": "C0USDT", "is_buy": True, "quantity": Decimal(1)}
        world.matcher.place(Ticket(**common, kind=Kind.LIMIT, price=Decimal(80), client_id=client_id))
    lived(world, 4, asks=False)
    assert rests(world) == ["by-hand"]
    assert [event.client_id for event in world.told(OrderUnsettled)] == [f"{PREFIX}-1a2b3c-e1"]


def test_a_part_that_was_sold_outside_shrinks_the_position_and_its_exits() -> None:
    world = lived(a_world(), 5)
    before = world.memory.state
    assert isinstance(before, Position)
    sells(world, "4")
    lived(world, 5)
    after = world.memory.state
    assert isinstance(after, Position)
    assert after.quantity_left == pytest.approx(before.quantity_left - 4, abs=float(STEP))
    (adjusted,) = world.told(PositionAdjusted)
    assert "keeps" in adjusted.explanation
    for order in world.matcher.book.open_orders("C0USDT"):
        assert float(order.quantity) == pytest.approx(after.quantity_left, abs=float(STEP))
    assert len(rests(world)) == 2


def test_a_position_that_was_sold_outside_is_closed_as_liquidated_elsewhere() -> None:
    world = lived(a_world(), 5)
    sells(world, "9.99")
    lived(world, 5, asks=False)
    assert world.memory.state is None
    (closed,) = world.told(btk.PositionClosed)
    assert closed.trade.reason is CloseReason.LIQUIDATED_ELSEWHERE


def damage(world: World) -> None:
    """Destroy what is saved of the session."""
    for key in world.store.contents:
        if key[2] in ("signal", "schedule"):
            world.store.contents[key] = world.store.contents[key][: len(world.store.contents[key]) // 2]


def test_a_lost_record_blocks_its_session_until_what_it_may_have_left_is_gone() -> None:
    world = lived(a_world(), 5)
    assert isinstance(world.memory.state, Position)
    resting = rests(world)
    damage(world)
    lived(world, 5)
    assert state_of(world) is None
    assert rests(world) == resting  # the stop of the position that nobody knows of is still there
    assert any(event.source == "state" for event in world.told(ErrorOccurred))
    assert "record of the session was lost" in world.told(EntriesBlocked)[-1].explanation
    assert not world.told(EntriesAllowed)
    sells(world, "9.99")
    lived(world, 5, asks=False)
    assert world.memory.blocked == ""
    assert len(world.told(EntriesAllowed)) == 1


def test_a_damaged_record_is_told_once() -> None:
    world = lived(a_world(), 5)
    damage(world)
    for _ in range(2):
        lived(world, 3, asks=False)
    told = [event.error for event in world.told(ErrorOccurred)]
    assert told
    assert len(told) == len(set(told)) == len(world.store.aside)
