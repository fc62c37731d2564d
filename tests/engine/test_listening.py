"""Listeners and validators: who hears what and when, and what becomes of those that hang, raise or stop themselves."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import Failure, RunOutcome
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, candles_of, flat, plan_for, registered

FLAT = candles_of([100.0] * 60)
QUICK = Settings(max_handler_seconds=0.1)


def a_long(**changes: Any) -> btk.Signal:
    parts: dict[str, Any] = {"position": "long", "take_profit": 101.0, "stop_loss": 99.0, "minutes": 10}
    return btk.Signal(**parts | changes)


def every_quarter(*_: Any) -> btk.Signal:
    return a_long(minutes=5)


def once_at_ten(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
    return a_long() if when.minute == 10 else None


def at_quarter(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
    return a_long() if when.minute == 15 else None


def strategy(get_signal: Callable[..., Any] = every_quarter, **others: Any) -> None:
    btk.add_strategy("s", interval="15m", get_signal=get_signal, **others)


def run(registry: Registry, *symbols: str, **options: Any) -> RunOutcome:
    return asyncio.run(run_backtest(plan_for(registry, dict.fromkeys(symbols or ("AAA",), FLAT), **options)))


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def errors_of(outcome: RunOutcome) -> list[btk.ErrorOccurred]:
    return [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)]


# Subscribing and unsubscribing.


@pytest.mark.parametrize("options", [{}, {"max_concurrent": 1}], ids=["at once", "in waves"])
def test_once_with_a_filter_waits_for_the_first_event_that_passes_and_then_hears_no_more(options: Any) -> None:
    heard: list[Any] = []

    def register() -> None:
        strategy()
        btk.listen(btk.PositionClosed, heard.append, where=lambda event: event.symbol != "AAA", once=True)

    outcome = run(registered(register), "AAA", "BBB", "CCC", **options)
    assert [(event.symbol, event.at_ms) for event in heard] == [("BBB", at(10))]
    assert sum(len(session.trades) for session in outcome.sessions) > 6


def test_once_over_all_symbols_tells_of_the_first_stop_of_any() -> None:
    heard: list[btk.PositionClosed] = []
    fall = candles_of([100.0] * 20 + [98.0] * 40)

    def register() -> None:
        btk.add_strategy("s", interval="1h", get_signal=lambda *_: a_long(minutes=40))
        btk.listen(
            btk.PositionClosed, heard.append, where=lambda e: e.trade.reason is btk.CloseReason.STOP_LOSS, once=True
        )

    candles = {"AAA": FLAT, "BBB": fall, "CCC": fall}
    outcome = asyncio.run(run_backtest(plan_for(registered(register), candles)))
    stopped = [t.symbol for s in outcome.sessions for t in s.trades if t.reason is btk.CloseReason.STOP_LOSS]
    assert stopped == ["BBB", "CCC"]
    assert [event.symbol for event in heard] == ["BBB"]


def test_a_listener_that_unsubscribes_itself_during_its_call_hears_no_more_and_the_others_hear_all() -> None:
    heard: dict[str, list[Any]] = {"before": [], "self": [], "after": []}

    def register() -> None:
        strategy()
        btk.listen(btk.PositionOpened, heard["before"].append)

        def stop_myself(event: btk.PositionOpened) -> None:
            heard["self"].append(event)
            stop()

        stop = btk.listen(btk.PositionOpened, stop_myself)
        btk.listen(btk.PositionOpened, heard["after"].append)

    registry = registered(register)
    outcome = run(registry)
    opened = [event for event in outcome.events if isinstance(event, btk.PositionOpened)]
    assert heard["before"] == heard["after"] == opened
    assert heard["self"] == opened[:1]
    assert errors_of(outcome) == []


def test_a_listener_that_unsubscribes_a_later_one_does_so_from_the_next_event_on() -> None:
    heard: list[Any] = []

    def register() -> None:
        strategy()
        btk.listen(btk.PositionOpened, lambda _: stop())
        stop = btk.listen(btk.PositionOpened, heard.append)

    run(registered(register))
    assert [event.at_ms for event in heard] == [at(5)], "who hears an event is settled when it happens"


def test_a_ping_too_may_be_unsubscribed_during_its_call() -> None:
    heard: list[int] = []

    def register() -> None:
        strategy(at_quarter)

        def stop_myself(ping: btk.TickPassed) -> None:
            heard.append(ping.when.minute)
            if len(heard) == 3:
                stop()

        stop = btk.listen(btk.TickPassed, stop_myself)

    run(registered(register))
    assert heard == [5, 6, 7]


def test_what_is_subscribed_within_a_handler_hears_from_the_next_event_on_and_for_this_run() -> None:
    heard: list[Any] = []

    def subscribe(_event: btk.PositionOpened) -> None:
        if not heard:
            btk.listen(btk.PositionOpened, heard.append)

    def register() -> None:
        strategy(on_open=subscribe)

    registry = registered(register)
    outcome = run(registry)
    opened = [event for event in outcome.events if isinstance(event, btk.PositionOpened)]
    assert heard[0] == opened[1]
    assert registry.listeners == []


def test_stopping_twice_is_stopping_once() -> None:
    heard: list[Any] = []
    others: list[Any] = []

    def register() -> None:
        strategy()
        stop = btk.listen(btk.PositionOpened, heard.append)
        btk.listen(btk.PositionOpened, others.append)
        stop()
        stop()

    run(registered(register))
    assert heard == []
    assert others != []


def test_a_handler_subscribed_twice_hears_twice_and_stopping_one_leaves_the_other() -> None:
    heard: list[Any] = []

    def register() -> None:
        strategy(at_quarter)
        btk.listen(btk.PositionOpened, heard.append)
        btk.listen(btk.PositionOpened, heard.append)
        btk.listen(btk.PositionOpened, heard.append)()

    run(registered(register))
    assert len(heard) == 2


def test_a_slow_async_handler_holds_up_the_next_event_and_the_next_handler() -> None:
    order: list[str] = []

    async def slow(event: btk.Event) -> None:
        order.append(f"begin {event.symbol} {type(event).__name__}")
        await asyncio.sleep(0.002)
        order.append(f"end {event.symbol} {type(event).__name__}")

    def register() -> None:
        strategy(at_quarter)
        btk.listen(btk.Event, slow)
        btk.listen(btk.Event, lambda event: order.append(f"after {event.symbol} {type(event).__name__}"))

    outcome = run(registered(register), "AAA", "BBB")
    told = [f"{e.symbol} {type(e).__name__}" for e in outcome.events]
    assert order == [f"{word} {event}" for event in told for word in ("begin", "end", "after")]


def test_errors_of_signal_function_callback_plug_in_and_listener_arrive_with_session_time_and_place() -> None:
    heard: list[btk.ErrorOccurred] = []

    def fail(event: Any) -> None:
        if event.symbol == "BBB" and event.at_ms == at(15):
            raise RuntimeError("no idea")

    class Broken:
        def on_open(self, event: btk.PositionOpened) -> None:
            fail(event)

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        if when.minute == 45:
            raise LookupError("not there")
        return a_long() if when.minute == 15 else None

    def register() -> None:
        strategy(get_signal, on_tick=fail, plugins=[Broken])
        btk.listen(btk.PositionOpened, fail)
        btk.listen(btk.ErrorOccurred, heard.append, symbol="BBB")

    outcome = run(registered(register), "AAA", "BBB")
    sources = [error.source.rpartition(".")[2] for error in heard]
    assert sources == ["on_open", "fail", "fail", "strategy"]
    assert [(error.strategy, error.symbol, error.at_ms) for error in heard] == [
        ("s", "BBB", at(minute)) for minute in (15, 15, 15, 45)
    ]
    assert all("test_listening.py:" in error.error and "Traceback" in error.detail for error in heard)
    assert heard == [error for error in errors_of(outcome) if error.symbol == "BBB"]


# What hangs.


def hang(_event: Any) -> None:
    while True:
        time.sleep(0.001)


async def wait(_event: Any) -> None:
    await asyncio.sleep(60)


async def wait_then_hang(event: Any) -> None:
    await asyncio.sleep(0)
    hang(event)


@pytest.mark.parametrize("handler", [hang, wait, wait_then_hang])
@pytest.mark.parametrize("kind", [btk.PositionOpened, btk.SessionIdle, btk.TickPassed])
def test_a_handler_that_hangs_is_cut_off_and_told_as_an_error_and_the_run_goes_on(handler: Any, kind: type) -> None:
    others: list[Any] = []

    def register() -> None:
        strategy(at_quarter)
        btk.listen(kind, handler, once=True)
        btk.listen(kind, others.append)

    registry = registered(register)
    sound = run(registered(lambda: strategy(at_quarter)))
    outcome = run(registry, settings=QUICK)
    (error,) = errors_of(outcome)
    assert error.error.startswith("TimeoutError: took longer than max_handler_seconds (0.1)")
    assert error.source.startswith("listener ")
    assert outcome.sessions[0].trades == sound.sessions[0].trades
    assert others != []
    assert outcome.exit_code == 0


@pytest.mark.parametrize("handler", [hang, wait, wait_then_hang])
def test_a_callback_that_hangs_in_a_quiet_minute_of_a_position_is_cut_off_too(handler: Any) -> None:
    def on_active(ping: btk.PositionActive) -> Any:
        return handler(ping) if ping.when.minute == 15 else None

    def register() -> None:
        btk.add_strategy("s", get_signal=once_at_ten, on_active=on_active)

    outcome = run(registered(register), settings=QUICK)
    (error,) = errors_of(outcome)
    assert error.at_ms == at(15)
    assert "max_handler_seconds (0.1)" in error.error
    assert "on_active" in error.source
    assert [trade.reason for trade in outcome.sessions[0].trades] == [btk.CloseReason.TIME_EXPIRED]


def test_the_limit_is_that_of_the_session_a_handler_is_called_for() -> None:
    limits = {"patient": 0.6, "quick": 0.05}
    begun: dict[str, float] = {}
    took: dict[str, float] = {}

    def hang_and_tell(event: btk.PositionOpened) -> None:
        begun[event.strategy] = time.perf_counter()
        try:
            hang(event)
        finally:
            took[event.strategy] = time.perf_counter() - begun[event.strategy]

    def register() -> None:
        for name in limits:
            btk.add_strategy(name, get_signal=once_at_ten)
        btk.listen(btk.PositionOpened, hang_and_tell)

    plan = plan_for(registered(register), {"AAA": FLAT})
    by_name = {name: Settings(max_handler_seconds=seconds) for name, seconds in limits.items()}
    outcome = asyncio.run(run_backtest(replace(plan, settings=by_name)))
    told = {error.strategy: error.error for error in errors_of(outcome)}
    assert "(0.6)" in told["patient"]
    assert "(0.05)" in told["quick"]
    assert took["quick"] < 0.5 < took["patient"]


def test_a_handler_that_is_slow_a_hundred_times_is_not_one_that_hangs() -> None:
    def register() -> None:
        strategy(at_quarter)
        btk.listen(btk.TickPassed, lambda _: time.sleep(0.005))

    outcome = run(registered(register), settings=QUICK)
    assert errors_of(outcome) == []


# What raises what is no Exception.


class OddError(BaseException):
    """Neither Exception nor one of Python's own."""


