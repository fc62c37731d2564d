"""The rules a signal must keep, each by a signal that breaks it."""

import math
from typing import Any

import pytest

from backtestkit_cli import Above, Below, Ladder, Signal, Stop, StopLimit
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal_rules import problems_of
from backtestkit_cli.policies.orders.limit import Limit

SHORT: dict[str, Any] = {"position": "short", "take_profit": 97.0, "stop_loss": 102.0}


def problems(price: float = 100.0, **changes: Any) -> list[str]:
    parts: dict[str, Any] = {"position": "long", "take_profit": 103.0, "stop_loss": 98.0, "minutes": 60}
    return problems_of(Signal(**parts | changes), price, Settings())


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        (SHORT, []),
        ({"take_profit": 99.0}, ["take_profit of a long must be above price 100.0, was 99.0"]),
        ({"stop_loss": 101.0}, ["stop_loss of a long must be below price 100.0, was 101.0"]),
        (SHORT | {"take_profit": 101.0}, ["take_profit of a short must be below price 100.0, was 101.0"]),
        (SHORT | {"stop_loss": 99.0}, ["stop_loss of a short must be above price 100.0, was 99.0"]),
        ({"cost": 1e15}, []),
        ({"cost": 1e-15}, []),
        ({"minutes": 0}, ["minutes must be a whole number of at least 1, was 0"]),
        ({"minutes": -5}, ["minutes must be a whole number of at least 1, was -5"]),
        ({"price_open": 105.0}, ["take_profit of a long must be above price_open 105.0, was 103.0"]),
    ],
)
def test_a68_exits_stand_on_their_sides_and_minutes_are_positive(changes: dict[str, Any], broken: list[str]) -> None:
    found = problems(**changes)
    assert found[: len(broken)] == broken
    assert bool(found) == bool(broken)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"take_profit": math.nan}, "take_profit must be a finite number above 0, was nan"),
        ({"take_profit": math.inf}, "take_profit must be a finite number above 0, was inf"),
        ({"stop_loss": 0.0}, "stop_loss must be a finite number above 0, was 0.0"),
        ({"price_open": -1.0}, "price_open must be a finite number above 0, was -1.0"),
        ({"cost": 0}, "cost must be a finite number above 0, was 0"),
        ({"cost": 1.1e15}, "cost must be from 1e-15 to 1e+15, was 1100000000000000.0"),
        ({"cost": 5e-324}, "cost must be from 1e-15 to 1e+15, was 5e-324"),
        (
            {"ladder": Ladder(step_pct=1.0, entries=2, cost=1e308)},
            "cost of a ladder must be from 1e-15 to 1e+15, was 1e+308",
        ),
        ({"minutes": 2.5}, "minutes must be a whole number of at least 1, was 2.5"),
        ({"minutes": 1441}, "minutes must be at most 1440 (max_minutes), was 1441"),
        ({"take_profit": 100.4}, "take_profit must be at least 0.5 % from price 100.0, was 100.4 (0.4000 %)"),
        ({"stop_loss": 99.6}, "stop_loss must be 0.5 to 20.0 % from price 100.0, was 99.6 (0.4000 %)"),
        ({"stop_loss": 79.0}, "stop_loss must be 0.5 to 20.0 % from price 100.0, was 79.0 (21.0000 %)"),
        ({"price": 97.0}, "stop_loss of a long must be below price 97.0, was 98.0"),
        ({"price": 104.0}, "take_profit of a long must be above price 104.0, was 103.0"),
    ],
)
def test_a69_each_rule_is_told_with_both_numbers(changes: dict[str, Any], broken: str) -> None:
    assert problems(**changes) == [broken]


