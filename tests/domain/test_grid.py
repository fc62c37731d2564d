"""Prices and quantities on a grid, whatever others did to the decimal context of the thread."""

from collections.abc import Iterator
from decimal import (
    ROUND_CEILING,
    Clamped,
    Context,
    Decimal,
    FloatOperation,
    Inexact,
    Rounded,
    Subnormal,
    getcontext,
    localcontext,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.grid import FREE, Grid, price_text, quantity_text

GRIDS = {
    "free": FREE,
    "steps": Grid(price_step=Decimal("0.05"), quantity_step=Decimal("0.003")),
    "whole": Grid(price_step=Decimal("1E+1"), quantity_step=Decimal(5)),
    "digits": Grid(price_digits=5, quantity_step=Decimal("0.00000001")),
}
NUMBERS = (0.0, 1e-9, 0.000123455, 0.15, 1 / 3, 2 / 3, 101.025, 12345.6789, 98765432.125, 123456789012345.6)


def texts() -> list[str]:
    return [
        write(grid, number) for grid in GRIDS.values() for number in NUMBERS for write in (price_text, quantity_text)
    ]


EXPECTED = texts()
ODD = {
    "few digits": Context(prec=2),
    "rounding up": Context(rounding=ROUND_CEILING),
    "everything trapped": Context(traps=[Inexact, Rounded, Subnormal, Clamped, FloatOperation]),
    "nothing trapped": Context(prec=1, traps=[]),
    "small exponents": Context(Emin=-1, Emax=1),
}


@pytest.fixture(autouse=True)
def own_context() -> Iterator[None]:
    with localcontext():
        yield


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_the_context_of_the_thread_changes_nothing(odd: Context) -> None:
    with localcontext(odd):
        assert texts() == EXPECTED


def test_writing_leaves_no_flag_in_the_context_of_the_thread() -> None:
    getcontext().clear_flags()
    texts()
    assert not any(getcontext().flags.values())


@given(st.floats(0, 1e12), st.sampled_from(["0.00000001", "0.003", "0.5", "1", "7", "1E+3"]))
def test_a_quantity_is_the_greatest_step_that_is_not_above_it(quantity: float, step: str) -> None:
    written = Decimal(quantity_text(Grid(quantity_step=Decimal(step)), quantity))
    exact = Decimal(repr(quantity))
    assert written <= exact < written + Decimal(step)
    assert written % Decimal(step) == 0
