"""The grid of a venue: which prices and quantities it takes, and how they are written."""

from dataclasses import dataclass
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)

_FREE_DIGITS = 8
_FREE_STEP = Decimal((0, (1,), -_FREE_DIGITS))

# Of our own, whole: ccxt changes the context of the thread, and a default would come from one that anybody may change.
_CONTEXT = Context(
    prec=64,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Steps and limits of one symbol; a step of None leaves eight decimals.

    `price_digits` counts significant digits, for venues that have no price step. Limits are in the base
    asset for quantities and in the quote asset for costs; None sets none.
    """

    price_step: Decimal | None = None
    price_digits: int | None = None
    quantity_step: Decimal | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_cost: Decimal | None = None


FREE = Grid()
"""The grid of a source that knows no rules."""


def price_text(grid: Grid, price: float) -> str:
    """Return *price* on the nearest step of *grid*, a tie away from zero, without an exponent."""
    exact = Decimal(repr(float(price)))
    if grid.price_step is not None:
        return _text(_on_step(exact, grid.price_step, ROUND_HALF_UP), grid.price_step)
    if grid.price_digits is not None and exact:
        step = Decimal((0, (1,), exact.adjusted() - grid.price_digits + 1))
        return _text(_on_step(exact, step, ROUND_HALF_UP), None)
    return _text(_on_step(exact, _FREE_STEP, ROUND_HALF_UP), None)


def quantity_text(grid: Grid, quantity: float) -> str:
    """Return *quantity* on the step of *grid* at or below it, never above, without an exponent."""
    step = grid.quantity_step or _FREE_STEP
    return _text(_on_step(Decimal(repr(float(quantity))), step, ROUND_DOWN), grid.quantity_step)


def _on_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return _CONTEXT.multiply(_CONTEXT.divide(value, step).to_integral_value(rounding, _CONTEXT), step)


def _text(value: Decimal, step: Decimal | None) -> str:
    """Return *value* with the decimals of *step*, or with as many as it needs."""
    if step is not None:
        places = max(-int(step.normalize(_CONTEXT).as_tuple().exponent), 0)
        return f"{value:.{places}f}"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
