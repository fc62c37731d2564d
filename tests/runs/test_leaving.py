"""Runs that are left early: what they have begun is ended, in order, as far as anybody can wait for it."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from backtestkit_cli import BackgroundRun, PositionClosed, add_strategy, backtest, provide, service
from backtestkit_cli.runs.pulling import Pulled
from tests.runs.programs import TWO_DAYS, long_each_time, other_tasks, state_of_process


class Plain:
    """A plug-in that ends at once."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def dispose(self) -> None:
        self.log.append("plain")


class Async(Plain):
    """One that could wait, and does not."""

    async def dispose(self) -> None:  # type: ignore[override]
        self.log.append("async")


class Slow(Plain):
    """One that waits while it ends."""

    async def dispose(self) -> None:  # type: ignore[override]
        self.log.append("slow begins")
        await asyncio.sleep(0.1)
        self.log.append("slow")


class Connection:
    """A service that waits while it is closed."""

    log: list[str]

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.log.append("connection")


@pytest.fixture
def log() -> list[str]:
    """Register what tells here how it ends."""
    told: list[str] = []
    connections: list[Connection] = []
    Connection.log = told
    provide(Connection)
    add_strategy(
        "s",
        interval="1h",
        get_signal=long_each_time,
        plugins=[Plain(told), Slow(told), Async(told), Plain(told)],
        on_open=lambda _: connections.append(service(Connection)),
    )
    return told


IN_ORDER = ["plain", "async", "slow begins", "slow", "plain", "connection"]


@pytest.fixture
async def left_clean() -> AsyncIterator[None]:
    """Compare what a run changes before and after."""
    before, tasks = state_of_process(), other_tasks()
    yield
    assert (state_of_process(), other_tasks()) == (before, tasks)


@pytest.mark.usefixtures("left_clean")
async def test_closing_a_run_waits_for_all_that_ends_with_it(log: list[str]) -> None:
    trades = backtest.trades(symbols="BTCUSDT,ETHUSDT", **TWO_DAYS)
    await anext(trades)
    assert log == []
    await trades.aclose()
    assert log == IN_ORDER
    await trades.aclose()
    assert [trade async for trade in trades] == []
    async with backtest.trades(symbols="BTCUSDT", **TWO_DAYS) as trades:
        async for _ in trades:
            break
    assert log == IN_ORDER * 2


@pytest.mark.usefixtures("left_clean")
async def test_a_run_that_is_left_without_closing_it_ends_what_need_not_wait_and_names_the_rest(log: list[str]) -> None:
    async def leave() -> None:
        async for _ in backtest.trades(symbols="BTCUSDT", **TWO_DAYS):
            break

    with pytest.warns(RuntimeWarning, match=r"^Slow.dispose, Connection.aclose: not ended, .* `await` its aclose\(\)$"):
        await leave()
    assert log == ["plain", "async", "slow begins", "plain"]


async def test_a_run_with_nothing_that_waits_is_left_without_a_word() -> None:
    told: list[str] = []
    add_strategy("s", interval="1h", get_signal=long_each_time, plugins=[Plain(told), Async(told)])

    async def leave() -> None:
        async for _ in backtest.trades(symbols="BTCUSDT", **TWO_DAYS):
            break

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await leave()
    assert told == ["async", "plain"]


async def test_who_is_cancelled_while_a_run_is_closed_is_cancelled_and_the_rest_is_ended(log: list[str]) -> None:
    trades = backtest.trades(symbols="BTCUSDT", **TWO_DAYS)
    await anext(trades)
    closing = asyncio.ensure_future(trades.aclose())
    await asyncio.sleep(0.02)
    assert log[-1] == "slow begins"
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert log == ["plain", "async", "slow begins", "plain", "connection"]


async def test_a_listener_that_cancels_its_own_run_cuts_no_plug_in_short(log: list[str]) -> None:
    runs: list[BackgroundRun] = []
    add_strategy("leaves", interval="1h", get_signal=long_each_time, on_close=lambda _: runs[0].cancel())
    runs.append(backtest.background(strategy="s,leaves", symbols="BTCUSDT", **TWO_DAYS))
    assert await runs[0].wait() is None
    assert log == IN_ORDER


async def test_a_run_that_was_closed_within_a_session_goes_on_with_none_of_it(log: list[str]) -> None:
    """Not even with the listeners of the event it was left at."""
    asked: list[Any] = []
    add_strategy("t", interval="1h", get_signal=lambda *when: asked.append(when))
    closes: Pulled[PositionClosed] = backtest.events(kind=PositionClosed, strategy="s,t", symbols="BTCUSDT", **TWO_DAYS)
    await anext(closes)
    count = len(asked)
    await closes.aclose()
    assert len(asked) == count > 0
    assert log == IN_ORDER
