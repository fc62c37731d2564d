"""Rules and sizings of the author's that fail: each is a refusal that says how, and ends nothing."""

import asyncio
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from backtestkit_cli import PositionOpened, Signal, SignalRefused, add_risk, add_sizing, add_strategy
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, flat, plan_for, registered

QUICK = Settings(max_handler_seconds=0.1)
TOO_LONG = "took longer than max_handler_seconds (0.1)"


def once_an_hour(_symbol: str, _when: datetime, price: float) -> Signal:
    return Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=20)


def run(register: Callable[[], None]) -> RunOutcome:
    registry = registered(register)
    plan = plan_for(
        registry,
        {"AAA": flat(60)},
        settings=QUICK,
        risks={"s": (registry.risks["careful"],)} if registry.risks else {},
        sizings={"s": registry.sizings["small"]} if registry.sizings else {},
    )
    return asyncio.run(run_backtest(plan))


def refused(outcome: RunOutcome) -> SignalRefused:
    """Return the only refusal of a run in which nothing else went wrong."""
    assert outcome.sessions[0].error is None
    assert outcome.exit_code == 0
    assert not any(isinstance(event, PositionOpened) for event in outcome.events)
    (event,) = outcome.events
    assert isinstance(event, SignalRefused)
    return event


def blocks(_check: object) -> None:
    time.sleep(60)


def leaves(_check: object) -> None:
    sys.exit(3)


def cancels(_check: object) -> None:
    raise asyncio.CancelledError


def closes(_check: object) -> None:
    raise GeneratorExit


def fails(_check: object) -> None:
    raise LookupError("no idea")


FAILURES = [
    (blocks, TOO_LONG),
    (leaves, "SystemExit: 3 (…)"),
    (cancels, "CancelledError (…)"),
    (closes, "GeneratorExit (…)"),
    (fails, "LookupError: no idea (…)"),
]


def without_place(reason: str) -> str:
    """Return *reason* with dots for the place in this file that it names."""
    return re.sub(r"\(\S+test_odd_judges\.py:\d+\)", "(…)", reason)


@pytest.mark.parametrize(("function", "reason"), FAILURES)
def test_a_rule_that_fails_in_whatever_way_refuses(function: Any, reason: str) -> None:
    def register() -> None:
        add_risk("careful", rules=[function])
        add_strategy("s", interval="1h", get_signal=once_an_hour, risk="careful")

    event = refused(run(register))
    assert (event.profile, event.rule, without_place(event.reason)) == ("careful", function.__name__, reason)
    assert event.at_ms == START_MS + 5 * 60_000


@pytest.mark.parametrize(("function", "reason"), FAILURES)
def test_a_sizing_that_fails_in_whatever_way_refuses(function: Any, reason: str) -> None:
    def register() -> None:
        add_sizing("small", function)
        add_strategy("s", interval="1h", get_signal=once_an_hour, sizing="small")

    event = refused(run(register))
    assert (event.profile, event.rule, without_place(event.reason)) == ("sizing", "small", reason)


@pytest.mark.parametrize("ends", ["rule", "sizing"])
def test_ctrl_c_in_a_judge_ends_the_run(ends: str) -> None:
    def interrupted(_check: object) -> None:
        raise KeyboardInterrupt

    def register() -> None:
        if ends == "rule":
            add_risk("careful", rules=[interrupted])
        else:
            add_sizing("small", interrupted)  # type: ignore[arg-type]
        names = {"risk": "careful"} if ends == "rule" else {"sizing": "small"}
        add_strategy("s", interval="1h", get_signal=once_an_hour, **names)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        run(register)
