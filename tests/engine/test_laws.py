"""Laws of the engine that hold on any market, for any strategy: searched for a counter-example by Hypothesis."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    Above,
    Below,
    Candles,
    EntryOrder,
    Ladder,
    PositionActive,
    SessionIdle,
    Signal,
    Stop,
    StopLimit,
    TickPassed,
    activate,
    add_strategy,
    average_buy,
    breakeven,
    cancel,
    close_position,
    get_average_price,
    get_candles,
    get_indicator,
    move_stop,
    move_take_profit,
    now,
    partial_close,
    position,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import COLUMNS
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms, to_ms
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, Settings
from backtestkit_cli.engine.session import Session
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.events.bus import Audience, Bus, Listener
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.backtest import market_book, run_backtest
from backtestkit_cli.runs.facts import facts_of
from tests.laws import tried
from tests.markets import plan_for, random_candles, registered, with_holes

INTERVALS = ("1m", "3m", "5m", "15m", "1h")
WATCHES = ("nothing", "active", "idle", "tick")
CHOICES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "interval": st.sampled_from(INTERVALS),
        "watches": st.sampled_from(WATCHES),
        "is_batch": st.booleans(),
        "fill_model": st.sampled_from(list(FillModelName)),
        "averaging": st.sampled_from(list(AveragingPolicy)),
        "await_minutes": st.sampled_from([1, 7, 120]),
        "gaps": st.sampled_from([GapPolicy.FILL, GapPolicy.SKIP]),
        "share_missing": st.sampled_from([0.0, 0.05, 0.4]),
    }
)


def a_random_order(rng: random.Random, price: float, sign: int) -> EntryOrder | None:
    """Return an order of any kind with its prices before or beyond *price*, or none at all."""
    first, second = (price * (1 + sign * rng.uniform(-0.006, 0.012)) for _ in range(2))
    orders = (Stop(first), StopLimit(first, second), StopLimit(first, first), Above(first), Below(first))
    return rng.choice((None, *orders))


def wish(rng: random.Random, price: float, *, has_orders: bool = False) -> Signal | None:
    """Return a random signal, now and then an invalid one, or None; *has_orders* adds orders and flags to it."""
    if rng.random() < 0.4:
        return None
    sign = rng.choice((1, -1))
    if has_orders and (entry := a_random_order(rng, price, sign)) is not None:
        expected = entry.placement(sign, price)[1]
        return Signal(
            position="long" if sign > 0 else "short",
            entry=entry,
            take_profit=expected * (1 + sign * rng.uniform(0.004, 0.03)),
            stop_loss=expected * (1 - sign * rng.uniform(0.004, 0.04)),
            minutes=rng.choice((1, 5, 30, 240)),
            post_only=rng.random() < 0.05,
            reduce_only=rng.random() < 0.3,
        )
    return Signal(
        position="long" if sign > 0 else "short",
        price_open=price * (1 - sign * rng.uniform(-0.004, 0.012)) if rng.random() < 0.5 else None,
        take_profit=price * (1 + sign * rng.uniform(0.004, 0.03)),
        stop_loss=price * (1 - sign * rng.uniform(0.004, 0.04)),
        minutes=rng.choice((1, 5, 30, 240, 2000)),
        cost=rng.choice((None, 50.0)),
        trailing_stop_pct=(distance := rng.choice((None, None, 0.1, 0.7))),
        trailing_activation_pct=rng.choice((None, 0.3)) if distance else None,
        breakeven_at_pct=rng.choice((None, None, 0.1, 0.8)),
        ladder=rng.choice((None, None, Ladder(step_pct=0.3, entries=4, take_profit_pct=rng.choice((None, 0.9))))),
    )


def a_random_strategy(  # noqa: C901 - the forms a strategy may have, side by side
    choice: dict[str, Any], name: str = "random"
) -> Registry:
    """Return a strategy whose decisions depend on seed, symbol and time alone, in each of the forms there are."""
    seed, interval = choice["seed"], choice["interval"]

    def dice(symbol: str, at_ms: int, what: str) -> random.Random:
        return random.Random(f"{seed}|{symbol}|{at_ms}|{what}")

    async def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        return wish(dice(symbol, to_ms(when), "signal"), price, has_orders=True)

    def entries(candles: Candles) -> dict[str, Any]:
        names = ("side", "take_profit", "stop_loss", "price_open", "minutes")
        rows: dict[str, list[float]] = {name: [] for name in names}
        for at_ms, price in zip(candles.timestamp.tolist(), candles.close.tolist(), strict=True):
            signal = wish(dice("", at_ms, "entry"), price)
            rows["side"].append(0 if signal is None else 1 if signal.position == "long" else -1)
            rows["take_profit"].append(signal.take_profit if signal else np.nan)
            rows["stop_loss"].append(signal.stop_loss if signal else np.nan)
            rows["price_open"].append(signal.price_open or np.nan if signal else np.nan)
            rows["minutes"].append(signal.minutes or np.nan if signal else np.nan)
        return {name: np.array(column) for name, column in rows.items()}

    def act(ping: PositionActive | TickPassed) -> None:  # noqa: C901 - a branch a command
        rng = dice(ping.symbol, ping.at_ms, "command")
        for _ in range(2):
            match rng.randrange(70):
                case 0:
                    average_buy(rng.choice((None, 70, -1)))
                case 1:
                    partial_close(rng.choice((10, 50, 100, 0)))
                case 2:
                    close_position("enough")
                case 3:
                    cancel()
                case 4:
                    activate()
                case 5:
                    breakeven()
                case 6:
                    move_stop(ping.price * rng.uniform(0.99, 1.01))
                case 7:
                    move_take_profit(ping.price * rng.uniform(0.98, 1.02))
                case 8:
                    position()
                case _:
                    pass

    def nothing(_ping: SessionIdle) -> None:
        """Hear every idle minute."""

    hears: dict[str, dict[str, Any]] = {
        "nothing": {},
        "active": {"on_active": act},
        "idle": {"on_idle": nothing},
        "tick": {"on_tick": act},
    }
    asked: dict[str, Any] = {"entries": entries} if choice["is_batch"] else {"get_signal": get_signal}
    return registered(lambda: add_strategy(name, interval=interval, **asked, **hears[choice["watches"]]))


def settings_of(choice: dict[str, Any]) -> Settings:
    return Settings(
        fill_model=choice["fill_model"],
        averaging=choice["averaging"],
        schedule_await_minutes=choice["await_minutes"],
        gaps=choice["gaps"],
    )


def market(choice: dict[str, Any], index: int, minutes: int) -> Candles:
    """Return a random walk, with the holes that were chosen."""
    seed = choice["seed"] + index
    return with_holes(random_candles(seed, minutes), seed, choice["share_missing"])


def run(plan: Any, **options: Any) -> RunOutcome:
    outcome = asyncio.run(run_backtest(plan, **options))
    assert [s.error for s in outcome.sessions] == [None] * len(outcome.sessions)
    return outcome


@given(choice=CHOICES)
@tried(12, 80)
def test_skipping_equals_stepping(choice: dict[str, Any]) -> None:
    candles = {"AAA": market(choice, 0, 400), "BBB": market(choice, 1, 400)}
    plan = plan_for(a_random_strategy(choice), candles, settings=settings_of(choice))
    skipped, stepped = run(plan), run(plan, sees_ahead=False)
    assert skipped.events == stepped.events
    assert [s.trades for s in skipped.sessions] == [s.trades for s in stepped.sessions]


class PlainClock:
    """A clock that knows nothing of sessions: each is an asyncio task of its own, as on a wall clock."""

    takes_instants = False
    now_ms = 2**62  # nobody is woken before time

    async def sleep_until(self, at_ms: int) -> None:
        """Give way once; time passes by itself."""
        await asyncio.sleep(0)


@given(choice=CHOICES)
@tried(10, 40)
def test_another_clock_drives_the_same_session_minute_by_minute(choice: dict[str, Any]) -> None:
    candles = {"AAA": market(choice, 0, 300), "BBB": market(choice, 1, 300)}
    plan = plan_for(a_random_strategy(choice), candles, settings=settings_of(choice))
    expected = run(plan)

    async def drive() -> list[Session]:
        book, bus, clock = market_book(plan), Bus(), PlainClock()
        spec = plan.strategies[0]
        for kind, handler in spec.callbacks.items():
            bus.subscribe(Listener(kind, handler, Audience(), None, once=False))
        sessions = []
        for symbol in plan.symbols:
            await book.load(symbol)
            part = SessionPlan(
                run_id=facts_of(plan).run_id,
                mode=plan.mode,
                exchange=plan.exchange,
                frame=plan.frame,
                symbol=symbol,
                strategy=spec,
                settings=plan.settings[spec.name],
                start_ms=plan.start_ms,
                end_ms=plan.end_ms,
                sees_ahead=False,
            )
            sessions.append(Session(part, book, bus))
        await asyncio.gather(*(session.run(clock) for session in sessions))
        return sessions

    sessions = asyncio.run(drive())
    for session, wanted in zip(sessions, expected.sessions, strict=True):
        assert tuple(session.trades) == wanted.trades
        assert [e for e in expected.events if e.symbol == wanted.symbol] == session.events


@given(choice=CHOICES, order=st.permutations(["AAA", "BBB", "CCC", "DDD"]), size=st.integers(1, 5))
@tried(10, 40)
def test_results_do_not_depend_on_the_order_of_symbols_or_how_many_are_active(
    choice: dict[str, Any], order: list[str], size: int
) -> None:
    candles = {name: market(choice, i, 200) for i, name in enumerate(sorted(order))}
    registry = a_random_strategy(choice)
    expected = run(plan_for(registry, candles, settings=settings_of(choice)))
    found = run(plan_for(registry, candles, settings=settings_of(choice), symbols=order, max_concurrent=size))
    assert found.events == expected.events
    assert found.sessions == expected.sessions
    assert found.facts == expected.facts


@given(choice=CHOICES)
@tried(12, 60)
def test_money_is_neither_made_nor_lost_by_the_ledger(choice: dict[str, Any]) -> None:
    """Cash out for buys and fees, cash in for sells: the balance of a trade is its net gain."""
    choice["watches"] = "active"
    chosen = settings_of(choice)
    plan = plan_for(a_random_strategy(choice), {"AAA": random_candles(choice["seed"], 600)}, settings=chosen)
    fee, slippage = chosen.fee_pct / 100, chosen.slippage_pct / 100
    for trade in run(plan).sessions[0].trades:
        sign = 1 if trade.side == "long" else -1
        cash = quantity = cost = 0.0
        moves = [(float(index), 0, entry.price, entry.cost) for index, entry in enumerate(trade.entries)]
        moves += [(part.entries_before - 0.5, 1, part.price, part.percent) for part in trade.partials]
        moves.append((len(trade.entries), 1, trade.price_close, 100.0))
        for _, is_sell, price, amount in sorted(moves, key=lambda move: move[0]):
            if not is_sell:
                cash -= amount * (1 + fee)
                cost += amount
                quantity += amount / price
                continue
            effective = cost / quantity
            part = cost * amount / 100
            opened, closed = effective * (1 + sign * slippage), price * (1 - sign * slippage)
            cash += part + sign * part * (closed - opened) / opened - part * fee * closed / opened
            cost, quantity = cost - part, quantity * (1 - amount / 100)
        assert quantity == pytest.approx(0, abs=1e-12)
        assert cash == pytest.approx(trade.pnl_cost, abs=1e-9)
        gain = trade.gain
        assert gain.net == pytest.approx(gain.gross - gain.slippage - gain.fee, abs=1e-12)
        assert trade.invested == pytest.approx(sum(entry.cost for entry in trade.entries))


@given(
    seed=st.integers(0, 2**16), interval=st.sampled_from(INTERVALS), begin=st.integers(70, 250), hours=st.integers(0, 3)
)
@tried(12, 60)
def test_after_skipped_minutes_no_interval_shows_a_candle_that_closes_after_now(
    seed: int, interval: str, begin: int, hours: int
) -> None:
    """A hole of whole intervals leaves no trace in the steps of a shorter one."""
    whole, start = random_candles(seed, 480), begin - begin % 60
    parts = (whole.slice(0, start), whole.slice(min(start + 60 * hours, 470), 480))
    candles = Candles.frozen(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))
    length_ms = interval_ms(interval)
    asked = []

    def look(symbol: str, when: datetime, _price: float) -> None:
        at_ms = to_ms(when)
        opens = get_candles(symbol, interval, 1).timestamp.tolist()
        made = {minute // length_ms * length_ms for minute in candles.timestamp.tolist()}
        assert opens == [max(open_ms for open_ms in made if open_ms + length_ms <= at_ms)]
        assert get_indicator("opened_ms") == opens[0]
        asked.append(at_ms)

    opened = {interval: lambda held: {"opened_ms": held.timestamp}}
    registry = registered(lambda: add_strategy("look", interval="1m", get_signal=look, indicators=opened))
    run(plan_for(registry, {"AAA": candles}, settings=Settings(gaps=GapPolicy.SKIP), warm_up=60))
    assert len(asked) == len(candles) - 60


@given(seed=st.integers(0, 2**16), interval=st.sampled_from(["1m", "2m", "5m", "15m", "1h", "4h"]), n=st.integers(1, 4))
@tried(12, 60)
def test_no_candle_handed_out_closes_after_now(seed: int, interval: str, n: int) -> None:
    seen: list[int] = []

    def look(symbol: str, when: datetime, _price: float) -> None:
        at_ms = to_ms(when)
        assert now() == when
        for name in (symbol, "OTHER"):
            candles = get_candles(name, interval, n)
            assert len(candles) == n
            closes = candles.timestamp + interval_ms(interval)
            assert closes[-1] <= at_ms < closes[-1] + interval_ms(interval), "the newest closed one"
            seen.append(int(closes[-1]))
        get_average_price(symbol)
        assert get_indicator("opened_ms") + interval_ms(interval) <= at_ms

    registry = registered(
        lambda: add_strategy(
            "look",
            interval="1m",
            get_signal=look,
            indicators={interval: lambda candles: {"opened_ms": candles.timestamp}},
            warm_up={interval: n},
        )
    )
    minutes = 60 * 24 + 90
    candles = {"AAA": random_candles(seed, minutes), "OTHER": random_candles(seed + 1, minutes)}
    run(plan_for(registry, candles, warm_up=60 * 24 + 7, symbols=["AAA"]))
    assert len(seen) == 2 * 83


@given(seed=st.integers(0, 2**16))
@tried(10, 30)
def test_what_is_known_at_a_tick_does_not_change_with_what_comes_later(seed: int) -> None:
    """Prices, aggregates and averages of a prefix of history equal those of the whole, bit for bit."""

    def probe(into: list[tuple[Any, ...]]) -> Callable[..., None]:
        def look(symbol: str, when: datetime, price: float) -> None:
            hour = get_candles(symbol, "15m", 2)
            into.append((when, price, get_average_price(symbol), hour.rows(), get_candles(symbol, "1m", 3).rows()))

        return look

    whole = random_candles(seed, 200)
    heard = []
    for minutes in (200, 120):
        into: list[tuple[Any, ...]] = []
        registry = registered(lambda into=into: add_strategy("probe", get_signal=probe(into)))  # type: ignore[misc]
        run(plan_for(registry, {"AAA": whole.slice(0, minutes)}, warm_up=60))
        heard.append(into)
    assert heard[0][: len(heard[1])] == heard[1]
    assert len(heard[1]) == 60


@given(choice=CHOICES, minutes=st.integers(60, 350), sees_ahead=st.booleans())
@tried(12, 60)
def test_what_happened_does_not_change_with_what_comes_later(
    choice: dict[str, Any], minutes: int, *, sees_ahead: bool
) -> None:
    choice["is_batch"] = False
    whole = market(choice, 0, 400)
    begun = whole.slice(0, min(minutes, len(whole) - 1))
    end_ms = int(begun.timestamp[-1]) + MINUTE_MS
    registry = a_random_strategy(choice)
    outcomes = [
        run(plan_for(registry, {"AAA": candles}, settings=settings_of(choice)), sees_ahead=sees_ahead)
        for candles in (whole, begun)
    ]
    first, second = ([event for event in outcome.events if event.at_ms < end_ms] for outcome in outcomes)
    assert first == second


@given(choice=CHOICES, share=st.sampled_from([0.05, 0.4]))
@tried(12, 60)
def test_where_minutes_are_skipped_nothing_happens_and_no_window_holds_a_made_up_candle(
    choice: dict[str, Any], share: float
) -> None:
    candles = with_holes(random_candles(choice["seed"], 300), choice["seed"], share, keep=60)
    there = set(candles.timestamp.tolist())
    seen: list[tuple[int, list[int]]] = []

    def look(ping: TickPassed) -> None:
        seen.append((ping.at_ms, get_candles("AAA", "1m", 20).timestamp.tolist()))

    registry = a_random_strategy(choice | {"watches": "nothing"})
    registry.listeners.append(Listener(TickPassed, look, Audience(), None, once=False))
    chosen = replace(settings_of(choice), gaps=GapPolicy.SKIP)
    outcome = run(plan_for(registry, {"AAA": candles}, settings=chosen, warm_up=60))
    ticks = [at_ms + MINUTE_MS for at_ms in candles.timestamp.tolist()][59:]
    assert [at_ms for at_ms, _ in seen] == ticks
    for at_ms, window in seen:
        assert window == [t for t in candles.timestamp.tolist() if t < at_ms][-20:]
    assert {event.at_ms - MINUTE_MS for event in outcome.events} <= there


@pytest.mark.parametrize("order", [["AAA", "BBB"], ["BBB", "AAA"]])
@pytest.mark.parametrize("size", [None, 1])
def test_a_strategy_that_reads_another_symbol_sees_the_same_whatever_the_order(
    order: list[str], size: int | None
) -> None:
    def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
        other = get_candles("BBB" if symbol == "AAA" else "AAA", "5m", 2)
        if other.close[-1] <= other.close[0]:
            return None
        return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=30)

    registry = registered(lambda: add_strategy("ratio", interval="5m", get_signal=get_signal))
    candles = {name: random_candles(i, 500) for i, name in enumerate(("AAA", "BBB"))}
    expected = run(plan_for(registry, candles, warm_up=20))
    found = run(plan_for(registry, candles, warm_up=20, symbols=order, max_concurrent=size))
    assert found.events == expected.events
    assert len(found.events) > 10


def test_sessions_wake_in_the_order_of_time_and_then_of_symbol() -> None:
    heard: list[tuple[int, str]] = []

    async def get_signal(symbol: str, when: datetime, _price: float) -> None:
        await asyncio.sleep(0)  # really waits, and still nobody else runs meanwhile
        heard.append((to_ms(when), symbol))

    registry = registered(lambda: add_strategy("watch", interval="3m", get_signal=get_signal))
    candles = {name: random_candles(i, 60) for i, name in enumerate(("CCC", "AAA", "BBB"))}
    run(plan_for(registry, candles))
    assert heard == sorted(heard)
    assert len(heard) == 3 * 19
    assert len({at_ms // (3 * MINUTE_MS) for at_ms, _ in heard}) == 19


def _typed(clock: Clock, session: Callable[[Clock], Awaitable[None]]) -> Awaitable[None]:
    """Let the type checker compare the plain clock with the port."""
    return session(clock)


_CLOCK: Clock = PlainClock()
