"""What a strategy module promises and is promised: names, slots, fields, ids, and who hears which mode."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import flat, plan_for, random_candles, registered

FIXED = btk.FixedPct(risk_pct=1, balance=1000)
TWICE: dict[str, Callable[[], None]] = {
    "strategy": lambda: btk.add_strategy("x", get_signal=lambda *_: None),
    "exchange": lambda: btk.add_exchange("x", kind="demo"),
    "frame": lambda: btk.add_frame("x", start="2025-05-01", end="2025-05-02"),
    "risk profile": lambda: btk.add_risk("x", rules=[btk.MaxOpen(1)]),
    "sizing": lambda: btk.add_sizing("x", FIXED),
    "job": lambda: btk.add_job("x", every="1h", handler=print),
}


@pytest.mark.parametrize("kind", TWICE)
def test_a33_a_name_registered_twice_names_both_places(kind: str) -> None:
    with registering_in(Registry()):
        TWICE[kind]()
        with pytest.raises(ConfigError) as caught:
            TWICE[kind]()
    assert f"{kind} 'x' is registered twice, first at" in str(caught.value)
    assert str(caught.value).count("test_strategy_contract.py:") == 2


def run(register: Callable[[], None], candles: Any = None, **changes: Any) -> RunOutcome:
    plan = plan_for(registered(register), {"AAA": candles if candles is not None else flat(66)}, **changes)
    return asyncio.run(run_backtest(plan))


def test_a57_a_module_with_a_name_an_interval_a_function_a_callback_and_a_risk_profile_runs() -> None:
    opened: list[btk.PositionOpened] = []

    async def get_signal(_symbol: str, _when: datetime, price: float) -> btk.Signal:
        return btk.Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=5)

    def register() -> None:
        btk.add_risk("one", rules=[btk.MaxOpen(1)])
        btk.add_strategy("s", interval="5m", get_signal=get_signal, on_open=opened.append, risk="one")

    registry = registered(register)
    plan = plan_for(registry, {"AAA": flat(66)}, risks={"s": (registry.risks["one"],)})
    outcome = asyncio.run(run_backtest(plan))
    assert outcome.exit_code == 0
    assert len(opened) == len(outcome.sessions[0].trades) > 5


@pytest.mark.parametrize(("interval", "calls"), [("1m", 60), ("3m", 20), ("5m", 12), ("15m", 4), ("30m", 2), ("1h", 1)])
def test_a58_a_strategy_is_asked_once_an_interval(interval: str, calls: int) -> None:
    asked: list[datetime] = []
    run(
        lambda: btk.add_strategy("s", interval=interval, get_signal=lambda _s, when, _p: asked.append(when)),
        flat(120),
        warm_up=59,
    )
    assert len([when for when in asked if when.hour == 1]) == calls


@pytest.mark.parametrize("interval", ["7m", "1 m", "", "1M", "60"])
def test_a58_another_interval_is_refused_when_it_is_registered(interval: str) -> None:
    with registering_in(Registry()), pytest.raises(ConfigError, match="unknown interval"):
        btk.add_strategy("s", interval=interval, get_signal=lambda *_: None)


@pytest.mark.parametrize("missing", ["position", "take_profit", "stop_loss"])
def test_a59_a_signal_lacks_no_field_it_needs_and_has_none_it_does_not_know(missing: str) -> None:
    wish: dict[str, Any] = {"position": "long", "take_profit": 101.0, "stop_loss": 99.0}
    assert btk.Signal(**wish).minutes is btk.Signal(**wish).price_open is None
    with pytest.raises(TypeError, match=missing):
        btk.Signal(**{name: value for name, value in wish.items() if name != missing})
    with pytest.raises(TypeError, match="take_profits"):
        btk.Signal(**wish | {"take_profits": 102.0})


def test_a75_ten_thousand_signals_have_ids_of_their_own_that_a_rerun_repeats() -> None:
    def get_signal(_symbol: str, _when: datetime, price: float) -> btk.Signal:
        return btk.Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=1)

    def register() -> None:
        for name in ("a", "b"):
            btk.add_strategy(name, get_signal=get_signal)

    def ids() -> list[str]:
        candles = {symbol: random_candles(1, 3_400) for symbol in ("AAA", "BBB", "CCC")}
        plan = plan_for(registered(register), candles)
        return [trade.id for s in asyncio.run(run_backtest(plan)).sessions for trade in s.trades]

    found = ids()
    assert len(found) > 10_000
    assert len(set(found)) == len(found)
    assert ids() == found


def test_a169_each_mode_has_its_listeners_and_all_have_the_common_one() -> None:
    heard: list[tuple[str | None, str]] = []

    def get_signal(_symbol: str, _when: datetime, price: float) -> btk.Signal:
        return btk.Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=500)

    def hears(mode: str | None) -> Callable[[btk.PositionOpened], None]:
        return lambda _: heard.append((mode, btk.mode()))

    def register() -> None:
        btk.add_strategy("s", get_signal=get_signal)
        for mode in ("backtest", "live", None):
            btk.listen(btk.PositionOpened, hears(mode), mode=mode)

    plan = plan_for(registered(register), {"AAA": flat(30)})
    for mode in ("backtest", "live"):
        asyncio.run(run_backtest(replace(plan, mode=mode)))
    assert heard == [("backtest", "backtest"), (None, "backtest"), ("live", "live"), (None, "live")]
