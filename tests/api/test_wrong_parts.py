"""What cannot work is refused at the line that hands it over, in one line; nothing is found out later."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import BacktestKitError
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import flat, plan_for, registered

ANY: Any = None


def nothing(_symbol: str, _when: object, _price: float) -> None:
    """Ask for no signal."""


def strategy(**parts: Any) -> None:
    btk.add_strategy("s", **{"get_signal": nothing, **parts})


@pytest.mark.parametrize(
    ("register", "words"),
    [
        (lambda: strategy(get_signal=5), "expected get_signal, a function of symbol, when and price, found 5"),
        (lambda: strategy(get_signal=lambda: 1), "expected get_signal, a function of symbol, when and price, found"),
        (lambda: strategy(get_signal=None, entries=7), "expected entries, a function of candles, found 7"),
        (lambda: strategy(on_open=5), "expected on_open, a function of one event, found 5"),
        (lambda: strategy(on_close=lambda: 1), "expected on_close, a function of one event, found"),
        (lambda: strategy(sizing=5), "expected the name of a sizing, found 5"),
        (lambda: strategy(risk=5), "expected the name of a risk profile, found 5"),
        (lambda: strategy(risk=[btk.MaxOpen(3)]), "expected the name of a risk profile, found MaxOpen"),
        (lambda: strategy(risk=None), "expected the name of a risk profile, found None"),
        (lambda: strategy(settings=5), "expected settings, values by name, found 5"),
        (lambda: strategy(warm_up=5), "expected warm_up, counts of candles by interval, found 5"),
        (lambda: strategy(indicators=5), "expected indicators, functions by interval, found 5"),
        (lambda: btk.listen(btk.PositionOpened, ANY), "expected a handler, a function of one event, found None"),
        (lambda: btk.listen(btk.PositionOpened, lambda: 1), "expected a handler, a function of one event, found"),  # type: ignore[arg-type, misc]
        (lambda: btk.listen(btk.PositionOpened, print, mode="bactest"), "unknown mode 'bactest'; did you mean 'backt"),
        (lambda: btk.listen(btk.PositionOpened, print, symbol=5), "expected symbol to be a text, found 5"),  # type: ignore[arg-type]
        (
            lambda: btk.add_risk("r", rules=[btk.MaxOpen(3)], on_rejected=lambda _: None),  # type: ignore[arg-type, misc]
            "expected on_rejected, a function of the check and the reason, found",
        ),
    ],
)
def test_a_part_that_cannot_work_is_refused_with_its_place(register: Callable[[], object], words: str) -> None:
    with registering_in(Registry()), pytest.raises(BacktestKitError) as caught:
        register()
    assert words in str(caught.value)
    assert "test_wrong_parts.py:" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_nothing_is_registered_inside_a_run() -> None:
    said: list[str] = []

    def on_tick(_ping: btk.TickPassed) -> None:
        late: list[Callable[[], object]] = [
            lambda: btk.add_job("late", every="1m", handler=print),
            lambda: btk.add_strategy("late", get_signal=nothing),
            lambda: btk.add_risk("late", rules=[btk.MaxOpen(1)]),
        ]
        for register in late:
            try:
                register()
            except BacktestKitError as error:
                said.append(str(error))

    registry = registered(lambda: strategy(on_tick=on_tick))
    asyncio.run(run_backtest(plan_for(registry, {"AAA": flat(8)})))
    assert len(said) == 12
    assert all("is registered before a run begins, found inside one" in text for text in said)


def test_a_listener_of_one_symbol_hears_it_however_it_is_spelled() -> None:
    heard: list[str] = []

    def register() -> None:
        strategy()
        for symbol in ("BTCUSDT", "BTC/USDT", "ETHUSDT"):
            btk.listen(btk.SessionEnded, lambda event: heard.append(event.symbol), symbol=symbol)

    asyncio.run(run_backtest(plan_for(registered(register), {"BTC/USDT": flat(8)})))
    assert heard == ["BTC/USDT", "BTC/USDT"]


@pytest.mark.parametrize("note", [5, None, object(), {"z"}])
def test_a_note_is_a_text(note: Any) -> None:
    answers: list[btk.CommandResult] = []

    def get_signal(_symbol: str, _when: object, price: float) -> btk.Signal:
        wish = {"take_profit": price * 1.1, "stop_loss": price * 0.9, "minutes": 5}
        return btk.Signal(position="long", **wish, note=note if not answers else "fine")  # type: ignore[arg-type]

    registry = registered(
        lambda: btk.add_strategy(
            "s", get_signal=get_signal, on_active=lambda _: answers.append(btk.close_position(note))
        )
    )
    outcome = asyncio.run(run_backtest(plan_for(registry, {"AAA": flat(12)})))
    invalid = [event for event in outcome.events if isinstance(event, btk.SignalInvalid)]
    assert invalid
    assert all("note must be a text" in event.problems[0] for event in invalid)
