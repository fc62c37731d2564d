"""`btk size`: the numbers of the three methods, what each clamp does, and wrong numbers."""

import json
from math import isclose, isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.program import called

FIXED = ("size", "fixed", "--balance", "10000", "--entry", "50000", "--stop", "49000", "--risk-pct", "2")
KELLY = ("size", "kelly", "--balance", "10000", "--entry", "50000", "--win-rate", "0.55", "--reward-ratio", "1.5")
ATR = ("size", "atr", "--balance", "10000", "--entry", "50000", "--risk-pct", "2", "--atr", "500")


def document(*arguments: str) -> dict[str, Any]:
    ended = called(*arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    found: dict[str, Any] = json.loads(ended.out)
    return found


@pytest.mark.parametrize(
    ("arguments", "raw_quantity", "quantity", "loss"),
    [
        (FIXED, 0.2, 0.2, 200),
        ((*FIXED, "--max-position-pct", "10"), 0.2, 0.02, 20),
        (KELLY, 0.0125, 0.0125, None),
        ((*KELLY, "--kelly-multiplier", "1", "--stop", "51000"), 0.05, 0.05, 50),
        (ATR, 0.2, 0.2, 200),
        ((*ATR, "--max-position-pct", "12"), 0.2, 0.024, 24),
        ((*ATR, "--atr-multiplier", "4", "--stop", "49900"), 0.1, 0.1, 10),
    ],
)
def test_the_calculator_has_the_numbers_of_the_methods(
    arguments: tuple[str, ...], raw_quantity: float, quantity: float, loss: float | None
) -> None:
    found = document(*arguments)
    assert isclose(found["raw_quantity"], raw_quantity)
    assert isclose(found["quantity"], quantity)
    assert isclose(found["cost"], quantity * 50_000)
    assert isclose(found["balance_pct"], quantity * 500)
    assert found["loss_at_stop"] == (loss if loss is None else pytest.approx(loss))


def test_every_clamp_is_shown_with_what_it_does() -> None:
    bounds = ("--max-position-pct", "10", "--min-cost", "20", "--max-cost", "500")
    assert document(*FIXED, *bounds)["clamps"] == [
        {"name": "max_position_pct 10", "limit_cost": 1000, "cost": 1000, "changed": True},
        {"name": "min_cost 20", "limit_cost": 20, "cost": 1000, "changed": False},
        {"name": "max_cost 500", "limit_cost": 500, "cost": 500, "changed": True},
    ]
    assert document(*FIXED, *bounds)["limited_by"] == "max_position_pct 10; max_cost 500"
    rows = [line.split() for line in called(*FIXED, *bounds).out.splitlines()]
    assert ["fixed_pct", "0.2", "10,000.00", "100.00", "%"] in rows
    assert ["max_position_pct", "10", "0.02", "1,000.00", "10.00", "%", "cuts"] in rows
    assert ["min_cost", "20", "0.02", "1,000.00", "10.00", "%", "nothing"] in rows
    assert ["size", "0.01", "500.00", "5.00", "%"] in rows
    assert "Loss at the stop: 10.00, 0.10 % of the balance" in called(*FIXED, *bounds).out
    assert "lifts" in called(*FIXED, "--min-cost", "20000").out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((*KELLY, "--win-rate", "0.3"), "no edge: win_rate 0.3 and reward_ratio 1.5 lose in the long run"),
        ((*FIXED, "--stop", "50000"), "the stop is at the entry"),
        ((*FIXED, "--balance", "1e308", "--entry", "1e300"), "the numbers are too large or too small"),
    ],
)
def test_no_size_is_0_with_the_reason_and_done(arguments: tuple[str, ...], reason: str) -> None:
    found = document(*arguments, "--min-cost", "50")
    assert (found["quantity"], found["cost"], found["clamps"], found["limited_by"]) == (0, 0, [], reason)
    assert reason in called(*arguments).out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*FIXED, "--entry", "0"), "btk size: entry: expected a number above 0, found 0"),
        ((*FIXED, "--stop", "nan"), "btk size: stop: expected a number above 0, found nan"),
        ((*FIXED, "--stop", "low"), "btk size: stop: expected a number above 0, found 'low'"),
        ((*ATR, "--atr", "-1"), "btk size: atr: expected a number above 0, found -1"),
        ((*FIXED, "--risk-pct", "200"), "btk size: risk_pct: expected a number above 0 and at most 100, found 200"),
        ((*FIXED, "--max-cost", "0"), "btk size: max_cost: expected a number above 0, found 0"),
        ((*KELLY, "--win-rate", "55"), "btk size: win_rate: expected a number from 0 to 1, found 55"),
        (
            (*FIXED, "--min-cost", "9", "--max-cost", "8"),
            "btk size: min_cost: expected at most max_cost, found 9 and max_cost 8",
        ),
        (FIXED[:-2], "btk size fixed: missing option '--risk-pct'"),
        ((*FIXED, "--win-rate", "1"), "btk size fixed: unknown option '--win-rate'"),
        (("size", "fixd"), "btk size: unknown command 'fixd'; did you mean 'fixed'?"),
    ],
)
def test_a_wrong_number_is_one_line_and_wrong_input(arguments: tuple[str, ...], problem: str) -> None:
    ended = called(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.errors) == 1
    assert ended.errors[0].startswith(f"error: {problem}")


def test_all_wrong_numbers_are_told_at_once() -> None:
    assert len(called(*ATR, "--atr", "x", "--entry", "y", "--balance", "-1").errors) == 3


positive = st.floats(min_value=5e-324, max_value=1.7e308).map(str)


@settings(max_examples=40)  # each runs the program twice
@given(entry=positive, stop=positive, balance=positive, least=positive, most_pct=st.floats(1e-9, 100).map(str))
def test_absurd_numbers_end_in_a_document_or_a_line(
    entry: str, stop: str, balance: str, least: str, most_pct: str
) -> None:
    arguments = ("--entry", entry, "--stop", stop, "--balance", balance, "--min-cost", least)
    ended = called("size", "fixed", "--risk-pct", "1", *arguments, "--max-position-pct", most_pct, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert all(isfinite(value) for value in json.loads(ended.out).values() if isinstance(value, float))
    assert called("size", "fixed", "--risk-pct", "1", *arguments).code == 0
