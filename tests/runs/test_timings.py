"""A164: a run measures itself: every call of the author's code is counted, and its time is nobody's but its own."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import RunOutcome, Timing
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.runs.backtest import market_book, run_backtest
from tests.markets import plan_for, random_candles, registered

CANDLES = {"AAA": random_candles(1, 900), "BBB": random_candles(2, 900)}


def a_long(price: float, minutes: int = 60) -> btk.Signal:
    return btk.Signal(position="long", take_profit=price * 1.02, stop_loss=price * 0.98, minutes=minutes)


def run(registry: Registry, candles: dict[str, Candles] | None = None, **options: Any) -> RunOutcome:
    return asyncio.run(run_backtest(plan_for(registry, candles or CANDLES, **options)))


def counts(outcome: RunOutcome) -> dict[tuple[str, str], int]:
    return {(one.metric, one.strategy): one.count for one in outcome.timings}


def timing(outcome: RunOutcome, metric: str) -> Timing:
    (found,) = (one for one in outcome.timings if one.metric == metric)
    return found


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("sees_ahead", [False, True])
def test_every_call_of_get_signal_is_counted(is_async: bool, sees_ahead: bool) -> None:
    calls = Counter[str]()

    def ask(name: str, price: float) -> btk.Signal | None:
        calls[name] += 1
        return a_long(price, minutes=20) if calls[name] % 7 == 0 else None

    async def ask_async(name: str, price: float) -> btk.Signal | None:
        return ask(name, price)

    fn = ask_async if is_async else ask

    def register() -> None:
        btk.add_strategy("often", interval="1m", get_signal=lambda _s, _w, price: fn("often", price))
        btk.add_strategy("rarely", interval="15m", get_signal=lambda _s, _w, price: fn("rarely", price))

    plan = plan_for(registered(register), CANDLES)
    outcome = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))
    found = counts(outcome)
    assert calls["often"] > 250
    assert {name: found["get_signal", name] for name in calls} == calls
    assert found["run", ""] == 1
    assert found["load", ""] == len(CANDLES)


@pytest.mark.parametrize("is_async", [False, True])
def test_every_call_of_a_callback_and_a_listener_is_counted(is_async: bool) -> None:
    """Those of each minute among them, and those of what a listener does."""
    calls = Counter[str]()

    def hear(event: Any) -> None:
        calls[event.strategy] += 1
        if isinstance(event, btk.PositionActive) and calls["s"] % 40 == 0:
            btk.close_position()

    async def hear_async(event: Any) -> None:
        hear(event)
        if calls["s"] % 50 == 0:
            await asyncio.sleep(0)

    def register() -> None:
        handler = hear_async if is_async else hear
        btk.add_strategy(
            "s", interval="5m", get_signal=lambda _s, _w, price: a_long(price), on_active=handler, on_open=handler
        )
        btk.listen(btk.PositionClosed, handler)
        btk.listen(btk.JobRan, handler)
        btk.add_job("news", every="1h", handler=lambda _call: None)

    outcome = run(registered(register))
    found = counts(outcome)
    assert calls["s"] > 1_000
    assert {name: found["handler", name] for name in calls} == calls
    assert calls[""] == found["job", ""] == sum(isinstance(event, btk.JobRan) for event in outcome.events) > 10


def test_calls_that_fail_count_too() -> None:
    calls = Counter[str]()

    def fail(event: Any) -> None:
        calls["handler"] += 1
        raise ValueError(event)

    def get_signal(symbol: str, _when: object, price: float) -> btk.Signal | None:
        calls["get_signal"] += 1
        if symbol == "BBB" and calls["get_signal"] > 30:
            raise ZeroDivisionError
        return a_long(price, minutes=10)

    def job(_call: object) -> None:
        calls["job"] += 1
        raise KeyError

    def register() -> None:
        btk.add_strategy("s", interval="5m", get_signal=get_signal, on_active=fail, on_close=fail)
        btk.add_job("news", every="1h", handler=job)

    found = counts(run(registered(register)))
    assert {"get_signal": found["get_signal", "s"], "handler": found["handler", "s"], "job": found["job", ""]} == calls


def test_a_batch_strategy_is_timed_once_a_symbol_and_not_asked_for_signals() -> None:
    def entries(candles: Candles) -> dict[str, Any]:
        time.sleep(0.01)
        side = [n % 50 == 0 for n in range(len(candles))]
        return {"side": side, "take_profit": candles.close * 1.01, "stop_loss": candles.close * 0.99, "minutes": 30}

    outcome = run(registered(lambda: btk.add_strategy("s", interval="1m", entries=entries)))
    assert sum(len(session.trades) for session in outcome.sessions) > 10
    assert {one.metric for one in outcome.timings} == {"run", "load", "entries"}
    assert timing(outcome, "entries").count == 2
    assert timing(outcome, "entries").min_ms >= 10


def test_times_are_those_of_the_call_with_what_it_waits_for() -> None:
    async def get_signal(_symbol: str, _when: object, _price: float) -> None:
        await asyncio.sleep(0.02)

    async def handler(_event: object) -> None:
        await asyncio.sleep(0.02)

    def register() -> None:
        btk.add_strategy("s", interval="1h", get_signal=get_signal)
        btk.add_job("news", every="6h", handler=handler)
        btk.listen(btk.JobRan, handler)

    outcome = run(registered(register), {"AAA": random_candles(3, 400)})
    for metric in ("get_signal", "job", "handler"):
        found = timing(outcome, metric)
        assert found.min_ms >= 20
        assert found.min_ms <= found.p95_ms <= found.p99_ms <= found.max_ms
    parts_ms = sum(one.total_ms for one in outcome.timings if one.metric != "run")
    assert timing(outcome, "run").total_ms >= parts_ms


def test_a_call_that_is_cut_off_is_counted_with_the_time_it_had() -> None:
    async def get_signal(_symbol: str, _when: object, _price: float) -> None:
        await asyncio.sleep(5)

    registry = registered(lambda: btk.add_strategy("s", interval="1h", get_signal=get_signal))
    outcome = run(registry, {"AAA": random_candles(3, 100)}, settings=Settings(max_signal_seconds=0.05))
    assert timing(outcome, "get_signal").count == 2
    assert 50 <= timing(outcome, "get_signal").min_ms < 5_000


def test_candles_that_an_earlier_run_has_loaded_are_not_loaded_again() -> None:
    registry = registered(lambda: btk.add_strategy("s", interval="1h", get_signal=lambda *_: None))
    plan = plan_for(registry, CANDLES)

    async def twice() -> list[RunOutcome]:
        book = market_book(plan)
        return [await run_backtest(plan, book=book) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert (counts(first)["load", ""], counts(second).get(("load", ""))) == (2, None)


def test_waves_of_sessions_count_like_all_at_once_and_times_are_not_what_outcomes_differ_by() -> None:
    calls = Counter[str]()

    def get_signal(_symbol: str, _when: object, price: float) -> btk.Signal | None:
        calls["s"] += 1
        return a_long(price, minutes=15)

    plan = plan_for(registered(lambda: btk.add_strategy("s", interval="5m", get_signal=get_signal)), CANDLES)
    together = asyncio.run(run_backtest(plan))
    waves = asyncio.run(run_backtest(replace(plan, max_concurrent=1)))
    assert counts(together) == counts(waves)
    assert 2 * counts(waves)["get_signal", "s"] == calls["s"]
    assert together.timings != waves.timings
    assert replace(together, charts={}) == replace(waves, charts={})
