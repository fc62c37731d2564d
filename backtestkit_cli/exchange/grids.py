"""The precision and limits of a ccxt market as the grid of the domain."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backtestkit_cli.domain.grid import Grid

# The modes of ccxt, which says in numbers what a precision of a market means.
DECIMAL_PLACES = 2
SIGNIFICANT_DIGITS = 3
TICK_SIZE = 4


def grid_of(market: Mapping[str, Any], precision_mode: int) -> Grid:
    """Return the grid of a *market* of ccxt; what the venue does not say is None.

    *precision_mode* is that of the exchange. The venues that count significant digits do so for
    prices only: their quantities have a number of decimals.
    """
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}
    amount, cost = limits.get("amount") or {}, limits.get("cost") or {}
    price = precision.get("price")
    counts_digits = precision_mode == SIGNIFICANT_DIGITS
    quantity_mode = DECIMAL_PLACES if counts_digits else precision_mode
    return Grid(
        price_step=None if counts_digits else _step(price, precision_mode),
        price_digits=int(price) if counts_digits and price else None,
        quantity_step=_step(precision.get("amount"), quantity_mode),
        min_quantity=_positive(amount.get("min")),
        max_quantity=_positive(amount.get("max")),
        min_cost=_positive(cost.get("min")),
    )


def _step(precision: float | str | None, mode: int) -> Decimal | None:
    if precision is None:
        return None
    if mode == TICK_SIZE:
        return _positive(precision)
    return Decimal((0, (1,), -int(precision)))


def _positive(number: float | str | None) -> Decimal | None:
    """Return *number* with the digits it is written with; venues say 0 where they set no limit."""
    exact = Decimal(str(number)) if number is not None else Decimal(0)
    return exact if exact.is_finite() and exact > 0 else None


def grid_to_texts(grid: Grid) -> dict[str, str]:
    """Return what *grid* sets, as texts that `grid_from_texts` reads back to the last digit."""
    values = {name: getattr(grid, name) for name in Grid.__dataclass_fields__}
    return {name: format(value, "f" if isinstance(value, Decimal) else "d") for name, value in values.items() if value}


def grid_from_texts(texts: Mapping[str, str]) -> Grid:
    """Return the grid that *texts* describe.

    Raises:
        ArithmeticError, TypeError or ValueError: a name or a number is not one of a grid.
    """
    digits = texts.get("price_digits")
    decimals: dict[str, Any] = {name: Decimal(text) for name, text in texts.items() if name != "price_digits"}
    return Grid(price_digits=int(digits) if digits else None, **decimals)
