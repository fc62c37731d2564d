"""Plug-ins of a strategy: when they begin and end, what they hear and in which order, and what becomes of failures."""

import asyncio
import time
from datetime import datetime
from typing import Any

import numpy as np
import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import Failure, RunOutcome
from backtestkit_cli.api.callbacks import EVENT_OF
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import candles_of, plan_for, registered

FLAT = candles_of([100.0] * 60)


def a_long(**changes: Any) -> btk.Signal:
    parts: dict[str, Any] = {"position": "long", "take_profit": 101.0, "stop_loss": 99.0, "minutes": 10}
    return btk.Signal(**parts | changes)


def once_at_ten(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
    return a_long() if when.minute == 10 else None


def strategy(*plugins: object, name: str = "s", **others: Any) -> Registry:
    parts: dict[str, Any] = {"get_signal": once_at_ten, "plugins": plugins}
    return registered(lambda: btk.add_strategy(name, **parts | others))


def run(registry: Registry, candles: dict[str, Candles] | None = None, **options: Any) -> RunOutcome:
    return asyncio.run(run_backtest(plan_for(registry, candles or {"AAA": FLAT}, **options)))


class Journal:
    """Writes down what it is called for."""

    def __init__(self, name: str = "journal", lines: list[str] | None = None) -> None:
        self.name = name
        self.lines = [] if lines is None else lines

    def init(self) -> None:
        self.lines.append(f"{self.name} init")

    async def dispose(self) -> None:
        await asyncio.sleep(0)
        self.lines.append(f"{self.name} dispose")

    def on_open(self, event: btk.PositionOpened) -> None:
        self.lines.append(f"{self.name} open {event.symbol}")

    async def on_close(self, event: btk.PositionClosed) -> None:
        await asyncio.sleep(0)
        self.lines.append(f"{self.name} close {event.trade.symbol}")


def test_a_plug_in_begins_once_hears_its_strategy_and_ends_once() -> None:
    journal = Journal()

    def register() -> None:
        btk.add_strategy("s", get_signal=once_at_ten, plugins=[journal])
        btk.add_strategy("other", get_signal=once_at_ten)

    run(registered(register), {"AAA": FLAT, "BBB": FLAT})
    heard = [f"journal {word} {symbol}" for word in ("open", "close") for symbol in ("AAA", "BBB")]
    assert journal.lines == ["journal init", *heard, "journal dispose"]


def test_a_run_in_waves_begins_and_ends_a_plug_in_once_as_well() -> None:
    journal = Journal()
    run(strategy(journal), {"AAA": FLAT, "BBB": FLAT, "CCC": FLAT}, max_concurrent=1)
    assert journal.lines.count("journal init") == journal.lines.count("journal dispose") == 1
    assert journal.lines[-1] == "journal dispose"
    assert len(journal.lines) == 2 + 3 * 2


def test_plug_ins_end_in_reverse_order() -> None:
    lines: list[str] = []
    run(strategy(Journal("first", lines), Journal("second", lines)))
    assert lines[:2] == ["first init", "second init"]
    assert lines[-2:] == ["second dispose", "first dispose"]


def test_the_callback_hears_first_then_the_plug_ins_then_listeners_in_the_order_they_subscribed() -> None:
    heard: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_open(self, _event: btk.PositionOpened) -> None:
            heard.append(self.name)

    def register() -> None:
        btk.listen(btk.PositionOpened, lambda _: heard.append("listener one"))
        btk.add_strategy(
            "s",
            get_signal=once_at_ten,
            plugins=[Named("plug-in one"), Named("plug-in two")],
            on_open=lambda _: heard.append("callback"),
        )
        btk.listen(btk.Event, lambda e: heard.append("listener two") if isinstance(e, btk.PositionOpened) else None)

    run(registered(register))
    assert heard == ["callback", "plug-in one", "plug-in two", "listener one", "listener two"]


def test_a_plug_in_may_have_every_callback_and_each_hears_its_own_event() -> None:
    heard: dict[str, set[type]] = {name: set() for name in EVENT_OF}

    class Everything:
        def __getattr__(self, name: str) -> Any:
            if name not in heard:
                raise AttributeError(name)
            return lambda event: heard[name].add(type(event))

        def on_tick(self, event: btk.TickPassed) -> None:
            heard["on_tick"].add(type(event))
            if event.when.minute == 30:
                raise RuntimeError("for on_error")

    def get_signal(_symbol: str, when: datetime, _price: float) -> btk.Signal | None:
        if when.minute == 10:
            return a_long(price_open=98.0, take_profit=100.0, stop_loss=90.0)
        return a_long(price_open=50.0, take_profit=60.0, stop_loss=45.0) if when.minute == 40 else None

    candles = {"AAA": candles_of([100.0] * 14 + [97.9] + [98.5] * 45)}
    run(strategy(Everything(), get_signal=get_signal), candles, settings=Settings(fill_model=FillModelName.CANDLE))
    told = ("schedule", "open", "active", "close", "cancel", "tick", "idle", "error")
    assert {name: heard[name] for name in map("on_{}".format, told)} == {
        name: {EVENT_OF[name]} for name in map("on_{}".format, told)
    }


def test_every_run_makes_its_own_of_a_class() -> None:
    made: list[Any] = []

    class Counter:
        def __init__(self) -> None:
            self.opened = 0
            made.append(self)

        def on_open(self, _event: btk.PositionOpened) -> None:
            self.opened += 1

    registry = strategy(Counter)
    for _ in range(2):
        run(registry, {"AAA": FLAT, "BBB": FLAT})
    assert [counter.opened for counter in made] == [2, 2]


def test_an_object_that_two_strategies_share_begins_and_ends_once_and_hears_both() -> None:
    journal = Journal()

    def register() -> None:
        for name in ("one", "two"):
            btk.add_strategy(name, get_signal=once_at_ten, plugins=[journal])

    run(registered(register))
    assert journal.lines.count("journal init") == journal.lines.count("journal dispose") == 1
    assert journal.lines.count("journal open AAA") == 2


def test_what_a_plug_in_subscribes_to_at_its_beginning_holds_for_that_run() -> None:
    heard: list[str] = []

    class Subscriber:
        def init(self) -> None:
            btk.listen(btk.PositionOpened, lambda event: heard.append(event.symbol))

    registry = strategy(Subscriber())
    for runs in (1, 2):
        run(registry)
        assert heard == ["AAA"] * runs
    assert registry.listeners == []


def test_commands_of_a_plug_in_are_those_of_its_position() -> None:
    class TakeEarly:
        def on_active(self, ping: btk.PositionActive) -> None:
            if ping.when.minute == 13:
                btk.close_position("early")

    (trade,) = run(strategy(TakeEarly())).sessions[0].trades
    assert (trade.reason, trade.closed_at_ms - trade.opened_at_ms) == ("closed", 3 * MINUTE_MS)


def test_a_batch_strategy_with_a_plug_in_is_heard_and_decides_the_same() -> None:
    def entries(candles: Candles) -> dict[str, Any]:
        return {"side": np.where(candles.close > 0, 1, 0), "take_profit": 101.0, "stop_loss": 99.0, "minutes": 10}

    journal = Journal()
    outcomes = [run(strategy(*plugins, get_signal=None, entries=entries)) for plugins in ((), (journal,))]
    assert outcomes[0].events == outcomes[1].events
    assert journal.lines.count("journal open AAA") == len(outcomes[0].sessions[0].trades) > 1


def test_a_handler_of_a_plug_in_that_fails_is_an_event_and_changes_no_state() -> None:
    class Broken:
        def on_open(self, _event: btk.PositionOpened) -> None:
            raise RuntimeError("no idea")

    outcome, sound = run(strategy(Broken())), run(strategy())
    assert outcome.sessions[0].trades == sound.sessions[0].trades
    (error,) = (event for event in outcome.events if isinstance(event, btk.ErrorOccurred))
    assert "Broken.on_open" in error.source
    assert "RuntimeError: no idea" in error.error
    assert "test_plugins.py:" in error.error


@pytest.mark.parametrize("is_async", [False, True])
def test_a_plug_in_that_does_not_begin_ends_the_sessions_of_its_strategy_and_no_others(is_async: bool) -> None:
    class Broken:
        def init(self) -> Any:
            if is_async:
                return self.later()
            raise OSError("no such file")

        async def later(self) -> None:
            await asyncio.sleep(0)
            raise OSError("no such file")

    lines: list[str] = []
    errors: list[btk.ErrorOccurred] = []

    def register() -> None:
        plugins = [Journal("one", lines), Broken(), Journal("three", lines)]
        btk.add_strategy("broken", get_signal=once_at_ten, plugins=plugins, on_error=errors.append)
        btk.add_strategy("sound", get_signal=once_at_ten)

    outcome = run(registered(register), {"AAA": FLAT, "BBB": FLAT})
    failed = [(s.strategy, s.symbol) for s in outcome.sessions if s.failure is Failure.STRATEGY]
    assert failed == [("broken", "AAA"), ("broken", "BBB")]
    assert [len(s.trades) for s in outcome.sessions if s.strategy == "sound"] == [1, 1]
    said = str(outcome.sessions[0].error)
    assert "plug-in Broken did not begin: OSError: no such file" in said
    assert said.count("test_plugins.py:") == 2, "where it is registered, and where it failed"
    assert lines == ["one init", "one dispose"], "what begun is ended, what never began is not"
    assert [(e.symbol, e.error) for e in errors] == [("AAA", said), ("BBB", said)]
    assert errors == [e for e in outcome.events if isinstance(e, btk.ErrorOccurred)]
    assert outcome.exit_code == 4


def test_a_class_that_cannot_be_made_is_told_the_same_way() -> None:
    class Broken:
        def __init__(self) -> None:
            raise ValueError("not today")

        def init(self) -> None: ...

    outcome = run(strategy(Broken))
    assert "plug-in Broken did not begin: ValueError: not today" in str(outcome.sessions[0].error)
    assert outcome.exit_code == 1


def test_a_plug_in_that_fails_to_end_is_an_event_and_the_others_end_all_the_same() -> None:
    class Broken:
        def dispose(self) -> None:
            raise OSError("disk full")

    lines: list[str] = []
    heard: list[btk.ErrorOccurred] = []

    def register() -> None:
        btk.add_strategy("s", get_signal=once_at_ten, plugins=[Journal("one", lines), Broken()])
        btk.listen(btk.ErrorOccurred, heard.append)

    outcome = run(registered(register))
    assert lines[-1] == "one dispose"
    assert [(e.strategy, e.source) for e in heard] == [("s", "Broken.dispose")]
    assert "OSError: disk full" in heard[0].error
    assert heard[0] in outcome.events
    assert len(outcome.sessions[0].trades) == 1
    assert outcome.exit_code == 0


def test_a_plug_in_ends_also_when_the_run_is_cancelled_and_its_failure_is_noted() -> None:
    lines: list[str] = []

    class Broken:
        def dispose(self) -> None:
            raise OSError("disk full")

    async def forever(*_: Any) -> None:
        await asyncio.Event().wait()

    async def cancelled() -> BaseException:
        plan = plan_for(strategy(Journal("one", lines), Broken(), get_signal=forever), {"AAA": FLAT})
        task = asyncio.create_task(run_backtest(plan))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    error = asyncio.run(cancelled())
    assert lines == ["one init", "one dispose"]
    assert any("Broken.dispose failed as well: OSError: disk full" in note for note in error.__notes__)


@pytest.mark.parametrize("blocks", [False, True])
def test_a_plug_in_that_hangs_at_its_beginning_or_end_is_cut_off(blocks: bool) -> None:
    def hang() -> Any:
        while blocks:
            time.sleep(0.001)
        return asyncio.sleep(60)

    class Slow:
        def __init__(self, when: str) -> None:
            setattr(self, when, hang)

    settings = Settings(max_handler_seconds=0.1)
    outcome = run(strategy(Slow("init")), settings=settings)
    assert "max_handler_seconds (0.1)" in str(outcome.sessions[0].error)
    outcome = run(strategy(Slow("dispose")), settings=settings)
    (error,) = (event for event in outcome.events if isinstance(event, btk.ErrorOccurred))
    assert (error.source, outcome.exit_code) == ("Slow.dispose", 0)
    assert "max_handler_seconds (0.1)" in error.error


class Mistyped:
    def on_opne(self, event: Any) -> None: ...


class Nothing:
    size = 3


class TooMany:
    def on_open(self, event: Any, more: Any) -> None: ...


class Demanding:
    def __init__(self, path: str) -> None: ...

    def init(self) -> None: ...


@pytest.mark.parametrize(
    ("plugins", "problem"),
    [
        ([Mistyped()], "plug-in Mistyped: unknown callback 'on_opne'; did you mean .*'on_open'"),
        ([Mistyped], "plug-in Mistyped: unknown callback 'on_opne'; did you mean .*'on_open'"),
        ([Nothing()], "plug-in Nothing: expected one of the methods init, dispose, on_schedule, .* found none"),
        ([TooMany], r"expected a method on_open\(event\), found \(self, event: Any, more: Any\)"),
        ([TooMany()], r"expected a method on_open\(event\), found \(event: Any, more: Any\)"),
        ([Demanding], "plug-in Demanding: expected an object, or a class made without arguments"),
        (Journal(), "plugins: expected a list of objects, found Journal"),
    ],
)
def test_a_plug_in_that_is_none_is_refused_with_the_line_that_gives_it(plugins: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        registered(lambda: btk.add_strategy("s", get_signal=once_at_ten, plugins=plugins))
    assert "test_plugins.py:" in str(caught.value)


@pytest.mark.parametrize(("keyword", "nearest"), [("on_opne", "on_open"), ("warmup", "warm_up")])
def test_an_unknown_keyword_of_a_strategy_names_the_nearest(keyword: str, nearest: str) -> None:
    wrong: dict[str, Any] = {keyword: None}
    with pytest.raises(ConfigError, match=f"unknown keyword of add_strategy '{keyword}'; did you mean .*'{nearest}'"):
        registered(lambda: btk.add_strategy("s", get_signal=once_at_ten, **wrong))
