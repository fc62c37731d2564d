"""Jobs on the run's clock: when they are called, before whom, what they see, and how they fail."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, interval_ms
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import ContextError
from backtestkit_cli.events.rows import event_rows
from backtestkit_cli.reports.saved.manifest import manifest
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.facts import facts_of
from tests.laws import tried
from tests.markets import START_MS, candles_of, plan_for, random_candles, registered

NINE = [f"{letter}{letter}{letter}" for letter in "ABCDEFGHI"]


def minutes_from(start_ms: int, minutes: int) -> Candles:
    """Return candles of a frame of *minutes* from *start_ms* on, and the five in front of it that a run reads."""
    return candles_of([100.0] * (minutes + 5), start_ms=start_ms - 5 * MINUTE_MS)


DAY = minutes_from(START_MS, 24 * 60)
TWO_HOURS = minutes_from(START_MS, 120)


def run(
    registry: Registry,
    symbols: Iterable[str] = ("AAA",),
    candles: Candles = TWO_HOURS,
    *,
    sees_ahead: bool = True,
    **options: Any,
) -> RunOutcome:
    plan = plan_for(registry, dict.fromkeys(symbols, candles), **options)
    return asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))


def with_job(handler: Callable[[btk.JobCall], Any], *, get_signal: Any = None, **job: Any) -> Registry:
    """Return a job `news`, hourly unless *job* says otherwise, beside a strategy that is asked every five minutes."""

    def register() -> None:
        btk.add_strategy("s", interval="5m", get_signal=get_signal or (lambda *_: None))
        btk.add_job("news", **({"every": "1h"} if "cron" not in job else {}) | job, handler=handler)

    return registered(register)


def jobs_of(outcome: RunOutcome) -> list[tuple[int, str]]:
    return [(event.at_ms, event.symbol) for event in outcome.events if isinstance(event, btk.JobRan)]


def errors_of(outcome: RunOutcome) -> list[btk.ErrorOccurred]:
    return [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)]


def hour(number: int) -> int:
    return START_MS + number * HOUR_MS


def buy_or_not(_symbol: str, when: datetime, price: float) -> btk.Signal | None:
    return btk.Signal(position="long", take_profit=price * 1.02, stop_loss=price * 0.98, minutes=7)


@pytest.mark.parametrize("sees_ahead", [True, False])
@pytest.mark.parametrize("is_async", [True, False])
def test_an_hourly_job_of_nine_symbols_runs_24_times_a_day_each_before_any_session_gets_there(
    sees_ahead: bool, is_async: bool
) -> None:
    log: list[tuple[int, str]] = []

    def job(call: btk.JobCall) -> None:
        log.append((call.at_ms, "begun"))
        log.append((call.at_ms, "ended"))

    async def slow_job(call: btk.JobCall) -> None:
        log.append((call.at_ms, "begun"))
        await asyncio.sleep(0.001)
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0.001))
        log.append((call.at_ms, "ended"))

    async def get_signal(symbol: str, when: datetime, _price: float) -> None:
        await asyncio.sleep(0)
        log.append((int(when.timestamp() * 1000), symbol))

    registry = with_job(slow_job if is_async else job, get_signal=get_signal)
    outcome = run(registry, NINE, DAY, sees_ahead=sees_ahead)
    begun = [at_ms for at_ms, what in log if what == "begun"]
    assert begun == [hour(number) for number in range(24)]
    assert jobs_of(outcome) == [(at_ms, "") for at_ms in begun]
    assert [at_ms for at_ms, _ in log] == sorted(at_ms for at_ms, _ in log), "nobody is ahead of anybody"
    for at_ms in begun:
        assert [what for when_ms, what in log if when_ms == at_ms] == ["begun", "ended", *NINE]
    assert outcome.exit_code == 0


def test_a_job_with_symbols_runs_once_for_each_and_boundary_in_the_order_of_symbols() -> None:
    calls: list[btk.JobCall] = []
    registry = with_job(calls.append, symbols=["CCC", "AAA", "BBB"])
    outcome = run(registry, NINE, DAY)
    expected = [(hour(number), symbol) for number in range(24) for symbol in ("AAA", "BBB", "CCC")]
    assert [(call.at_ms, call.symbol) for call in calls] == expected
    assert jobs_of(outcome) == expected
    assert len(set(expected)) == 3 * 24


def test_a_job_for_all_symbols_takes_those_of_the_run() -> None:
    outcome = run(with_job(lambda _: None, symbols="all"), ["BBB", "AAA"])
    assert jobs_of(outcome) == [(hour(n), symbol) for n in (0, 1) for symbol in ("AAA", "BBB")]


@pytest.mark.parametrize("sees_ahead", [True, False])
@pytest.mark.parametrize("max_concurrent", [None, 2])
def test_all_symbols_see_the_result_of_a_job_from_its_virtual_time_on_and_never_earlier(
    sees_ahead: bool, max_concurrent: int | None
) -> None:
    news = {"at_ms": 0}
    seen: list[tuple[int, int]] = []

    async def job(call: btk.JobCall) -> None:
        await asyncio.sleep(0.001)
        news["at_ms"] = call.at_ms

    def get_signal(symbol: str, when: datetime, price: float) -> btk.Signal | None:
        seen.append((int(when.timestamp() * 1000), news["at_ms"]))
        return buy_or_not(symbol, when, price) if symbol < "EEE" else None

    run(with_job(job, get_signal=get_signal), NINE, DAY, sees_ahead=sees_ahead, max_concurrent=max_concurrent)
    assert len({when_ms for when_ms, _ in seen}) >= 24 * 60 / 15
    assert all(news_ms == when_ms - when_ms % HOUR_MS for when_ms, news_ms in seen)


def test_a_batch_strategy_stays_behind_the_jobs_as_well() -> None:
    log: list[str] = []

    def entries(candles: Candles) -> dict[str, Any]:
        log.append("columns")
        side = np.where(candles.timestamp // MINUTE_MS % 10 == 0, 1, 0)
        levels = {"take_profit": candles.close * 1.02, "stop_loss": candles.close * 0.98}
        return {"side": side, "minutes": np.full(len(candles), 7), **levels}

    def job(call: btk.JobCall) -> None:
        log.append("job")
        if call.at_ms == hour(1):
            btk.listen(btk.PositionOpened, lambda event: log.append(f"opened {event.when:%H:%M}"), once=True)

    def register() -> None:
        btk.add_strategy("s", interval="5m", entries=entries)
        btk.add_job("news", every="1h", handler=job)

    run(registered(register))
    assert log == ["job", "columns", "job", "opened 01:05"]


def record_of(outcome: RunOutcome) -> list[Any]:
    return [*event_rows(outcome.events)]


def test_the_record_is_the_same_for_any_order_of_symbols_and_any_number_at_once() -> None:
    market = {symbol: random_candles(number, 300) for number, symbol in enumerate(NINE)}
    count = Counter[str]()

    def job(call: btk.JobCall) -> None:
        count[call.symbol] += 1
        if count[call.symbol] == 2:
            raise RuntimeError("no news")

    def register() -> None:
        btk.add_strategy("s", interval="5m", get_signal=buy_or_not)
        btk.add_job("each", every="30m", symbols="all", handler=job)
        btk.add_job("one", cron="*/20 * * * *", handler=lambda _: None)

    def once(symbols: list[str], max_concurrent: int | None) -> tuple[list[Any], dict[str, int]]:
        count.clear()
        plan = plan_for(registered(register), market, symbols=symbols, max_concurrent=max_concurrent)
        outcome = asyncio.run(run_backtest(plan))
        return record_of(outcome), outcome.counts

    rows, counts = once(NINE, None)
    assert counts == {"error_occurred": 9, "job_ran": 9 * 8 + 14}
    for symbols, most in ((NINE[::-1], None), (NINE, 1), (NINE[3:] + NINE[:3], 4)):
        assert once(symbols, most) == (rows, counts)


def test_events_of_jobs_come_before_those_of_sessions_at_the_same_time_in_order_of_registration() -> None:
    def register() -> None:
        btk.add_strategy("s", interval="1h", get_signal=buy_or_not)
        btk.add_job("zebra", every="1h", symbols="all", handler=lambda _: None)
        btk.add_job("ant", every="1h", handler=lambda _: None)

    outcome = run(registered(register), ["AAA", "BBB"])
    at_one = [event for event in outcome.events if event.at_ms == hour(1)]
    told = [(event.job, event.symbol) for event in at_one[:3] if isinstance(event, btk.JobRan)]
    assert told == [("zebra", "AAA"), ("zebra", "BBB"), ("ant", "")]
    assert [(type(event), event.symbol) for event in at_one[3:]] == [
        (btk.PositionOpened, "AAA"),
        (btk.PositionOpened, "BBB"),
    ]
    assert outcome.counts == {"job_ran": 6}
    assert all("job_ran" not in session.counts for session in outcome.sessions)


def test_a_job_that_fails_is_an_error_event_and_is_called_again_at_the_next_boundary() -> None:
    calls: list[int] = []

    def job(call: btk.JobCall) -> None:
        calls.append(call.at_ms)
        if len(calls) == 2:
            raise RuntimeError("the feed is down")

    outcome = run(with_job(job, every="30m"))
    assert calls == [START_MS + n * 30 * MINUTE_MS for n in range(4)]
    assert jobs_of(outcome) == [(at_ms, "") for at_ms in (calls[0], *calls[2:])]
    (error,) = errors_of(outcome)
    assert (error.at_ms, error.strategy, error.symbol, error.source) == (calls[1], "", "", "job news")
    assert "RuntimeError: the feed is down" in error.error
    assert "test_jobs.py:" in error.error
    assert outcome.exit_code == 0


def test_what_a_job_may_raise_ends_only_its_call() -> None:
    async def awaits_what_was_cancelled(_call: btk.JobCall) -> None:
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async def its_own_timeout(_call: btk.JobCall) -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)

    def leaves(_call: btk.JobCall) -> None:
        raise SystemExit(3)

    def stops(_call: btk.JobCall) -> None:
        raise StopIteration

    for handler in (awaits_what_was_cancelled, its_own_timeout, leaves, stops):
        outcome = run(with_job(handler))
        assert [error.source for error in errors_of(outcome)] == ["job news"] * 2
        assert not any("took longer" in error.error for error in errors_of(outcome))
        assert outcome.sessions[0].error is None


async def waits(_call: btk.JobCall) -> None:
    await asyncio.sleep(60)


async def will_not_be_cancelled(_call: btk.JobCall) -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


def blocks(_call: btk.JobCall) -> None:
    time.sleep(60)


async def blocks_after_waiting(_call: btk.JobCall) -> None:
    await asyncio.sleep(0.001)
    time.sleep(60)  # noqa: ASYNC251 - what a job might do


@pytest.mark.parametrize("slow", [waits, will_not_be_cancelled, blocks, blocks_after_waiting])
def test_a_job_that_takes_too_long_is_cut_off_and_the_run_goes_on(slow: Callable[[btk.JobCall], Any]) -> None:
    asked: list[datetime] = []

    def job(call: btk.JobCall) -> Any:
        return slow(call) if call.at_ms == hour(0) else None

    def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        asked.append(when)

    began_s = time.perf_counter()
    outcome = run(with_job(job, get_signal=get_signal), settings=Settings(max_job_seconds=0.1))
    assert time.perf_counter() - began_s < 10
    (error,) = errors_of(outcome)
    assert (error.at_ms, error.source) == (hour(0), "job news")
    assert error.error.endswith("took longer than max_job_seconds (0.1)")
    assert jobs_of(outcome) == [(hour(1), "")]
    assert len(asked) == 24
    assert outcome.exit_code == 0


async def test_a_run_that_is_cancelled_ends_within_a_job_that_waits() -> None:
    begun = asyncio.Event()

    async def job(_call: btk.JobCall) -> None:
        begun.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(run_backtest(plan_for(with_job(job), {"AAA": TWO_HOURS})))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_a_job_may_not_take_longer_than_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[float] = []

    async def cut_off(call: Callable[[], Any], seconds: float) -> None:
        allowed.append(seconds)
        await call()

    async def job(_call: btk.JobCall) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("backtestkit_cli.engine.jobs.called", cut_off)
    run(with_job(job, every="1m"), candles=minutes_from(START_MS, 3))
    run(with_job(job, cron="0,2 * * * *"), candles=minutes_from(START_MS, 3))
    run(with_job(job, every="1h"), candles=minutes_from(START_MS, 3))
    assert allowed == [60.0] * 3 + [120.0, 180.0] + [180.0]


def test_one_that_takes_longer_than_its_interval_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtestkit_cli.engine.jobs._MS_PER_SECOND", MINUTE_MS / 0.05)
    outcome = run(with_job(waits, every="1m"), candles=minutes_from(START_MS, 1))
    assert errors_of(outcome)[0].error.endswith("took longer than its interval (0.05 s)")


def test_a_signal_that_blocks_keeps_its_own_limit_beside_jobs() -> None:
    def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        if when.minute == 10 and when.hour == 0:
            time.sleep(60)

    limits = Settings(max_signal_seconds=0.1, max_job_seconds=30)
    outcome = run(with_job(lambda _: None, get_signal=get_signal), settings=limits)
    assert [error.error for error in errors_of(outcome)] == [
        "TimeoutError: get_signal took longer than max_signal_seconds (0.1)"
    ]


def test_a_cron_job_runs_when_its_fields_say_so_in_utc() -> None:
    calls: list[datetime] = []
    run(with_job(lambda call: calls.append(call.when), cron="30 8-10,20 * * *"), candles=DAY)
    assert calls == [datetime(2025, 1, 1, h, 30, tzinfo=UTC) for h in (8, 9, 10, 20)]


def test_a_job_runs_at_the_start_of_the_frame_and_not_at_its_end() -> None:
    assert [at_ms for at_ms, _ in jobs_of(run(with_job(lambda _: None)))] == [hour(0), hour(1)]
    assert [at_ms for at_ms, _ in jobs_of(run(with_job(lambda _: None, cron="0 * * * *")))] == [hour(0), hour(1)]
    late = minutes_from(START_MS + MINUTE_MS, 120)
    assert [at_ms for at_ms, _ in jobs_of(run(with_job(lambda _: None), candles=late))] == [hour(1), hour(2)]


def test_a_cron_job_that_is_not_due_within_the_frame_is_not_called() -> None:
    assert jobs_of(run(with_job(lambda _: None, cron="0 0 29 2 *"))) == []


@given(
    every=st.sampled_from(["1m", "3m", "5m", "15m", "45m", "1h", "4h", "12h", "1d"]),
    start_minute=st.integers(0, 3 * 24 * 60),
    minutes=st.integers(1, 600),
    symbols=st.lists(st.sampled_from(NINE), unique=True, max_size=3),
)
@tried(15, 40)
def test_a_job_is_called_at_the_multiples_of_its_interval_within_the_frame_and_nowhere_else(
    every: str, start_minute: int, minutes: int, symbols: list[str]
) -> None:
    start_ms = START_MS + start_minute * MINUTE_MS
    calls: list[tuple[int, str]] = []
    registry = with_job(lambda call: calls.append((call.at_ms, call.symbol)), every=every, symbols=symbols or None)
    outcome = run(registry, NINE[:3], minutes_from(start_ms, minutes))
    frame = range(start_ms, start_ms + minutes * MINUTE_MS, MINUTE_MS)
    due = [at_ms for at_ms in frame if at_ms % interval_ms(every) == 0]
    assert calls == [(at_ms, symbol) for at_ms in due for symbol in sorted(symbols) or [""]]
    assert jobs_of(outcome) == calls


@given(minute=st.integers(0, 59), hours=st.integers(0, 23), start_minute=st.integers(0, 24 * 60))
@tried(12, 25)
def test_cron_names_the_instants_that_arithmetic_does(minute: int, hours: int, start_minute: int) -> None:
    start_ms = START_MS + start_minute * MINUTE_MS
    outcome = run(with_job(lambda _: None, cron=f"{minute} {hours} * * *"), candles=minutes_from(start_ms, 1440))
    offset_ms = hours * HOUR_MS + minute * MINUTE_MS
    due = [at_ms for at_ms in range(start_ms, start_ms + DAY_MS, MINUTE_MS) if at_ms % DAY_MS == offset_ms]
    assert jobs_of(outcome) == [(due[0], "")]


def test_inside_a_job_the_context_is_that_of_the_run_and_data_ends_at_now() -> None:
    found: dict[str, Any] = {}
    closes = list(map(float, range(100, 225)))

    def job(call: btk.JobCall) -> None:
        if call.at_ms == hour(1) and call.symbol == "BBB":
            inside = btk.context()
            found["names"] = (inside.mode, inside.exchange, inside.frame, inside.strategy, inside.symbol)
            found["run_id"] = inside.run_id
            found["now"] = btk.now()
            found["candles"] = btk.get_candles("AAA", "1m", 2)
            found["beside"] = btk.get_candles("ZZZ", "5m", 1)
            found["price"] = btk.get_average_price("AAA")
            found["formats"] = (btk.format_price("AAA", 1.5), btk.format_quantity("AAA", 0.25))

    market = candles_of(closes, start_ms=START_MS - 5 * MINUTE_MS)
    registry = with_job(job, symbols="all")
    plan = plan_for(registry, dict.fromkeys(["AAA", "BBB", "ZZZ"], market), symbols=["AAA", "BBB"])
    outcome = asyncio.run(run_backtest(plan))
    assert errors_of(outcome) == []
    assert found["names"] == ("backtest", "held", "all", "", "BBB")
    assert found["run_id"] == outcome.facts.run_id
    assert found["now"] == datetime(2025, 1, 1, 1, tzinfo=UTC)
    assert found["candles"].timestamp.tolist() == [hour(1) - 2 * MINUTE_MS, hour(1) - MINUTE_MS]
    assert found["candles"].close.tolist() == [163.0, 164.0]
    assert found["beside"].timestamp.tolist() == [hour(1) - 5 * MINUTE_MS]
    assert found["price"] == pytest.approx(np.mean([(2 * c + c - 1) / 3 + (1 / 3) for c in range(160, 165)]), rel=0.01)
    assert found["formats"] == ("1.5", "0.25")
    assert list(outcome.candles_beside) == ["ZZZ"]


def test_a_task_that_outlives_its_call_keeps_the_time_of_that_call() -> None:
    told: list[tuple[int, datetime]] = []
    tasks: list[asyncio.Task[None]] = []

    async def later(at_ms: int) -> None:
        await asyncio.sleep(0.01)
        told.append((at_ms, btk.now()))

    async def job(call: btk.JobCall) -> None:
        tasks.append(asyncio.create_task(later(call.at_ms)))
        if call.at_ms == hour(1):
            await asyncio.gather(*tasks)

    run(with_job(job))
    assert [(at_ms, int(when.timestamp() * 1000)) for at_ms, when in told] == [(hour(n), hour(n)) for n in (0, 1)]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (lambda: btk.average_buy(10), "there is no position here"),
        (lambda: btk.partial_close(10), "there is no position here"),
        (btk.close_position, "there is no position here"),
        (btk.cancel, "there is no position here"),
        (btk.activate, "there is no position here"),
        (lambda: btk.get_indicator("sma"), "there are no indicators here"),
        (lambda: btk.get_indicator("sma", 3), "there are no indicators here"),
    ],
)
def test_what_belongs_to_a_session_is_refused_inside_a_job(command: Callable[[], object], problem: str) -> None:
    outcome = run(with_job(lambda _: command()))
    assert [f"ContextError: {problem}" in error.error for error in errors_of(outcome)] == [True, True]


def test_a_handler_called_outside_a_run_has_no_context() -> None:
    registry = with_job(lambda _: btk.now())
    with pytest.raises(ContextError, match="inside a run only"):
        registry.jobs["news"].handler(btk.JobCall("news", START_MS, ""))


def test_listeners_hear_jobs_and_their_failures_and_one_that_fails_is_an_error_too() -> None:
    heard: list[str] = []

    async def slowly(event: btk.JobRan) -> None:
        await asyncio.sleep(0.001)
        heard.append(f"ran {event.symbol}")

    def job(call: btk.JobCall) -> None:
        if call.at_ms == hour(1):
            raise ValueError(call.symbol)

    def fails(_event: btk.JobRan) -> None:
        raise RuntimeError("deaf")

    def register() -> None:
        btk.add_strategy("s", get_signal=lambda *_: None)
        btk.add_job("news", every="1h", symbols="all", handler=job)
        btk.listen(btk.JobRan, slowly)
        btk.listen(btk.JobRan, fails, symbol="BBB")
        btk.listen(btk.ErrorOccurred, lambda event: heard.append(f"{event.source} {event.symbol}"))

    outcome = run(registered(register), ["AAA", "BBB"])
    fails_name = f"listener {fails.__qualname__} BBB"
    assert heard == ["ran AAA", "ran BBB", fails_name, "job news AAA", "job news BBB"]
    assert outcome.counts == {"error_occurred": 3, "job_ran": 2}


def test_what_a_job_begins_to_listen_to_is_heard_from_then_on_in_this_run_only() -> None:
    heard: list[datetime] = []

    def job(call: btk.JobCall) -> None:
        if call.at_ms == hour(1):
            btk.listen(btk.PositionOpened, lambda event: heard.append(event.when))

    registry = with_job(job, get_signal=buy_or_not)
    run(registry)
    assert heard
    assert min(heard) >= datetime(2025, 1, 1, 1, tzinfo=UTC)
    first = list(heard)
    run(registry)
    assert heard == first * 2


def test_a_run_without_any_session_calls_no_job() -> None:
    calls: list[btk.JobCall] = []
    registry = with_job(calls.append)
    plan = plan_for(registry, {"AAA": TWO_HOURS}, symbols=["ZZZ"])
    outcome = asyncio.run(run_backtest(plan))
    assert (outcome.exit_code, calls) == (3, [])
    assert [(type(event).__name__, event.symbol) for event in outcome.events] == [("ErrorOccurred", "ZZZ")]


def test_a_job_goes_on_to_the_end_of_the_frame_when_sessions_have_failed() -> None:
    def get_signal(*_: Any) -> None:
        raise RuntimeError("no idea")

    outcome = run(with_job(lambda _: None, get_signal=get_signal))
    assert jobs_of(outcome) == [(hour(0), ""), (hour(1), "")]


def test_jobs_are_part_of_the_run_id_and_the_manifest_and_change_nothing_of_a_run_without_any() -> None:
    bare = registered(lambda: btk.add_strategy("s", interval="5m", get_signal=lambda *_: None))
    hourly, daily = with_job(print), with_job(print, every="1d")
    each = with_job(print, symbols=["AAA"])

    def run_id(registry: Registry, **limits: Any) -> str:
        return facts_of(plan_for(registry, {"AAA": TWO_HOURS}, settings=Settings(**limits))).run_id

    assert len({run_id(registry) for registry in (bare, hourly, daily, each)}) == 4
    assert run_id(hourly, max_job_seconds=5) != run_id(hourly)
    written = manifest(run(with_job(lambda _: None)))
    assert written["jobs"] == ({"name": "news", "every": "1h", "cron": None, "symbols": None},)
    assert written["events"] == {"job_ran": 2}
    assert not {"jobs", "events"} & manifest(run(bare)).keys()
