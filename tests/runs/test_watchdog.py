"""The one timer of the process, shared by runs that overlap."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import pytest

from backtestkit_cli import BackgroundRun, ErrorOccurred, add_strategy, backtest, context, listen
from backtestkit_cli.runs.collecting import collecting_rarely
from backtestkit_cli.runs.watchdog import watching
from tests.runs.programs import TWO_DAYS, long_each_time, state_of_process


@pytest.fixture
def alarms() -> Iterator[list[float]]:
    """Let somebody else's alarm note when it rings."""
    rung: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.perf_counter()))
    others = signal.setitimer(signal.ITIMER_REAL, 0)
    yield rung
    signal.signal(signal.SIGALRM, before)
    signal.setitimer(signal.ITIMER_REAL, *others)


async def test_each_of_two_runs_at_once_is_cut_off_by_its_own_limit() -> None:
    cut: dict[str, list[str]] = {"short": [], "long": []}

    begun: set[str] = set()
    both = asyncio.Event()

    async def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        begun.add(context().strategy)
        if len(begun) == len(cut):
            both.set()
        await both.wait()
        if when.hour == 5 and when.day == 4:
            time.sleep(0.7)  # noqa: ASYNC251 - blocks the thread, which is the point

    for name in cut:
        add_strategy(name, interval="1h", get_signal=get_signal)
    listen(ErrorOccurred, lambda event: cut[event.strategy].append(event.error))
    limits = {"short": 0.4, "long": 20}
    runs: list[BackgroundRun] = [
        backtest.background(strategy=name, symbols="BTCUSDT", settings={"max_signal_seconds": limits[name]}, **TWO_DAYS)
        for name in cut
    ]
    before = [await run.wait() for run in runs]
    assert None not in before
    assert cut["long"] == []
    assert len(cut["short"]) == 1
    assert "max_signal_seconds (0.4)" in cut["short"][0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_what_held_before_holds_after_the_last_of_overlapping_runs(order: tuple[int, ...]) -> None:
    before = state_of_process()
    blocks = [ExitStack() for _ in order]
    for index, block in enumerate(blocks):
        block.enter_context(watching(1.0 + index, 20))
        block.enter_context(collecting_rarely())
    during = state_of_process()
    assert during != before
    for index in order[:-1]:
        blocks[index].close()
        assert state_of_process() == during
    blocks[order[-1]].close()
    assert state_of_process() == before


def test_an_alarm_of_the_program_rings_after_the_run(alarms: list[float]) -> None:
    begun = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with watching(0.1, 20):
        time.sleep(0.05)
    assert not alarms
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < left <= 0.25
    time.sleep(0.3)
    assert [rung - begun >= 0.29 for rung in alarms] == [True]


def test_a_run_that_another_thread_drops_lets_go_of_the_timer(alarms: list[float]) -> None:
    ours = signal.getsignal(signal.SIGALRM)
    add_strategy("s", interval="1h", get_signal=long_each_time)
    trades = backtest.trades(symbols="BTCUSDT", settings={"max_signal_seconds": 0.2}, **TWO_DAYS)
    held = [trades]
    del trades

    async def begin() -> None:
        await anext(held[0])

    asyncio.run(begin())
    assert signal.getsignal(signal.SIGALRM) is not ours
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert signal.getsignal(signal.SIGALRM) is ours
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert not alarms
