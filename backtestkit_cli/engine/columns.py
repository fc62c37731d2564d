"""Columns that a strategy computes from whole candle columns: indicators, and the entries of a batch strategy."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from backtestkit_cli.analytics.timings import Meter
from backtestkit_cli.api.specs import Columns
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.market import Market, Series
from backtestkit_cli.errors import StrategyError, UnknownNameError

_SIDES = {"long": 1, "short": -1, "": 0, "none": 0}
_SIDE_OF = {True: Side.LONG, False: Side.SHORT}
_OPTIONAL = ("price_open", "minutes", "cost")


def compute(fn: Columns, series: Series, what: str) -> dict[str, npt.NDArray[Any]]:
    """Return the named columns that *fn* makes of *series*, each as long as the candles.

    Raises:
        StrategyError: it returned something else than named columns of that length.
    """
    table = fn(series.candles.slice(0, series.size))  # columns are read-only, but the object that holds them is not
    names: Iterable[str]
    column: Callable[[str], Any]
    if isinstance(table, Mapping):
        names, column = table.keys(), table.__getitem__
    elif hasattr(table, "get_column"):  # a polars frame, recognised without importing polars
        names, column = table.columns, lambda name: table.get_column(name).to_numpy()
    else:
        raise StrategyError(
            f"{what} must return a mapping of columns or a polars DataFrame, was {type(table).__name__}"
        )
    found = {}
    for name in names:
        values = np.asarray(column(name))
        if values.shape == ():
            values = np.broadcast_to(values, len(series.candles))
        if values.shape != (len(series.candles),):
            raise StrategyError(
                f"{what}: column {name!r} must be one value, or one a candle ({len(series.candles)}), "
                f"its shape was {values.shape}"
            )
        found[name] = values
    return found


class Indicators:
    """The indicator columns of one strategy on one symbol, computed when first read."""

    def __init__(self, functions: Mapping[str, Columns], market: Market) -> None:
        """Take the functions by interval; nothing is computed yet."""
        self._all = dict(functions)
        self._functions = dict(functions)
        self._market = market
        self._columns: dict[str, tuple[Floats, Series]] = {}

    def renew(self, when_ms: int) -> None:
        """Forget the columns of intervals of which a candle has closed at *when_ms*."""
        closed = {interval for interval in self._all if when_ms % interval_ms(interval) == 0}
        if closed:
            self._functions |= {interval: self._all[interval] for interval in closed}
            self._columns = {
                name: (column, series)
                for name, (column, series) in self._columns.items()
                if series.interval not in closed
            }

    def value(self, name: str, when_ms: int) -> float:
        """Return the newest visible value of *name*, NaN before there is one."""
        try:
            column, series = self._columns[name]
        except KeyError:
            column, series = self._find(name)
        closed = series.closed_at(when_ms)
        return column.item(closed - 1) if closed else math.nan

    def values(self, name: str, n: int, when_ms: int) -> Floats:
        """Return the last *n* visible values of *name* as a view, oldest first."""
        column, series = self._columns.get(name) or self._find(name)
        return column[series.last(n, when_ms, self._market.symbol)]

    def _find(self, name: str) -> tuple[Floats, Series]:
        while name not in self._columns and self._functions:
            interval, fn = self._functions.popitem()
            series = self._market.series(interval)
            for key, values in compute(fn, series, f"indicators of {interval}").items():
                column = values.astype(np.float64)
                column.flags.writeable = False
                self._columns[key] = (column, series)
        if name not in self._columns:
            raise UnknownNameError("indicator", name, self._columns)
        return self._columns[name]


class EntryTable:
    """The entries of a batch strategy on one symbol, asked like `get_signal` at the newest closed candle."""

    def __init__(self, fn: Columns, series: Series) -> None:
        """Compute all entries at once.

        Raises:
            StrategyError: a column is missing, unknown, of the wrong length or not of numbers.
        """
        self.meter = Meter(float)  # for nobody: looking into a table takes no time to speak of
        columns = compute(fn, series, "entries")
        missing = {"side", "take_profit", "stop_loss"} - columns.keys()
        if missing:
            raise StrategyError(f"entries must return the columns {sorted(missing)} too, returned {sorted(columns)}")
        unknown = columns.keys() - {"side", "take_profit", "stop_loss", *_OPTIONAL}
        if unknown:
            raise UnknownNameError("column of entries", min(unknown), ("side", "take_profit", "stop_loss", *_OPTIONAL))
        self._series = series
        rows, signs = _entry_rows(columns.pop("side"))
        found = {name: _numbers(name, column[rows]).tolist() for name, column in columns.items()}
        self._rows: list[int] = rows.tolist()
        self._sides = [_SIDE_OF[sign > 0] for sign in signs.tolist()]
        self._take_profit, self._stop_loss = found["take_profit"], found["stop_loss"]
        self._price_open, minutes, self._cost = (_without_nan(found.get(name), len(rows)) for name in _OPTIONAL)
        # A number that is not whole is left for the validation to name.
        self._minutes: list[Any] = [
            int(value) if value is not None and value.is_integer() else value for value in minutes
        ]

    def next_ms(self, when_ms: int) -> int | None:
        """Return the first tick from *when_ms* on at which the newest closed candle has an entry, or None."""
        newest = self._series.closed_at(when_ms) - 1
        index = bisect_left(self._rows, newest)
        if index == len(self._rows):
            return None
        row = self._rows[index]
        return when_ms if row == newest else self._series.close_ms(row)

    def ask(self, when_ms: int, _price: float) -> Signal | None:
        """Return the entry of the newest candle closed at *when_ms*, if it has one."""
        newest = self._series.closed_at(when_ms) - 1
        index = bisect_left(self._rows, newest)
        if index == len(self._rows) or self._rows[index] != newest:
            return None
        return Signal(
            position=self._sides[index],
            take_profit=self._take_profit[index],
            stop_loss=self._stop_loss[index],
            minutes=self._minutes[index],
            price_open=self._price_open[index],
            cost=self._cost[index],
        )


def _without_nan(values: list[float] | None, count: int) -> list[float | None]:
    """Return *values* with None for NaN; a column that is not there is None throughout."""
    if values is None:
        return [None] * count
    return [None if math.isnan(value) else value for value in values]


def _numbers(name: str, column: npt.NDArray[Any]) -> Floats:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        raise StrategyError(f"entries: column {name!r} must be numbers, was {column.dtype}") from None


def _entry_rows(column: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
    """Return the rows with an entry, and 1 for long and -1 for short in each; from numbers, booleans or words."""
    if column.dtype.kind in "biuf":
        rows = np.flatnonzero(column)
        given = np.nan_to_num(column[rows].astype(np.float64), posinf=2, neginf=-2)
        strange = given[~np.isin(given, (-1, 0, 1))]
        if len(strange):
            raise StrategyError(
                f"entries: column 'side' must hold 1, -1, 0, 'long', 'short' or None, was {strange[0]:g}"
            )
        signs = given.astype(np.int8)
        return rows[signs != 0], signs[signs != 0]
    words = ["" if value is None else str(value).lower() for value in column.tolist()]
    unknown = set(words) - _SIDES.keys()
    if unknown:
        raise StrategyError(f"entries: column 'side' must hold 1, -1, 0, 'long', 'short' or None, was {min(unknown)!r}")
    signs = np.array([_SIDES[word] for word in words], np.int8)
    rows = np.flatnonzero(signs)
    return rows, signs[rows]
