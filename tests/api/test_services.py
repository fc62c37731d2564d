"""Services that strategies share: made once a run, typed by their class, replaced in tests, closed at the end."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.context import Context, ambient
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import BacktestKitError, ConfigError, ContextError
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.strategy_file import load_strategies
from tests.markets import candles_of, plan_for, registered

FLAT = candles_of([100.0] * 20)


class Prices:
    """Counts how often it was made and asked."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.asked: list[str] = []
        self.is_closed = False

    def ask(self, symbol: str) -> float:
        self.asked.append(symbol)
        return 1.0


class News:
    def __init__(self, prices: Prices | None = None) -> None:
        self.prices = prices


def use(*kinds: type, seen: list[Any]) -> Callable[..., None]:
    def get_signal(symbol: str, *_: Any) -> None:
        for kind in kinds:
            found: Any = btk.service(kind)
            if isinstance(found, Prices):
                found.ask(symbol)
            seen.append(found)

    return get_signal


def run(registry: Registry, *symbols: str, **options: Any) -> RunOutcome:
    return asyncio.run(run_backtest(plan_for(registry, dict.fromkeys(symbols or ("AAA",), FLAT), **options)))


def problem_of(register: Callable[[], None]) -> str:
    return str(run(registered(register)).sessions[0].error)


@pytest.mark.parametrize("options", [{}, {"max_concurrent": 1}], ids=["at once", "in waves"])
def test_all_strategies_and_symbols_of_a_run_share_one_instance_and_the_next_run_has_its_own(options: Any) -> None:
    seen: list[Prices] = []

    def register() -> None:
        btk.provide(Prices)
        for name in ("one", "two"):
            btk.add_strategy(name, interval="5m", get_signal=use(Prices, seen=seen))

    registry = registered(register)
    before = Prices.made
    for _ in range(2):
        run(registry, "AAA", "BBB", **options)
    assert Prices.made - before == 2, "one a run"
    assert len({id(found) for found in seen}) == 2
    assert set(seen[0].asked) == {"AAA", "BBB"}


def test_a_service_nobody_asks_for_is_never_made() -> None:
    def register() -> None:
        btk.provide(Prices)
        btk.add_strategy("s", get_signal=lambda *_: None)

    before = Prices.made
    run(registered(register))
    assert Prices.made == before


def test_a_factory_may_use_other_services_and_decorating_it_says_what_it_makes() -> None:
    seen: list[Any] = []

    def register() -> None:
        @btk.provide
        def news() -> News:
            return News(btk.service(Prices))

        btk.provide(Prices, lambda: Prices())  # noqa: PLW0108 - a factory of the author's
        btk.add_strategy("s", interval="1h", get_signal=use(Prices, News, seen=seen))
        assert callable(news)

    run(registered(register))
    prices, news = seen[:2]
    assert isinstance(news, News)
    assert news.prices is prices


def test_a_class_may_be_decorated_itself() -> None:
    seen: list[Any] = []

    def register() -> None:
        @btk.provide
        class Own:
            pass

        btk.add_strategy("s", interval="1h", get_signal=use(Own, seen=seen))
        seen.append(Own)

    run(registered(register))
    assert type(seen[1]) is seen[0]


def test_services_that_need_each_other_are_an_error_that_names_the_circle() -> None:
    class A: ...

    class B: ...

    def register() -> None:
        def make_a() -> A:
            btk.service(B)
            return A()

        def make_b() -> B:
            btk.service(A)
            return B()

        btk.provide(A, make_a)
        btk.provide(B, make_b)
        btk.add_strategy("s", get_signal=use(A, seen=[]))

    names = [
        f"{test_services_that_need_each_other_are_an_error_that_names_the_circle.__name__}.<locals>.{n}" for n in "ABA"
    ]
    assert " → ".join(names) in problem_of(register)


def test_a_factory_that_failed_may_be_asked_again() -> None:
    attempts: list[int] = []
    seen: list[Any] = []

    def sometimes() -> Prices:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return Prices()

    def register() -> None:
        btk.provide(Prices, sometimes)
        btk.add_strategy("s", get_signal=lambda *_: None, on_tick=lambda _: seen.append(btk.service(Prices)))

    outcome = run(registered(register))
    errors = [event for event in outcome.events if isinstance(event, btk.ErrorOccurred)]
    assert len(errors) == 1
    assert "OSError: not yet" in errors[0].error
    assert len(attempts) == 2
    assert len(set(map(id, seen))) == 1


def test_an_unknown_service_names_the_nearest() -> None:
    class Price: ...

    def register() -> None:
        btk.provide(Prices)
        btk.add_strategy("s", get_signal=use(Price, seen=[]))

    assert "Price'" in problem_of(register)
    assert "unknown service" in problem_of(register)
    assert "Prices" in problem_of(register)


def test_threads_of_a_strategy_get_the_one_instance_too() -> None:
    made: list[int] = []
    seen: list[Any] = []
    together = threading.Barrier(2, timeout=5)

    def slow() -> Prices:
        made.append(1)
        return Prices()

    def ask() -> None:
        together.wait()
        seen.append(btk.service(Prices))

    async def get_signal(*_: Any) -> None:
        await asyncio.gather(asyncio.to_thread(ask), asyncio.to_thread(ask))

    def register() -> None:
        btk.provide(Prices, slow)
        btk.add_strategy("s", interval="1h", get_signal=get_signal)

    run(registered(register))
    assert len(made) == 1
    assert len(set(map(id, seen))) == 1


