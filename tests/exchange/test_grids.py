from decimal import Decimal
from typing import Any

import ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.grid import Grid, price_text, quantity_text
from backtestkit_cli.exchange.grids import (
    DECIMAL_PLACES,
    SIGNIFICANT_DIGITS,
    TICK_SIZE,
    grid_from_texts,
    grid_of,
    grid_to_texts,
)

TICKS = [1e-08, 0.00001, 0.0025, 0.01, 0.05, 0.5, 1.0, 5.0, 10.0]
PRICES = st.floats(min_value=1e-6, max_value=1e7, allow_nan=False)


def a_market(price: float, amount: float) -> dict[str, Any]:
    return {"precision": {"price": price, "amount": amount}, "limits": {}}


VENUE: Any = ccxt.Exchange()


def of_ccxt(mode: int, market: dict[str, Any]) -> Any:
    VENUE.precisionMode = mode
    VENUE.markets = {"A/B": {"id": "AB", "symbol": "A/B", **market}}
    return VENUE


def test_the_modes_are_those_of_ccxt() -> None:
    assert (DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE) == (
        ccxt.DECIMAL_PLACES,
        ccxt.SIGNIFICANT_DIGITS,
        ccxt.TICK_SIZE,
    )


def theirs(write: Any, number: float) -> Decimal:
    try:
        return Decimal(write("A/B", number))
    except ccxt.InvalidOrder:  # nothing is left of it
        return Decimal(0)


@given(PRICES, st.sampled_from(TICKS), st.sampled_from(TICKS))
def test_ticks_give_the_numbers_of_ccxt(number: float, price_tick: float, amount_tick: float) -> None:
    market = a_market(price_tick, amount_tick)
    grid, exchange = grid_of(market, TICK_SIZE), of_ccxt(TICK_SIZE, market)
    assert Decimal(price_text(grid, number)) == theirs(exchange.price_to_precision, number)
    assert Decimal(quantity_text(grid, number)) == theirs(exchange.amount_to_precision, number)


@given(PRICES, st.integers(0, 8), st.integers(0, 8))
def test_decimal_places_give_the_numbers_of_ccxt(number: float, price_places: int, amount_places: int) -> None:
    market = a_market(price_places, amount_places)
    grid, exchange = grid_of(market, DECIMAL_PLACES), of_ccxt(DECIMAL_PLACES, market)
    assert Decimal(price_text(grid, number)) == theirs(exchange.price_to_precision, number)
    assert Decimal(quantity_text(grid, number)) == theirs(exchange.amount_to_precision, number)


@given(PRICES, st.integers(3, 8))
def test_significant_digits_give_the_prices_of_ccxt(number: float, digits: int) -> None:
    market = a_market(digits, 8)
    ours = Decimal(price_text(grid_of(market, SIGNIFICANT_DIGITS), number))
    other = theirs(of_ccxt(SIGNIFICANT_DIGITS, market).price_to_precision, number)
    exact = Decimal(repr(number))
    assert ours == other or abs(ours - exact) == abs(other - exact)  # ccxt rounds a tie of large numbers down


@given(
    st.floats(min_value=0, max_value=1e12, allow_nan=False),
    st.sampled_from([DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE]),
    st.integers(0, 8),
    st.sampled_from(TICKS),
)
def test_a_quantity_is_never_more_than_was_given(number: float, mode: int, places: int, tick: float) -> None:
    amount = tick if mode == TICK_SIZE else places
    grid = grid_of(a_market(5, amount), mode)
    written = Decimal(quantity_text(grid, number))
    assert grid.quantity_step is not None
    assert written <= Decimal(repr(number)) < written + grid.quantity_step


@pytest.mark.parametrize(
    ("market", "mode", "grid"),
    [
        ({"precision": {"price": 0.01, "amount": 1e-05}, "limits": {"amount": {"min": 1e-05, "max": 9000.0}}},
         TICK_SIZE,
         Grid(price_step=Decimal("0.01"), quantity_step=Decimal("0.00001"), min_quantity=Decimal("0.00001"),
              max_quantity=Decimal("9000.0"))),
        ({"precision": {"price": 5, "amount": 8}, "limits": {"cost": {"min": 5}}}, SIGNIFICANT_DIGITS,
         Grid(price_digits=5, quantity_step=Decimal("1E-8"), min_cost=Decimal(5))),
        ({"precision": {"price": -1, "amount": None}}, DECIMAL_PLACES, Grid(price_step=Decimal("1E+1"))),
        ({"precision": {"price": 0.0, "amount": None}, "limits": {"cost": {"min": 0.0}}}, TICK_SIZE, Grid()),
        ({}, TICK_SIZE, Grid()),
    ],
)  # fmt: skip
def test_what_a_market_says_becomes_a_grid(market: dict[str, Any], mode: int, grid: Grid) -> None:
    assert grid_of(market, mode) == grid
    assert grid_from_texts(grid_to_texts(grid)) == grid
