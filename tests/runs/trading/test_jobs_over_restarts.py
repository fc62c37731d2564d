"""Jobs of a run that is restarted: what was missed is called once, and nothing twice."""

import asyncio
from datetime import datetime
from functools import partial

import pytest

import backtestkit_cli as btk
from backtestkit_cli.domain.boundaries import cron_boundaries, interval_boundaries, newest_boundary
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, to_ms
from backtestkit_cli.engine.memory import JobsMemory
from backtestkit_cli.persistence.run_journal import RunJournal
from tests.markets import START_MS, flat, plan_for, registered
from tests.runs.trading.going_on import Bot, minute_of, run_now

CALLS: list[tuple[int, str]] = []
NINE = tuple("ABCDEFGHI")


@pytest.fixture(autouse=True)
def _nothing_called() -> None:
    CALLS.clear()


def a_bot(*, minutes: int = 300, markets: tuple[str, ...] = ("A",), **job: object) -> Bot:
    async def note(call: btk.JobCall) -> None:
        await asyncio.sleep(0)
        CALLS.append((minute_of(call.at_ms), call.symbol))

    def register() -> None:
        btk.add_strategy("s", interval="5m", get_signal=lambda *_: None)
        btk.add_job("news", **{"every": "1h", "handler": note} | job)  # type: ignore[arg-type]

    candles = dict.fromkeys(markets, flat(minutes))
    return Bot(plan=plan_for(registered(register), candles), candles=candles)


def test_the_newest_boundary_that_was_missed_is_called_once_after_a_restart() -> None:
    bot = a_bot()
    bot.lives(50, 70, killed=True)
    bot.lives(200, 210, killed=True)
    bot.lives(212, 250)
    assert CALLS == [(60, ""), (180, ""), (240, "")]


def test_a_job_that_was_never_called_has_missed_nothing() -> None:
    bot = a_bot()
    bot.lives(70, 110)
    assert CALLS == []


def test_killed_between_keeping_and_calling_a_boundary_is_not_called_twice() -> None:
    """It counts as called: whoever sends orders or mails in a job would rather miss one than send two."""
    bot = a_bot()
    last = bot.dies(50, 130, lambda key, _record: "job" in key)
    CALLS.clear()  # what the process did after its last write it never did
    bot.lives(last + 2, 130)
    assert CALLS == [(120, "")]


def test_killed_before_a_boundary_is_kept_it_is_called_after_the_restart_if_one_was_before() -> None:
    bot, count = a_bot(), iter(range(9))
    last = bot.dies(50, 130, lambda key, _record: "job" in key and next(count) == 1, is_written=False)
    CALLS.clear()
    bot.lives(last + 2, 130)
    assert CALLS == [(120, "")]


def test_each_symbol_of_a_job_has_its_own_boundary() -> None:
    """Killed between the calls for two symbols, the second one is made up for, and the first is not repeated."""
    bot, count = a_bot(markets=("A", "B"), symbols=["A", "B"]), iter(range(9))
    last = bot.dies(50, 130, lambda key, _record: "job" in key and next(count) == 2)
    kept = run_now(RunJournal(bot.store, "paper", "held").recall(JobsMemory))
    assert kept is not None
    assert [(one.symbol, minute_of(one.at_ms)) for one in kept.done] == [("A", 120), ("B", 60)]
    CALLS.clear()
    bot.lives(last + 2, 130)
    assert CALLS == [(120, "B")]


def test_a_job_is_called_once_a_boundary_over_all_symbols_and_before_any_of_them_passes_it() -> None:
    """A176: nine symbols, a job every hour that takes its time: no symbol is asked at the boundary before it ended."""
    asked: list[tuple[int, int]] = []

    def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        asked.append((minute_of(to_ms(when)), len(CALLS)))

    async def slow(call: btk.JobCall) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        CALLS.append((minute_of(call.at_ms), call.symbol))

    def register() -> None:
        btk.add_strategy("s", interval="1h", get_signal=get_signal)
        btk.add_job("news", every="1h", handler=slow)

    candles = dict.fromkeys(NINE, flat(200))
    bot = Bot(plan=plan_for(registered(register), candles), candles=candles)
    bot.lives(59, 125)
    assert CALLS == [(60, ""), (120, "")]
    on_the_hour = [(minute, done) for minute, done in asked if minute % 60 == 0]
    assert len(on_the_hour) == 2 * len(NINE)
    assert all(done == minute // 60 for minute, done in on_the_hour)


@pytest.mark.parametrize("gap_ms", [MINUTE_MS, HOUR_MS, 3 * DAY_MS, 40 * DAY_MS])
def test_the_newest_boundary_is_the_last_of_all_between(gap_ms: int) -> None:
    after_ms, before_ms = START_MS + 7 * MINUTE_MS, START_MS + 7 * MINUTE_MS + gap_ms
    hourly, weekly = partial(interval_boundaries, "1h"), partial(cron_boundaries, "30 4 * * MON")
    for schedule in (hourly, weekly):
        every = []
        for at_ms in schedule(after_ms + 1):
            if at_ms >= before_ms:
                break
            every.append(at_ms)
        assert newest_boundary(schedule, after_ms, before_ms) == (every[-1] if every else None)
