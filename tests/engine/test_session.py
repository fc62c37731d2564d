"""One behaviour of a session a test: who is asked when, what fails alone, what listeners hear."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import Failure, RunOutcome
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError, ContextError
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, candles_of, plan_for, random_candles, registered

FLAT = candles_of([100.0] * 60)
CANDLE = Settings(fill_model=FillModelName.CANDLE)


def run(registry: Registry, candles: dict[str, Candles] | None = None, **options: Any) -> RunOutcome:
    return asyncio.run(run_backtest(plan_for(registry, candles or {"AAA": FLAT}, **options)))


def add_twice() -> None:
    for _ in range(2):
        btk.add_strategy("s", get_signal=print)


def a_long(**changes: Any) -> btk.Signal:
    parts: dict[str, Any] = {"position": "long", "take_profit": 101.0, "stop_loss": 99.0, "minutes": 10}
    return btk.Signal(**parts | changes)


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def test_a_strategy_is_asked_once_a_slot() -> None:
    asked: list[datetime] = []
    run(registered(lambda: btk.add_strategy("s", interval="15m", get_signal=lambda _s, when, _p: asked.append(when))))
    assert [when.minute for when in asked] == [5, 15, 30, 45]
    assert all(when.tzinfo is UTC for when in asked)


def test_a_slot_is_used_up_by_the_call_and_a_new_one_is_free_at_once_after_a_close() -> None:
    asked: list[int] = []

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        asked.append(when.hour * 60 + when.minute)
        return a_long(minutes=7) if len(asked) == 1 else None

    run(registered(lambda: btk.add_strategy("s", interval="5m", get_signal=get_signal)))
    assert asked[:4] == [5, 13, 15, 20], "opened at 5, expired at 12, so 13 is the first tick that may ask"


def test_in_the_candle_model_a_stop_frees_the_very_tick() -> None:
    closes = [100.0] * 20 + [98.0] + [98.0] * 20
    asked: list[int] = []

    def get_signal(_symbol: str, when: datetime, price: float) -> btk.Signal | None:
        asked.append(when.minute)
        return a_long() if when.minute == 18 else None

    registry = registered(lambda: btk.add_strategy("s", get_signal=get_signal))
    outcome = run(registry, {"AAA": candles_of(closes)}, settings=CANDLE)
    assert [t.closed_at_ms for t in outcome.sessions[0].trades] == [at(21)]
    assert 19 not in asked
    assert 21 in asked


def test_every_kind_of_signal_that_breaks_rules_is_an_event_and_the_run_goes_on() -> None:
    bad: list[Any] = [
        a_long(position="up"),
        a_long(take_profit=float("nan"), stop_loss=-1.0, minutes=0),
        a_long(take_profit=99.5, stop_loss=100.5),
        a_long(minutes=1441),
        a_long(minutes=2.5),
        a_long(minutes=None),
        a_long(cost=0),
        a_long(take_profit="110"),
        a_long(take_profit=Decimal(110)),
        a_long(take_profit=10**400),
        a_long(position=np.array(["long", "short"])),
        {"position": "long"},
        "buy",
    ]
    queue = list(bad)
    registry = registered(lambda: btk.add_strategy("s", get_signal=lambda *_: queue.pop(0) if queue else None))
    outcome = run(registry)
    invalid = [event for event in outcome.events if isinstance(event, btk.SignalInvalid)]
    assert all(event.signal is signal for event, signal in zip(invalid, bad, strict=True))
    assert all(event.problems for event in invalid)
    assert len(invalid[1].problems) == 3, "all broken rules together"
    assert "99.5" in invalid[2].problems[0]
    assert "100.0" in invalid[2].problems[0]
    assert outcome.exit_code == 0


def test_a_strategy_that_raises_ends_its_own_session_only() -> None:
    def get_signal(symbol: str, when: datetime, _price: float) -> None:
        if symbol == "BBB" and when.minute == 30:
            raise RuntimeError("no idea")

    registry = registered(lambda: btk.add_strategy("s", get_signal=get_signal))
    outcome = run(registry, {"AAA": FLAT, "BBB": FLAT, "CCC": FLAT})
    failed = [session for session in outcome.sessions if session.failure]
    assert [(s.symbol, s.failure) for s in failed] == [("BBB", Failure.STRATEGY)]
    assert "RuntimeError: no idea" in str(failed[0].error)
    assert "test_session.py:" in str(failed[0].error)
    error = next(event for event in outcome.events if isinstance(event, btk.ErrorOccurred))
    assert (error.at_ms, error.symbol) == (at(30), "BBB")
    assert outcome.exit_code == 4


def test_missing_candles_end_their_own_session_only() -> None:
    registry = registered(lambda: btk.add_strategy("s", get_signal=lambda *_: None))
    outcome = run(registry, {"AAA": FLAT}, symbols=["AAA", "ZZZ"])
    assert [s.failure for s in outcome.sessions] == [None, Failure.DATA]
    assert outcome.exit_code == 4
    assert run(registry, {"AAA": FLAT}, symbols=["ZZZ"]).exit_code == 3


def test_a_signal_function_that_hangs_is_cut_off_and_asked_again_in_the_next_slot() -> None:
    async def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        if when.minute < 15:
            await asyncio.sleep(60)
        return a_long() if when.minute == 15 else None

    registry = registered(lambda: btk.add_strategy("s", interval="5m", get_signal=get_signal))
    outcome = run(registry, settings=Settings(max_signal_seconds=0.02))
    errors = [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)]
    assert [event.at_ms for event in errors] == [at(5), at(10)]
    assert "max_signal_seconds (0.02)" in errors[0].error
    assert len(outcome.sessions[0].trades) == 1
    assert outcome.exit_code == 0


def test_a_timeout_of_the_strategys_own_is_its_failure() -> None:
    async def get_signal(*_: Any) -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1)

    outcome = run(registered(lambda: btk.add_strategy("s", get_signal=get_signal)))
    assert outcome.sessions[0].failure is Failure.STRATEGY
    assert "max_signal_seconds" not in str(outcome.sessions[0].error)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_signal_function_that_blocks_the_thread_is_cut_off_too(is_async: bool) -> None:
    def block(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        try:
            while when.minute < 10:
                time.sleep(0.001)
        except Exception:  # noqa: BLE001 - what a strategy might do
            raise AssertionError("a strategy cannot hold it up") from None
        return a_long() if when.minute == 10 else None

    async def block_async(symbol: str, when: datetime, price: float) -> btk.Signal | None:
        await asyncio.sleep(0)
        return block(symbol, when, price)

    registry = registered(lambda: btk.add_strategy("s", interval="5m", get_signal=block_async if is_async else block))
    outcome = run(registry, settings=Settings(max_signal_seconds=0.1))
    errors = [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)]
    assert [event.at_ms for event in errors] == [at(5)]
    assert "max_signal_seconds (0.1)" in errors[0].error
    assert len(outcome.sessions[0].trades) == 1


def test_a_strategy_that_exits_ends_its_own_session_only() -> None:
    def get_signal(symbol: str, *_: Any) -> None:
        if symbol == "AAA":
            sys.exit(3)

    outcome = run(registered(lambda: btk.add_strategy("s", get_signal=get_signal)), {"AAA": FLAT, "BBB": FLAT})
    assert [session.failure for session in outcome.sessions] == [Failure.STRATEGY, None]
    assert "SystemExit: 3" in str(outcome.sessions[0].error)


def test_callbacks_hear_their_strategy_in_the_order_of_life() -> None:
    heard: list[str] = []

    def note(event: Any) -> None:
        heard.append(type(event).__name__)

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        if when.minute == 10:
            return a_long(price_open=98.0, take_profit=100.0, stop_loss=90.0)
        return a_long(price_open=50.0, take_profit=60.0, stop_loss=45.0) if when.minute == 40 else None

    def register() -> None:
        btk.add_strategy(
            "s", get_signal=get_signal, on_schedule=note, on_open=note, on_close=note, on_cancel=note, on_active=note
        )
        btk.add_strategy("other", get_signal=lambda *_: None, on_idle=lambda _: heard.append("idle"))

    closes = [100.0] * 14 + [97.9] + [98.5] * 45
    run(registered(register), {"AAA": candles_of(closes)}, settings=CANDLE)
    mine = [name for name in heard if name != "idle"]
    assert mine[:2] == ["SignalScheduled", "PositionOpened"]
    assert mine[2:12] == ["PositionActive"] * 9 + ["PositionClosed"], "opened at 15, expires at 25"
    assert mine[12:] == ["SignalScheduled", "SignalCancelled"]
    assert heard.count("idle") == 55


def test_a_listener_that_fails_is_an_event_and_the_position_lives_on() -> None:
    seen: list[btk.ErrorOccurred] = []

    def register() -> None:
        btk.add_strategy("s", get_signal=lambda _s, when, _p: a_long() if when.minute == 10 else None)
        btk.listen(btk.PositionActive, lambda _: 1 / 0)
        btk.listen(btk.ErrorOccurred, seen.append)

    outcome = run(registered(register))
    assert len(seen) == 9
    assert "ZeroDivisionError" in seen[0].error
    assert len(outcome.sessions[0].trades) == 1
    assert outcome.exit_code == 0


def test_listeners_filter_fire_once_and_can_be_stopped() -> None:
    heard: dict[str, list[Any]] = {name: [] for name in ("all", "once", "bbb", "where", "stopped", "async")}

    async def later(event: btk.PositionOpened) -> None:
        await asyncio.sleep(0)
        heard["async"].append(event)

    def register() -> None:
        btk.add_strategy("s", interval="15m", get_signal=lambda *_: a_long(minutes=5))
        btk.listen(btk.PositionOpened, heard["all"].append)
        btk.listen(btk.PositionOpened, heard["once"].append, once=True)
        btk.listen(btk.PositionOpened, heard["bbb"].append, symbol="BBB", strategy="s", mode="backtest")
        btk.listen(btk.PositionOpened, heard["where"].append, where=lambda event: event.when.minute == 30)
        btk.listen(btk.PositionOpened, heard["bbb"].append, mode="live")
        btk.listen(btk.PositionOpened, heard["stopped"].append)()
        btk.listen(btk.PositionOpened, later)

    for _ in range(2):
        for events in heard.values():
            events.clear()
        run(registered(register), {"AAA": FLAT, "BBB": FLAT})
        first = [(event.when.minute, event.symbol) for event in heard["all"]][:4]
        assert first == [(5, "AAA"), (5, "BBB"), (15, "AAA"), (15, "BBB")]
        assert [e.symbol for e in heard["once"]] == ["AAA"]
        assert {e.symbol for e in heard["bbb"]} == {"BBB"}
        assert {e.when.minute for e in heard["where"]} == {30}
        assert heard["stopped"] == []
        assert heard["async"] == heard["all"]


def test_commands_answer_why_not() -> None:
    answers: list[btk.CommandResult] = []

    def on_active(ping: btk.PositionActive) -> None:
        if ping.when.minute == 12:
            answers.extend([btk.average_buy(10), btk.partial_close(101), btk.cancel(), btk.activate()])
            answers.extend([btk.partial_close(100), btk.close_position()])

    registry = registered(
        lambda: btk.add_strategy(
            "s", get_signal=lambda _s, when, _p: a_long() if when.minute == 10 else None, on_active=on_active
        )
    )
    outcome = run(registry)
    assert [bool(answer) for answer in answers] == [False, False, False, False, True, False]
    assert "not below the lowest entry 100.0" in answers[0].problem
    assert "was 101" in answers[1].problem
    assert answers[5].problem == "no position is open"
    assert [t.reason for t in outcome.sessions[0].trades] == ["closed"]
    assert sum(isinstance(event, btk.CommandRefused) for event in outcome.events) == 5


def test_a_waiting_signal_can_be_cancelled_or_activated() -> None:
    def on_tick(tick: btk.TickPassed) -> None:
        if tick.waiting and tick.when.minute == 12:
            assert btk.cancel()
        if tick.waiting and tick.when.minute == 22:
            assert btk.activate()

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        return a_long(price_open=99.0, stop_loss=95.0) if when.minute in (10, 20) else None

    outcome = run(registered(lambda: btk.add_strategy("s", get_signal=get_signal, on_tick=on_tick)))
    kinds = [type(event).__name__ for event in outcome.events]
    assert kinds == ["SignalScheduled", "SignalCancelled", "SignalScheduled", "PositionOpened", "PositionClosed"]
    assert outcome.sessions[0].trades[0].price_open == 100.0
    assert outcome.sessions[0].trades[0].opened_at_ms == at(22)


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
def test_a_batch_strategy_takes_the_decisions_of_a_function_that_reads_the_same_rows(interval: str) -> None:
    def rows_of(candles: Candles) -> dict[str, Any]:
        up = np.concatenate(([False], candles.close[1:] > candles.close[:-1] * 1.002))
        return {
            "side": np.where(up, 1, 0),
            "take_profit": candles.close * 1.02,
            "stop_loss": candles.close * 0.98,
            "price_open": np.where(candles.volume > 2, np.nan, candles.close * 0.997),
            "minutes": 45,
        }

    def get_signal(_symbol: str, _when: datetime, _price: float) -> btk.Signal | None:
        if btk.get_indicator("side") != 1:
            return None
        price_open = btk.get_indicator("price_open")
        return btk.Signal(
            position="long",
            take_profit=btk.get_indicator("take_profit"),
            stop_loss=btk.get_indicator("stop_loss"),
            minutes=45,
            price_open=None if np.isnan(price_open) else price_open,
        )

    def indicators(candles: Candles) -> dict[str, Any]:
        return {k: np.broadcast_to(v, len(candles)) for k, v in rows_of(candles).items()}

    candles = {"AAA": random_candles(5, 3000), "BBB": random_candles(6, 3000)}
    batch = registered(lambda: btk.add_strategy("s", interval=interval, entries=rows_of))
    asked = registered(lambda: btk.add_strategy("s", interval=interval, get_signal=get_signal, indicators=indicators))
    heard = registered(lambda: btk.add_strategy("s", interval=interval, entries=rows_of, on_open=lambda _: None))
    events = [run(registry, candles).events for registry in (batch, asked, heard)]
    assert events[0] == events[1] == events[2]
    assert len(events[0]) > 20


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (lambda c: {"side": np.ones(3), "take_profit": 1.0, "stop_loss": 1.0}, "one a candle"),
        (lambda c: {"side": np.ones(len(c))}, "['stop_loss', 'take_profit'] too"),
        (lambda c: {"side": 1, "take_profit": 1.0, "stop_loss": 1.0, "price": 3.0}, "did you mean 'price_open'"),
        (lambda c: {"side": 200, "take_profit": 1.0, "stop_loss": 1.0}, "was 200"),
        (lambda c: {"side": 0.5, "take_profit": 1.0, "stop_loss": 1.0}, "was 0.5"),
        (lambda c: {"side": ["buy"] * len(c), "take_profit": 1.0, "stop_loss": 1.0}, "was 'buy'"),
        (lambda c: {"side": 1, "take_profit": "high", "stop_loss": 1.0}, "'take_profit' must be numbers"),
        (lambda c: [1, 2, 3], "must return a mapping of columns or a polars DataFrame, was list"),
    ],
)
def test_a_batch_table_that_is_not_one_ends_the_session_with_the_reason(table: Any, problem: str) -> None:
    outcome = run(registered(lambda: btk.add_strategy("s", entries=table)))
    assert problem in str(outcome.sessions[0].error)
    assert outcome.exit_code == 1


def test_indicators_may_be_polars_frames_of_several_intervals_and_unknown_names_are_named() -> None:
    import polars as pl

    def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        last = btk.get_indicator("quarter", 2)
        assert last[1] == 15 * (when.minute // 15) + 60 * when.hour - 15
        if when.minute == 50:
            btk.get_indicator("minuet")

    def minutes_of(candles: Candles) -> Any:
        return pl.DataFrame({"minute": (candles.timestamp - START_MS) // MINUTE_MS})

    registry = registered(
        lambda: btk.add_strategy(
            "s",
            interval="5m",
            get_signal=get_signal,
            indicators={
                "1m": minutes_of,
                "15m": lambda c: {"quarter": (c.timestamp - START_MS) // MINUTE_MS},
            },
        )
    )
    error = run(registry, warm_up=45).sessions[0].error
    assert "unknown indicator 'minuet'; did you mean 'minute'?" in str(error)


def test_candles_come_as_read_only_views() -> None:
    seen: list[Candles] = []
    registry = registered(
        lambda: btk.add_strategy("s", interval="30m", get_signal=lambda s, *_: seen.append(btk.get_candles(s, "1m", 5)))
    )
    run(registry)
    assert all(np.shares_memory(candles.close, seen[0].close.base) for candles in seen)
    with pytest.raises(ValueError, match="read-only"):
        seen[0].close[0] = 1.0
    assert seen[0].rows()[-1] == seen[0][-1] == (at(4), 100.0, 100.0, 100.0, 100.0, 1.0)


def test_a_columns_function_cannot_change_the_market() -> None:
    def indicators(candles: Candles) -> dict[str, Any]:
        candles.close = candles.close * 2
        return {"double": candles.close}

    seen: list[tuple[float, float]] = []

    def get_signal(symbol: str, _when: datetime, price: float) -> None:
        assert btk.get_indicator("double") == 200.0
        seen.append((price, btk.get_candles(symbol, "1m", 1).close.item()))

    outcome = run(registered(lambda: btk.add_strategy("s", get_signal=get_signal, indicators=indicators)))
    assert outcome.exit_code == 0
    assert set(seen) == {(100.0, 100.0)}


def test_the_authors_api_outside_a_run_says_so() -> None:
    for call in (btk.now, btk.mode, btk.close_position, lambda: btk.get_candles("AAA", "1m", 1)):
        with pytest.raises(ContextError, match="inside a run only"):
            call()


def test_the_context_carries_the_names_and_does_not_leak() -> None:
    seen: list[tuple[str, ...]] = []

    def get_signal(symbol: str, when: datetime, _price: float) -> None:
        inside = btk.context()
        assert inside.symbol == symbol
        assert btk.now() == when
        seen.append((btk.mode(), inside.strategy, inside.exchange, inside.frame, inside.symbol))

    outcome = run(
        registered(lambda: btk.add_strategy("s", interval="1h", get_signal=get_signal)), {"AAA": FLAT, "BBB": FLAT}
    )
    assert outcome.exit_code == 0
    assert set(seen) == {("backtest", "s", "held", "all", "AAA"), ("backtest", "s", "held", "all", "BBB")}
    with pytest.raises(ContextError):
        btk.context()


def test_ids_are_the_same_on_a_rerun_and_unique_within_a_run() -> None:
    registry = registered(lambda: btk.add_strategy("s", interval="5m", get_signal=lambda *_: a_long(minutes=2)))
    ids = [[t.id for s in run(registry, {"AAA": FLAT, "BBB": FLAT}).sessions for t in s.trades] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0]) == 2 * 11


@pytest.mark.parametrize(
    ("register", "problem"),
    [
        (lambda: btk.add_strategy("s"), "either get_signal or entries"),
        (lambda: btk.add_strategy("", get_signal=print), "needs a name"),
        (lambda: btk.add_strategy("s", interval="7x", get_signal=print), "unknown interval '7x'"),
        (lambda: btk.add_strategy("s", warm_up={"1h": -1}, get_signal=print), "warm_up of '1h'"),
        (add_twice, "registered twice, first at"),
        (lambda: btk.add_frame("f", start="2025-02-01", end="2025-01-01"), "must start before it ends"),
        (lambda: btk.add_frame("f", start="2025-01-01T00:00:30", end="2025-02-01"), "a whole minute"),
        (lambda: btk.add_frame("f", start="soon", end="2025-01-01"), "expected a date"),
    ],
)
def test_a_registration_that_is_wrong_names_its_line(register: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        registered(register)
    assert "test_session.py:" in str(caught.value)