ODD = [OddError("odd"), asyncio.CancelledError("mine"), GeneratorExit("mine"), SystemExit(3)]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_a_strategy_raises_ends_its_own_session_only(odd: BaseException, is_async: bool) -> None:
    def raise_it(symbol: str, when: datetime, _price: float) -> None:
        if symbol == "BBB" and when.minute == 30:
            raise odd

    async def raise_it_later(symbol: str, when: datetime, price: float) -> None:
        await asyncio.sleep(0)
        raise_it(symbol, when, price)

    registry = registered(lambda: strategy(raise_it_later if is_async else raise_it))
    outcome = run(registry, "AAA", "BBB", "CCC")
    assert [(s.symbol, s.failure) for s in outcome.sessions if s.failure] == [("BBB", Failure.STRATEGY)]
    assert type(odd).__name__ in str(outcome.sessions[1].error)
    assert "test_listening.py:" in str(outcome.sessions[1].error)
    assert [error.at_ms for error in errors_of(outcome)] == [at(30)]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_an_entries_function_raises_ends_its_own_session_only(odd: BaseException) -> None:
    def entries(_candles: Candles) -> Any:
        raise odd

    outcome = run(registered(lambda: btk.add_strategy("s", entries=entries)))
    assert type(odd).__name__ in str(outcome.sessions[0].error)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_whatever_a_listener_raises_is_an_event_and_ends_nothing(odd: BaseException, is_async: bool) -> None:
    def raise_it(_event: Any) -> None:
        raise odd

    async def raise_it_later(event: Any) -> None:
        await asyncio.sleep(0)
        raise_it(event)

    handler = raise_it_later if is_async else raise_it

    def register() -> None:
        strategy(at_quarter, on_active=handler)
        btk.listen(btk.PositionOpened, handler)
        btk.listen(btk.ErrorOccurred, handler)

    outcome = run(registered(register))
    assert outcome.exit_code == 0
    assert len(outcome.sessions[0].trades) == 1
    errors = errors_of(outcome)
    assert len(errors) == 2 * (1 + 9), "of the opening and nine minutes, and of those who heard of these errors"
    assert all(type(odd).__name__ in error.error for error in errors)