def test_a69_all_broken_rules_are_told_together() -> None:
    found = problems(take_profit=100.1, stop_loss=50.0, minutes=0)
    assert [text.split()[0] for text in found] == ["take_profit", "stop_loss", "minutes"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Stop(101.0), 101.0),
        (Stop(99.0), 100.0),
        (StopLimit(101.0, 101.5), 101.0),
        (StopLimit(101.0, 100.5), 100.5),
        (StopLimit(99.0, 100.5), 100.0),
        (StopLimit(99.0, 99.5), 99.5),
        (Above(101.0), 101.0),
        (Above(99.0), 100.0),
        (Below(99.0), 99.0),
        (Below(101.0), 100.0),
        (Limit(99.0), 99.0),
    ],
)
def test_distances_are_measured_from_where_the_order_expects_to_open(entry: Any, expected: float) -> None:
    assert problems(entry=entry, take_profit=expected * 1.01, stop_loss=expected * 0.99) == []
    assert problems(entry=entry, take_profit=expected * 1.001, stop_loss=expected * 0.7) == [
        f"take_profit must be at least 0.5 % from entry {expected!r}, was {expected * 1.001!r} (0.1000 %)",
        f"stop_loss must be 0.5 to 20.0 % from entry {expected!r}, was {expected * 0.7!r} (30.0000 %)",
    ]


@pytest.mark.parametrize(
    ("entry", "broken"),
    [
        (Stop(104.0), "take_profit of a long must be above entry 104.0, was 103.0"),
        (StopLimit(101.0, 97.0), "stop_loss of a long must be below entry 97.0, was 98.0"),
        (Below(97.5), "stop_loss of a long must be below entry 97.5, was 98.0"),
        (Stop(math.nan), "price of the stop entry must be a finite number above 0, was nan"),
        (Stop(True), "price of the stop entry must be a finite number above 0, was True"),
        (Above("101"), "price of the above entry must be a finite number above 0, was '101'"),  # type: ignore[arg-type]
        (StopLimit(101.0, -1.0), "limit of the stop_limit entry must be a finite number above 0, was -1.0"),
        (Below(10**400), "price of the below entry must be a finite number above 0"),
        (Stop, "entry must be an order such as Stop(price=…), was <class"),
        (105.0, "entry must be an order such as Stop(price=…), was 105.0"),
        ("stop", "entry must be an order such as Stop(price=…), was 'stop'"),
        (0, "entry must be an order such as Stop(price=…), was 0"),
    ],
)
def test_an_entry_that_cannot_be_is_told_with_its_numbers(entry: Any, broken: str) -> None:
    (found,) = [text for text in problems(entry=entry) if text.startswith(broken)]
    assert found


def test_broken_rules_of_the_entry_are_told_with_the_others() -> None:
    found = problems(entry=StopLimit(math.inf, 0), price_open=99.0, stop_loss=-1, minutes=0, post_only="yes")
    assert [text.partition(" ")[0] for text in found] == ["stop_loss", "only", "stop", "limit", "post_only", "minutes"]
    assert "were StopLimit(stop=inf, limit=0) and 99.0" in found[1]


@pytest.mark.parametrize("name", ["post_only", "reduce_only"])
@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_flag_is_true_or_false(name: str, value: Any) -> None:
    assert problems(price_open=99.5, **{name: value}) == [f"{name} must be True or False, was {value!r}"]


def test_post_only_is_for_a_limit_that_rests() -> None:
    assert problems(price_open=99.5, post_only=True) == []
    assert problems(entry=Limit(99.5), post_only=True) == []
    assert problems(**SHORT, price_open=100.5, post_only=True) == []
    assert problems(price_open=100.0, post_only=True) == ["a post_only long must be below price 100.0, was 100.0"]
    assert problems(entry=Limit(100.5), post_only=True) == ["a post_only long must be below price 100.0, was 100.5"]
    assert problems(**SHORT, price_open=99.5, post_only=True) == [
        "a post_only short must be above price 100.0, was 99.5"
    ]
    assert problems(post_only=True) == ["post_only needs a limit (price_open), was 'market'"]
    for entry in (Stop(101.0), StopLimit(101.0, 101.5), Above(101.0), Below(99.0)):
        assert problems(entry=entry, post_only=True) == [f"post_only needs a limit (price_open), was {entry.kind!r}"]


def test_reduce_only_goes_with_every_kind() -> None:
    for changes in ({}, {"price_open": 99.5}, {"entry": Stop(101.0)}):
        assert problems(reduce_only=True, **changes) == []
