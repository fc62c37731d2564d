"""Runs in the background: what their handles do, and that the end is told once."""

import asyncio
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli import (
    BackgroundRun,
    Event,
    PositionClosed,
    Signal,
    TickPassed,
    add_exchange,
    add_strategy,
    backtest,
    context,
    listen,
)
from backtestkit_cli.errors import ConfigError, ContextError, OutputError
from tests.runs.programs import TWO_DAYS, Frame, hourly, long_each_time, other_tasks, state_of_process

LONG: Frame = {"start": "2025-01-01", "end": "2025-05-01"}


async def turns(count: int = 3) -> None:
    """Let other tasks have that many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def patient(symbol: str, when: datetime, price: float) -> Signal:
    """Let the event loop go round before the answer."""
    await asyncio.sleep(0)
    return long_each_time(symbol, when, price)


async def test_a_run_that_finishes_tells_so_once_and_leaves_its_outcome(tmp_path: Path) -> None:
    """A5: `done` exactly once."""
    ended: list[BackgroundRun] = []
    run = backtest.background(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS, on_done=ended.append)
    outcome = await run.wait()
    assert outcome is not None
    assert outcome.sessions[0].trades
    assert (await run.wait(), run.outcome, run.error) == (outcome, outcome, None)
    run.cancel()
    await turns()
    assert ended == [run]
    assert run.is_done
    assert not run.is_cancelled


async def test_a_run_that_is_cancelled_ends_at_once_and_tells_so_once() -> None:
    """A5: the run ends at the next safe point."""
    events: list[Event] = []
    ended: list[BackgroundRun] = []
    before, tasks = state_of_process(), other_tasks()
    add_strategy("patient", interval="1h", get_signal=patient)
    listen(Event, events.append)
    run = backtest.background(symbols="BTCUSDT", **LONG, on_done=ended.append)
    while len(events) < 20:
        await turns(1)
    run.cancel()
    run.cancel()
    count = len(events)
    assert await run.wait() is None
    run.cancel()
    await turns()
    assert len(events) == count
    assert ended == [run]
    assert (run.is_cancelled, run.outcome, run.error) == (True, None, None)
    assert (state_of_process(), other_tasks()) == (before, tasks)


async def test_a_run_that_is_cancelled_before_it_starts_never_does() -> None:
    asked: list[str] = []
    ended: list[BackgroundRun] = []
    add_strategy("asks", interval="1h", get_signal=lambda symbol, *_: asked.append(symbol))
    run = backtest.background(symbols="BTCUSDT", **TWO_DAYS, on_done=ended.append)
    run.cancel()
    assert await run.wait() is None
    assert (asked, ended) == ([], [run])


class Broken:
    """An exchange with a bug."""

    def get_candles(self, *_: object) -> list[Any]:
        return []

    def format_price(self, *_: object) -> str:
        return ""

    def format_quantity(self, *_: object) -> str:
        return ""


async def test_a_run_that_fails_tells_so_once_and_raises_where_it_is_waited_for(tmp_path: Path) -> None:
    ended: list[BackgroundRun] = []
    (tmp_path / "out").write_text("a file where a folder should be")
    run = backtest.background(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS, out="out", on_done=ended.append)
    with pytest.raises(OutputError, match="cannot write"):
        await run.wait()
    await turns()
    assert ended == [run]
    assert isinstance(run.error, OutputError)
    assert run.outcome is None


async def test_a_session_without_candles_is_in_the_outcome_of_the_run() -> None:
    add_exchange("broken", source=Broken())
    add_strategy("s", interval="1h", get_signal=long_each_time)
    outcome = await backtest.background(exchange="broken", symbols="BTCUSDT", **TWO_DAYS).wait()
    assert outcome is not None
    assert outcome.exit_code == 3


class Slow(Broken):
    """An exchange that answers after a minute, and knows how often it was asked and let go of."""

    asked = closed = 0

    async def get_candles(self, *_: object) -> list[Any]:  # type: ignore[override]
        type(self).asked += 1
        await asyncio.sleep(60)
        return []

    async def close(self) -> None:
        await asyncio.sleep(0)
        type(self).closed += 1


async def test_a_run_that_is_cancelled_while_it_fetches_lets_go_of_its_connections() -> None:
    tasks = other_tasks()
    add_exchange("slow", source=Slow)
    add_strategy("s", interval="1h", get_signal=long_each_time)
    run = backtest.background(exchange="slow", symbols="AAA,BBB", **TWO_DAYS)
    while not Slow.asked:
        await turns(1)
    run.cancel()
    assert await run.wait() is None
    assert Slow.closed == 1
    await turns()
    assert other_tasks() == tasks


async def test_of_three_runs_the_middle_one_is_cancelled_and_the_others_go_on() -> None:
    """A6: handles in a mapping; the cancelled symbol emits no further event."""
    ticks: dict[str, list[int]] = {}
    add_strategy("patient", interval="1h", get_signal=patient)
    listen(TickPassed, lambda tick: ticks.setdefault(tick.symbol, []).append(tick.at_ms))
    runs = {symbol: backtest.background(symbols=symbol, **TWO_DAYS) for symbol in ("AAA", "BBB", "CCC")}
    while len(ticks.get("BBB", ())) < 500:
        await turns(1)
    runs["BBB"].cancel()
    cancelled_at = {symbol: len(seen) for symbol, seen in ticks.items()}
    outcomes = {symbol: await run.wait() for symbol, run in runs.items()}
    assert len(ticks["BBB"]) == cancelled_at["BBB"] < 2 * 1440
    assert outcomes["BBB"] is None
    for symbol in ("AAA", "CCC"):
        assert len(ticks[symbol]) == 2 * 1440 + 1 > cancelled_at[symbol]
        assert outcomes[symbol] is not None


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_listener_may_cancel_its_own_run_and_hears_nothing_more(*, is_async: bool) -> None:
    """A3, A5: leave when a trade has lost too much."""
    heard: list[Event] = []
    runs: list[BackgroundRun] = []

    def leave(closed: PositionClosed) -> None:
        if closed.trade.pnl_pct < -0.5:
            runs[0].cancel()

    async def leave_later(closed: PositionClosed) -> None:
        leave(closed)
        with suppress(asyncio.CancelledError):  # bad manners
            await asyncio.sleep(0)

    listen(PositionClosed, leave_later if is_async else leave)
    listen(Event, heard.append)
    add_strategy("s", interval="1h", get_signal=long_each_time)
    runs.append(backtest.background(symbols=["BTCUSDT", "ETHUSDT"], **LONG))
    assert await runs[0].wait() is None
    assert isinstance(heard[-1], PositionClosed)
    assert [e for e in heard if isinstance(e, PositionClosed) and e.trade.pnl_pct < -0.5] == [heard[-1]]


async def test_a_strategy_that_swallows_the_cancellation_ends_all_the_same() -> None:
    asked: list[datetime] = []

    async def stubborn(_symbol: str, when: datetime, _price: float) -> None:
        asked.append(when)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.005)

    add_strategy("stubborn", interval="1h", get_signal=stubborn)
    run = backtest.background(symbols="BTCUSDT", **LONG)
    while len(asked) < 3:
        await turns(1)
    run.cancel()
    assert await run.wait() is None
    assert len(asked) <= 4


class Deaf:
    """Waits on whatever it is told, until `is_over`, and counts what it was told."""

    def __init__(self) -> None:
        self.told = 0
        self.is_over = False

    async def __call__(self, *_: object) -> None:
        while not self.is_over:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                self.told += 1


@pytest.mark.parametrize("where", ["get_signal", "on_idle"])
@pytest.mark.parametrize("times", [1, 2])
async def test_code_that_goes_on_waiting_has_a_second_or_until_the_next_cancellation(where: str, times: int) -> None:
    deaf = Deaf()
    what: dict[str, Any] = {"get_signal": lambda *_: None, where: deaf.__call__}
    add_strategy("deaf", interval="1h", **what)
    tasks = other_tasks()
    run = backtest.background(symbols="BTCUSDT", **TWO_DAYS)
    await asyncio.sleep(0.1)
    began_s = time.perf_counter()
    for _ in range(times):
        run.cancel()
        await turns()
    assert await run.wait() is None
    took_s = time.perf_counter() - began_s
    assert took_s < 0.5 if times == 2 else 0.9 < took_s < 5
    assert deaf.told == 1
    assert other_tasks() == tasks


async def test_what_is_quickly_cleaned_up_is_waited_for() -> None:
    log: list[str] = []

    async def careful(*_: object) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.1)
            log.append("cleaned up")

    add_strategy("careful", interval="1h", get_signal=careful)
    run = backtest.background(symbols="BTCUSDT", **TWO_DAYS)
    await asyncio.sleep(0.05)
    run.cancel()
    assert await run.wait() is None
    assert log == ["cleaned up"]


async def test_a_run_may_be_cancelled_from_another_thread() -> None:
    add_strategy("patient", interval="1h", get_signal=patient)
    run = backtest.background(symbols="BTCUSDT", **LONG)
    await turns(100)
    thread = threading.Thread(target=run.cancel)
    thread.start()
    assert await run.wait() is None
    thread.join()


def test_a_run_whose_loop_has_ended_is_over() -> None:
    ended: list[BackgroundRun] = []
    add_strategy("patient", interval="1h", get_signal=patient)

    async def main() -> BackgroundRun:
        run = backtest.background(symbols="BTCUSDT", **LONG, on_done=ended.append)
        await turns()
        return run

    run = asyncio.run(main())
    run.cancel()
    assert (run.is_done, run.is_cancelled, ended) == (True, True, [run])


async def test_who_stops_waiting_does_not_end_the_run(tmp_path: Path) -> None:
    add_strategy("patient", interval="15m", get_signal=patient)
    run = backtest.background(symbols="BTCUSDT", **LONG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run.wait()
    await turns()
    assert not run.is_done
    assert await run.wait() is not None


async def test_a_run_cannot_wait_for_itself() -> None:
    refused: list[str] = []
    runs: list[BackgroundRun] = []

    async def wait(_: PositionClosed) -> None:
        try:
            await runs[0].wait()
        except ContextError as error:
            refused.append(str(error))

    add_strategy("s", interval="1d", get_signal=long_each_time, on_close=wait)
    runs.append(backtest.background(symbols="BTCUSDT", **TWO_DAYS))
    assert await runs[0].wait()
    assert refused == ["a run cannot wait for its own end: wait outside its listeners"] * 2


async def test_a_run_that_a_listener_starts_outlives_it_and_knows_nothing_of_it() -> None:
    started: list[BackgroundRun] = []
    seen: list[tuple[str, str]] = []
    told: list[str] = []

    def inside(_run: BackgroundRun) -> None:
        try:
            context()
        except ContextError:
            told.append("outside")

    def on_open(opened: Any) -> None:
        seen.append((opened.strategy, context().strategy))
        if opened.strategy == "outer" and not started:
            started.append(backtest.background(strategy="inner", symbols="ETHUSDT", **TWO_DAYS, on_done=inside))

    for name in ("outer", "inner"):
        add_strategy(name, interval="1d", get_signal=long_each_time, on_open=on_open)
    await backtest.run(strategy="outer", symbols="BTCUSDT", **TWO_DAYS)
    outcome = await started[0].wait()
    assert outcome is not None
    assert outcome.sessions[0].strategy == "inner"
    assert all(event == ambient for event, ambient in seen)
    assert told == ["outside"]


def test_outside_an_event_loop_nothing_can_run_in_the_background(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"background\(...\) needs a running event loop: call it in an async"):
        backtest.background(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS)


async def nothing(_: object) -> None:
    """Do nothing, later."""


@pytest.mark.parametrize(("on_done", "found"), [(nothing, "an async one"), (7, "7")])
async def test_what_is_told_of_the_end_must_be_a_plain_function(on_done: Any, found: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"on_done: expected a plain function of the handle, found {found}"):
        backtest.background(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS, on_done=on_done)


async def test_what_on_done_raises_goes_to_the_event_loop_and_harms_nothing(tmp_path: Path) -> None:
    raised: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, what: raised.append(repr(what["exception"])))

    def fail(_: BackgroundRun) -> None:
        raise ValueError("in on_done")

    run = backtest.background(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS, on_done=fail)
    assert await run.wait() is not None
    assert raised == ["ValueError('in on_done')"]