async def test_a_future_that_the_strategy_cancels_itself_ends_its_session_only() -> None:
    async def get_signal(symbol: str, *_: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        if symbol == "AAA":
            asyncio.get_running_loop().call_soon(future.cancel)
            await future

    outcome = await run_backtest(plan_for(registered(lambda: strategy(get_signal)), {"AAA": FLAT, "BBB": FLAT}))
    assert [session.failure for session in outcome.sessions] == [Failure.STRATEGY, None]
    assert "CancelledError" in str(outcome.sessions[0].error)


async def forever(*_: Any) -> None:
    await asyncio.Event().wait()


async def shortly(*_: Any) -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("where", ["get_signal", "on_tick", "on_idle", "between"])
async def test_a_run_that_is_cancelled_from_outside_ends_wherever_it_waits(where: str) -> None:
    begun = asyncio.Event()

    async def begin(*_: Any) -> None:
        begun.set()
        await (shortly if where == "between" else forever)()

    parts: dict[str, Any] = {"get_signal": lambda *_: None} | {"on_tick" if where == "between" else where: begin}
    candles = {"AAA": candles_of([100.0] * 200_000 if where == "between" else [100.0] * 60)}
    task = asyncio.create_task(run_backtest(plan_for(registered(lambda: strategy(**parts)), candles)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_a_run_that_its_caller_gives_up_on_ends_in_time() -> None:
    plan = plan_for(registered(lambda: strategy(forever)), {"AAA": FLAT})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(run_backtest(plan), 0.05)


# Validators.


def too_dear(signal: btk.Signal, price: float) -> str | None:
    return f"{price:g} is too dear" if signal.note == "dear" else None


def raising(signal: btk.Signal, _price: float) -> None:
    if signal.note == "raise":
        raise RuntimeError("no idea")


def invalid_of(outcome: RunOutcome) -> list[btk.SignalInvalid]:
    return [event for event in outcome.events if isinstance(event, btk.SignalInvalid)]


def test_a_validator_vetoes_a_signal_with_its_message_which_is_counted_as_an_invalid_signal() -> None:
    notes = {15: "dear", 30: "raise", 45: "fine"}

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        return a_long(note=notes[when.minute]) if when.minute in notes else None

    outcome = run(registered(lambda: strategy(get_signal, validate=[too_dear, raising])))
    dear, raised = invalid_of(outcome)
    assert dear.problems == ("too_dear: 100 is too dear",)
    assert raised.problems[0].startswith("raising: RuntimeError: no idea (")
    assert "test_listening.py:" in raised.problems[0]
    assert [trade.note for trade in outcome.sessions[0].trades] == ["fine"]
    assert outcome.sessions[0].counts["signal_invalid"] == 2
    assert outcome.exit_code == 0


def test_all_vetoes_are_told_together_and_only_of_a_signal_that_keeps_the_rules() -> None:
    asked: list[btk.Signal] = []

    def no(signal: btk.Signal, _price: float) -> str:
        asked.append(signal)
        return "no"

    def never(*_: Any) -> str:
        return "never"

    signals = [a_long(), a_long(take_profit=-1.0), None, None]
    registry = registered(lambda: strategy(lambda *_: signals.pop(0), validate=[no, never]))
    first, second = invalid_of(run(registry))
    assert first.problems == ("no: no", "never: never")
    assert "take_profit" in second.problems[0]
    assert len(asked) == 1


def test_a_validator_of_a_batch_strategy_vetoes_the_same() -> None:
    def entries(candles: Candles) -> dict[str, Any]:
        return {"side": 1, "take_profit": candles.close * 1.01, "stop_loss": candles.close * 0.99, "minutes": 5}

    def veto(signal: btk.Signal, _price: float) -> str | None:
        vetoed.append(signal)
        return "not yet" if len(vetoed) <= 2 else None

    vetoed: list[btk.Signal] = []
    outcome = run(registered(lambda: btk.add_strategy("s", entries=entries, interval="5m", validate=veto)))
    assert [event.problems for event in invalid_of(outcome)] == [("veto: not yet",)] * 2
    assert len(outcome.sessions[0].trades) > 3


@pytest.mark.parametrize("odd", [*ODD, None], ids=lambda odd: type(odd).__name__)
def test_a_validator_that_hangs_or_raises_whatever_is_a_veto(odd: BaseException | None) -> None:
    def validate(_signal: btk.Signal, _price: float) -> str:
        if odd is None:
            hang(None)
        raise odd or AssertionError("cut off before")

    outcome = run(registered(lambda: strategy(at_quarter, validate=validate)), settings=QUICK)
    (invalid,) = invalid_of(outcome)
    expected = "took longer than max_handler_seconds (0.1)" if odd is None else type(odd).__name__
    assert invalid.problems[0].startswith(f"validate: {expected}")
    assert outcome.exit_code == 0


def test_an_answer_that_is_neither_text_nor_none_is_a_veto_that_says_so() -> None:
    odd: Any = lambda *_: True  # noqa: E731 - one without a name of its own
    (invalid,) = invalid_of(run(registered(lambda: strategy(at_quarter, validate=odd))))
    assert invalid.problems == ("<lambda>: expected a text or None, found True",)


async def later(_signal: btk.Signal, _price: float) -> None: ...


@pytest.mark.parametrize("validate", [later, lambda signal: None, "no", [3]])
def test_what_cannot_be_asked_about_a_signal_is_refused_when_it_is_registered(validate: Any) -> None:
    with pytest.raises(ConfigError, match=r"validate: expected a function \(signal, price\) that answers at once"):
        registered(lambda: strategy(validate=validate))


def test_candles_that_cannot_be_had_are_an_error_event_with_the_names_of_the_session() -> None:
    """A172: the exchange's part of it."""
    heard: list[btk.ErrorOccurred] = []

    def register() -> None:
        strategy()
        btk.listen(btk.ErrorOccurred, heard.append)

    plan = plan_for(registered(register), {"AAA": flat()}, symbols=["AAA", "GONE"])
    outcome = asyncio.run(run_backtest(plan))
    assert [(event.strategy, event.symbol, event.source) for event in heard] == [("s", "GONE", "candles")]
    assert [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)] == heard
    assert [s.counts.get("error_occurred", 0) for s in outcome.sessions] == [0, 1]
    assert outcome.sessions[1].error is not None
    assert heard[0].error in outcome.sessions[1].error
