"""The steps of a venue from a table of them."""

from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from backtestkit_cli.data.sql.database import Table
from backtestkit_cli.data.sql.layout import named
from backtestkit_cli.data.sql.stock import plain, untyped
from backtestkit_cli.domain.grid import Grid
from backtestkit_cli.errors import ConfigError, DataError

_PRICE_STEP = ("price_step", "tick_size", "price_increment")
_QUANTITY_STEP = ("quantity_step", "step_size", "lot_size", "quantity_increment")
_LIMITS = ("min_quantity", "max_quantity", "min_cost")


def read_grid(connection: sa.Connection, table: Table, symbol: str) -> Grid:
    """Return the steps of *symbol*, in any spelling, from *table*: one query.

    Its columns are symbol, price_step (or tick_size, price_increment), quantity_step (or step_size, lot_size,
    quantity_increment) and, where there are any, min_quantity, max_quantity and min_cost. A step that
    is NULL or has no column is none.

    Raises:
        ConfigError: the table has no such columns.
        DataError: it has no row of the symbol, or several, or a step is no positive number.
    """
    key = named(table, ("symbol",))
    columns = {"price_step": named(table, _PRICE_STEP), "quantity_step": named(table, _QUANTITY_STEP)}
    if key is None or not any(column is not None for column in columns.values()):
        raise ConfigError(
            f"{table.where}: expected the columns symbol, price_step and quantity_step,"
            f" found {', '.join(table.columns)}"
        )
    columns |= {name: named(table, (name,)) for name in _LIMITS}
    there = {name: column for name, column in columns.items() if column is not None}
    spelling: Any = sa.func.upper(sa.cast(key, sa.String))
    for mark in "/-_":
        spelling = sa.func.replace(spelling, mark, "")
    query = sa.select(key, *there.values()).select_from(table.clause).where(spelling == untyped(plain(symbol)))
    found = connection.execute(query).all()
    rows = [row for row in found if row[0] == symbol] or found
    if len(rows) != 1:
        count = f"{len(rows)} rows" if rows else "none"
        raise DataError(f"{table.where}: expected one row with the steps of {symbol!r}, found {count}")
    _, *values = rows[0]
    steps = {name: _step(value, f"{table.where}: {symbol}: {name}") for name, value in zip(there, values, strict=True)}
    return Grid(
        price_step=steps.get("price_step"),
        quantity_step=steps.get("quantity_step"),
        min_quantity=steps.get("min_quantity"),
        max_quantity=steps.get("max_quantity"),
        min_cost=steps.get("min_cost"),
    )


def _step(value: object, where: str) -> Decimal | None:
    if value is None:
        return None
    try:
        step = Decimal(str(value))
    except InvalidOperation:
        step = Decimal(0)
    if not step.is_finite() or step <= 0:
        raise DataError(f"{where}: expected a positive number, found {value!r}")
    return step
