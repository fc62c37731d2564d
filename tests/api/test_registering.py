"""What registrations refuse, what can be listed of them, and what belongs to no module."""

from collections.abc import Callable

import pytest

from backtestkit_cli import (
    Candles,
    add_exchange,
    add_frame,
    add_strategy,
    list_exchanges,
    list_frames,
    list_jobs,
    list_risks,
    list_sizings,
    list_strategies,
    set_config,
)
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import ConfigError


def none_of(_candles: Candles) -> dict[str, float]:
    return {}


def test_what_is_registered_is_listed_by_kind_with_its_note() -> None:
    with registering_in(Registry()):
        add_strategy("b", entries=none_of, note="batch")
        add_strategy("a", entries=none_of)
        add_exchange("mine", kind="demo", note="made up")
        add_frame("may", start="2025-05-01", end="2025-06-01", note="a month")
        assert [(spec.name, spec.note) for spec in list_strategies()] == [("b", "batch"), ("a", "")]
        assert [(spec.name, spec.note) for spec in list_exchanges()] == [("mine", "made up")]
        assert [(spec.name, spec.note) for spec in list_frames()] == [("may", "a month")]
        assert (list_risks(), list_sizings(), list_jobs()) == ((), (), ())
    with registering_in(Registry()):
        assert list_strategies() == ()


@pytest.mark.parametrize("kind", ["strategy", "exchange", "frame"])
def test_a_name_registered_twice_is_an_error_that_names_both_lines(kind: str) -> None:
    register: Callable[[], None] = {
        "strategy": lambda: add_strategy("x", entries=none_of),
        "exchange": lambda: add_exchange("x", kind="demo"),
        "frame": lambda: add_frame("x", start="2025-05-01", end="2025-06-01"),
    }[kind]
    with registering_in(Registry()):
        register()
        with pytest.raises(ConfigError, match=rf"{kind} 'x' is registered twice, first at .*test_registering.py:\d+"):
            register()


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (7301, "at most 7,300 candles, was 7301"),
        (10**400, "at most 7,300 candles, was a far larger number"),
        (True, "whole number of candles, was True"),
        (-1, "whole number of candles, was -1"),
    ],
)
def test_a_warm_up_is_at_most_twenty_years(count: int, complaint: str) -> None:
    with registering_in(Registry()):
        add_strategy("fits", entries=none_of, warm_up={"1d": 7300})
        with pytest.raises(ConfigError, match=complaint):
            add_strategy("x", entries=none_of, warm_up={"1d": count})


def test_settings_of_one_module_are_not_those_of_another() -> None:
    with registering_in(Registry()) as one:
        set_config(fee_pct=0.2)
    with registering_in(Registry()) as other:
        set_config({"gaps": "skip"})
    assert {name: given.value for name, given in one.settings.items()} == {"fee_pct": 0.2}
    assert {name: given.value for name, given in other.settings.items()} == {"gaps": "skip"}
