"""Registering a sizing: what is refused at once, and what a run makes of it."""

from typing import Any

import pytest

from backtestkit_cli import FixedPct, Size, SizingCheck, add_sizing
from backtestkit_cli.api.own_sizing import OwnSizing
from backtestkit_cli.errors import ConfigError, StrategyError
from tests.markets import registered


class Tenth:
    """A sizing of the author's with a method."""

    def size(self, check: SizingCheck) -> Size:
        return Size(0.1, check.price / 10)


def a_hundred(check: SizingCheck) -> float:
    return 100.0


async def later(check: SizingCheck) -> float:
    return 100.0


def test_a_sizing_is_kept_under_its_name_with_its_place() -> None:
    registry = registered(lambda: add_sizing("small", FixedPct(risk_pct=1), note="little"))
    spec = registry.sizings["small"]
    assert (spec.sizing, spec.note) == (FixedPct(risk_pct=1), "little")
    assert spec.where.rpartition(":")[0] == __file__


def test_a_function_becomes_a_sizing_and_so_may_an_object_with_a_size() -> None:
    tenth = Tenth()

    def register() -> None:
        add_sizing("function", a_hundred)
        add_sizing("object", tenth)

    registry = registered(register)
    assert registry.sizings["function"].sizing == OwnSizing(a_hundred)
    assert registry.sizings["object"].sizing is tenth


@pytest.mark.parametrize("wrong", [None, 100, "small", FixedPct, Tenth, {"risk_pct": 1}])
def test_what_is_no_sizing_is_refused_where_it_is_registered(wrong: Any) -> None:
    with pytest.raises(StrategyError, match=r"test_sizing.py:\d+: sizing 'small': expected FixedPct\(…\), .* found"):
        registered(lambda: add_sizing("small", wrong))


def test_a_function_that_has_to_be_awaited_is_refused() -> None:
    with pytest.raises(StrategyError, match="expected a function that answers at once, found an async one"):
        registered(lambda: add_sizing("small", later))  # type: ignore[arg-type]


def test_a_name_is_taken_once() -> None:
    def twice() -> None:
        add_sizing("small", FixedPct(risk_pct=1))
        add_sizing("small", FixedPct(risk_pct=2))

    with pytest.raises(ConfigError, match=r"sizing 'small' is registered twice, first at .*test_sizing.py:\d+"):
        registered(twice)
