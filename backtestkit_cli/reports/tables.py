"""The figures of a run as plain rows, and how people read them: one source for Markdown, JSON and the terminal."""

import math
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np

from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.analytics.trade_figures import TradeFigures, figures_of
from backtestkit_cli.reports.saved.manifest import SavedSession
from backtestkit_cli.reports.saved.record import RunRecord

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = dict[str, Cell]

NOT_AVAILABLE = "N/A"
TOTAL = "Total"

_FIGURES = tuple(field.name for field in fields(TradeFigures))
# Two decimals of a larger number are noise; it is written with an exponent.
_LONGEST = 1e12


class Unit(StrEnum):
    """How a column is written."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    PERCENT = "percent"
    RATIO = "ratio"
    MONEY = "money"


class Column(NamedTuple):
    """A column that tables show: the key in a row, the title above it, and its unit."""

    key: str
    title: str
    unit: Unit

    @property
    def is_number(self) -> bool:
        """Say whether the column reads better aligned to the right."""
        return self.unit is not Unit.TEXT


def symbol_rows(record: RunRecord, strategy: str | None = None) -> list[Row]:
    """Return a row a session, in the order of the record, of *strategy* or of all.

    Keys: `strategy`, `symbol`, every figure of `TradeFigures`, `costs_quote` (slippage and fees) and
    `error` (why the session did not reach the end of the frame, or None). Ready for JSON.
    """
    return [
        _row(one.strategy, one.symbol, record.trades_of(one.strategy, one.symbol), [one])
        for one in record.sessions_of(strategy)
    ]


def total_row(record: RunRecord, strategy: str | None = None) -> Row:
    """Return the row `Total`: the figures over all trades pooled, of *strategy* or of all; `error` counts failures."""
    sessions = record.sessions_of(strategy)
    named = {session.strategy for session in sessions} if strategy is None else {strategy}
    return _row(named.pop() if len(named) == 1 else None, TOTAL, record.trades_of(strategy), sessions)


def _row(strategy: str | None, symbol: str, trades: TradeColumns, sessions: Sequence[SavedSession]) -> Row:
    figures = figures_of(trades)
    errors = [session.error for session in sessions if session.error is not None]
    row: Row = {"strategy": strategy, "symbol": symbol}
    row |= {name: getattr(figures, name) for name in _FIGURES}
    row["costs_quote"] = figures.costs_quote
    row["error"] = errors[0] if len(errors) == 1 else f"{len(errors)} sessions failed" if errors else None
    return row


def cell_text(row: Row, column: Column) -> str:
    """Return the cell as people read it; what is undefined is `N/A`."""
    value = row[column.key]
    return value if isinstance(value, str) else number_text(value, column.unit)


def number_text(value: float | None, unit: Unit) -> str:
    """Return *value* with the digits and the sign that its unit is read with: `+1.25 %`, `1,234.50`, `12`."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    match unit:
        case Unit.COUNT | Unit.TEXT:
            return f"{value:,}"
        case Unit.SHARE:
            return f"{_decimals(value)} %"
        case Unit.PERCENT:
            return f"{_decimals(value, sign='+')} %"
        case Unit.RATIO | Unit.MONEY:
            return _decimals(value)


def _decimals(value: float, sign: str = "") -> str:
    if abs(value) >= _LONGEST:
        return f"{value:{sign}.4g}"
    text = f"{value:{sign},.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def price_text(price: float | None) -> str:
    """Return *price* with eight significant digits and no exponent: `0.00001234`, `65123.457`."""
    if price is None or not math.isfinite(price):
        return NOT_AVAILABLE
    return np.format_float_positional(price, precision=8, fractional=False, trim="-")