@pytest.mark.parametrize("method", ["close", "aclose"])
def test_what_was_made_is_closed_at_the_end_last_made_first_and_after_the_plug_ins(method: str) -> None:
    closed: list[str] = []

    class Store:
        def close(self) -> None:
            closed.append("store")

    class Client:
        def __init__(self) -> None:
            self.store = btk.service(Store)

    async def aclose(_self: Any) -> None:
        await asyncio.sleep(0)
        closed.append("client")

    setattr(Client, method, aclose)

    class Plugin:
        def dispose(self) -> None:
            btk.service(Client)
            closed.append("plug-in")

    def register() -> None:
        btk.provide(Store)
        btk.provide(Client)
        btk.provide(Prices)
        btk.add_strategy("s", get_signal=use(Client, seen=[]), plugins=[Plugin])

    run(registered(register))
    assert closed == ["plug-in", "client", "store"]


def test_a_service_that_fails_to_close_is_an_event_and_the_others_close_all_the_same() -> None:
    closed: list[str] = []

    class Store:
        def close(self) -> None:
            closed.append("store")

    class Broken:
        def close(self) -> None:
            raise OSError("disk full")

    def register() -> None:
        for kind in (Store, Broken):
            btk.provide(kind)
        btk.add_strategy("s", get_signal=use(Store, Broken, seen=[]))

    outcome = run(registered(register))
    (error,) = (event for event in outcome.events if isinstance(event, btk.ErrorOccurred))
    assert (error.source, error.strategy, error.symbol) == ("Broken.close", "", "")
    assert "OSError: disk full" in error.error
    assert closed == ["store"]
    assert outcome.exit_code == 0


def test_a_test_replaces_one_service_by_a_fake() -> None:
    class Fake:
        def ask(self, symbol: str) -> float:
            return 2.0

    answers: list[float] = []

    def get_signal(symbol: str, *_: Any) -> None:
        answers.append(btk.service(Prices).ask(symbol))

    def register() -> None:
        btk.provide(Prices)
        btk.add_strategy("s", interval="1h", get_signal=get_signal)

    registry = registered(register)
    with btk.replace_service(Prices, Fake()):
        run(registry)
        assert isinstance(btk.service(Prices), Fake), "also outside of a run"
    run(registry)
    assert answers == [2.0, 1.0]


def test_outside_a_run_a_service_is_an_error_and_inside_one_providing_is() -> None:
    with pytest.raises(ContextError, match="inside a run only"):
        btk.service(Prices)

    def register() -> None:
        btk.add_strategy("s", get_signal=lambda *_: btk.provide(Prices) and None)

    assert "ContextError" in problem_of(register)
    assert "provide(...) belongs outside of functions" in problem_of(register)


def test_a_context_without_a_run_around_it_makes_services_of_its_own() -> None:
    inside: list[Context] = []

    def register() -> None:
        btk.add_strategy("s", get_signal=lambda *_: inside.append(btk.context()))

    for _ in range(2):
        run(registered(register))
    with registering_in(Registry()):
        btk.provide(Prices)
        found = []
        for context in (inside[0], inside[0], inside[-1]):
            token = ambient.set(context)
            found.append(btk.service(Prices))
            ambient.reset(token)
    assert found[0] is found[1]
    assert found[1] is not found[2]


def test_runs_side_by_side_do_not_share() -> None:
    seen: dict[str, list[Any]] = {"one": [], "two": []}
    together = threading.Barrier(2, timeout=5)

    def register(name: str) -> None:
        def get_signal(*_: Any) -> None:
            together.wait()
            seen[name].append(btk.service(Prices))

        btk.provide(Prices)
        btk.add_strategy(name, get_signal=get_signal)

    def run_one(name: str) -> None:
        run(registered(lambda: register(name)))

    threads = [threading.Thread(target=run_one, args=(name,)) for name in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, two = ({id(found) for found in seen[name]} for name in seen)
    assert len(one) == len(two) == 1
    assert one != two


SHARED = """
from backtestkit_cli import provide


class Prices:
    def ask(self):
        return 1.0


provide(Prices)
"""
STRATEGY = """
from backtestkit_cli import add_strategy, service
from {shared} import Prices

add_strategy("{name}", interval="1h", get_signal=lambda *_: service(Prices).ask() and None)
"""


def test_a_strategy_file_gets_a_shared_service_from_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "prices_of_this_test.py").write_text(SHARED, encoding="utf-8")
    file = tmp_path / "one.py"
    file.write_text(STRATEGY.format(shared="prices_of_this_test", name="one"), encoding="utf-8")
    for _ in range(2):  # a program may load it again
        loaded = load_strategies(str(file))
        outcome = run(loaded.registry)
        assert outcome.sessions[0].error is None
    other = tmp_path / "two.py"
    other.write_text(
        "from backtestkit_cli import add_strategy\nadd_strategy('two', get_signal=print)", encoding="utf-8"
    )
    assert load_strategies(str(other)).registry.services == {}, "each set of modules has its own"


async def made_later() -> Prices:
    return Prices()


def of_nothing():  # type: ignore[no-untyped-def]  # noqa: ANN201 - what is tested
    return None


@pytest.mark.parametrize(
    ("register", "problem"),
    [
        (lambda: [btk.provide(Prices), btk.provide(Prices)], "Prices is provided twice, first at .*test_services.py:"),
        (lambda: btk.provide(Prices, made_later), "a factory without arguments that answers at once"),  # type: ignore[arg-type]
        (lambda: btk.provide(Prices, lambda path: Prices()), "a factory without arguments that answers at once"),  # type: ignore[misc,arg-type]
        (lambda: btk.provide(of_nothing), "a factory annotated with the class it returns"),
        (lambda: btk.provide("Prices"), "a factory annotated with the class it returns"),  # type: ignore[call-overload]
    ],
)
def test_a_service_that_cannot_be_made_is_refused_with_its_line(register: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        registered(register)
    assert "test_services.py:" in str(caught.value)
    assert isinstance(caught.value, BacktestKitError)
