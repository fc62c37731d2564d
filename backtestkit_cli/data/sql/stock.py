"""What a table holds of a symbol and an interval, and the reading of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import exc

from backtestkit_cli.data.foreign.raw import candles_of
from backtestkit_cli.data.foreign.rows import Rows
from backtestkit_cli.data.sql.bounds import own_times
from backtestkit_cli.data.sql.layout import Layout
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, UnknownNameError, suggestion

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Stock:
    """Rows of one symbol and one interval; `sample` is the raw time of one, whose kind all others share."""

    layout: Layout
    rows: tuple[sa.ColumnElement[bool], ...]
    length_ms: int
    sample: Any
    where: str

    def fetch(self, connection: sa.Connection, length_ms: int, start_ms: int, end_ms: int) -> Candles:
        """Return the candles of *length_ms* that open in `[start_ms, end_ms)`, made of shorter ones if need be."""
        if end_ms <= start_ms:
            return Candles.empty()
        if length_ms == self.length_ms:
            candles = _within(self._read(connection, start_ms, end_ms), start_ms, end_ms)
            check(candles, length_ms, self.where)
            self._check_spacing(candles)
            return candles
        # One row beyond each end: only then is it known that the candles at the ends are whole.
        first_ms, end_of_last_ms = start_ms // length_ms * length_ms, -(-end_ms // length_ms) * length_ms
        parts = self._read(connection, first_ms, end_of_last_ms, neighbours=True)
        check(parts, self.length_ms, self.where)
        self._check_spacing(parts)
        return _within(aggregated(parts, length_ms, self.length_ms), start_ms, end_ms)

    def _read(self, connection: sa.Connection, start_ms: int, end_ms: int, *, neighbours: bool = False) -> Candles:
        time, everything = self.layout.time, sa.select(*self.layout.market).select_from(self.layout.table.clause)
        ours = everything.where(*self.rows)
        first, end = (untyped(value) for value in own_times(self.sample, start_ms, end_ms))
        queries = [ours.where(time >= first, time < end).order_by(time)]
        if neighbours:
            queries.insert(0, ours.where(time < first).order_by(time.desc()).limit(1))
            queries.append(ours.where(time >= end).order_by(time).limit(1))
        parts: list[Candles] = []
        count = 0
        for query in queries:
            for rows in connection.execute(query).partitions(_ROWS_AT_ONCE):
                parts.append(candles_of(rows, Rows(self.where, first=count + 1)))
                count += len(rows)
        return Candles.joined(parts)

    def _check_spacing(self, candles: Candles) -> None:
        """Refuse candles of another interval in a table that does not say which it holds."""
        if self.layout.interval is not None or len(candles) < 2:
            return
        closest_ms = int(np.diff(candles.timestamp).min())
        if closest_ms > self.length_ms:
            raise MissingCandlesError(
                f"{self.where}: expected a candle every {self.length_ms // MINUTE_MS} minutes,"
                f" found them {closest_ms // MINUTE_MS} apart; say with interval: which one the table holds"
            )


def find_stock(
    connection: sa.Connection, layout: Layout, symbol: str, interval: str, *, only: tuple[str | None, str]
) -> Stock:
    """Return the rows from which candles of *symbol* and *interval* can be made.

    Args:
        connection: Where to look.
        layout: The table.
        symbol: In any spelling: `BTC/USDT` finds `BTCUSDT` and the other way round.
        interval: The rows may also be of a shorter one that divides it.
        only: Symbol and interval of a table without columns for them.

    Raises:
        MissingCandlesError: there are none; the message says what is there.
        BadCandleError: the newest row has a time that is none.
    """
    length_ms, where = interval_ms(interval), layout.table.where
    symbol_rows = _symbol_rows(connection, layout, symbol, only[0])
    lengths = _lengths(connection, layout, symbol_rows, interval, only[1])
    fitting = {text: ms for text, ms in lengths.items() if ms and length_ms % ms == 0}
    if not fitting:
        there = ", ".join(sorted(map(str, lengths), key=lambda text: (len(text), text))) or "nothing"
        raise MissingCandlesError(f"{where}: no {interval} candles of {symbol}; there: {there}")
    stored, held_ms = max(fitting.items(), key=lambda item: item[1])
    rows = symbol_rows if layout.interval is None else (*symbol_rows, layout.interval == untyped(stored))
    sample = _newest(connection, layout, rows)
    if sample is None:
        raise MissingCandlesError(f"{where}: no candles of {symbol!r}; the table holds no row of them")
    place = f"{where}, {symbol} {stored}"
    try:
        own_times(sample, 0, 0)
    except ValueError:
        raise BadCandleError(
            f"{place}: newest row: column {layout.time.name}: expected Unix seconds or milliseconds,"
            f" a timestamp or an ISO 8601 text, found {sample!r}"
        ) from None
    return Stock(layout, rows, held_ms, sample, place)


def untyped(value: Any) -> sa.BindParameter[Any]:  # noqa: ANN401 - whatever a column holds
    """Return *value* as a bound parameter whose type is left to driver and database: an enum or a uuid fits as well."""
    return sa.bindparam(None, value, type_=sa.types.NullType(), unique=True)


def plain(symbol: object) -> str:
    """Return what all spellings of *symbol* have in common."""
    return str(symbol).replace("/", "").replace("-", "").replace("_", "").upper()


def _symbol_rows(
    connection: sa.Connection, layout: Layout, symbol: str, only: str | None
) -> tuple[sa.ColumnElement[bool], ...]:
    """Return what selects the rows of *symbol*."""
    where = layout.table.where
    if layout.symbol is None:
        if plain(symbol) != plain(only):
            raise MissingCandlesError(f"{where}: no candles of {symbol!r}; the table holds {only!r}")
        return ()
    for spelling in dict.fromkeys((symbol, symbol.replace("/", ""))):
        rows = (layout.symbol == untyped(spelling),)
        if _newest(connection, layout, rows) is not None:
            return rows
    stored = _distinct(connection, layout, layout.symbol, ())
    same = [value for value in stored if plain(value) == plain(symbol)]
    if len(same) > 1:
        raise MissingCandlesError(f"{where}: {symbol!r} may be any of {', '.join(map(repr, same))}; name one of them")
    if not same:
        raise MissingCandlesError(f"{where}: no candles of {symbol!r}{suggestion(symbol, map(str, stored))}")
    return (layout.symbol == untyped(same[0]),)


def _lengths(
    connection: sa.Connection, layout: Layout, rows: tuple[sa.ColumnElement[bool], ...], interval: str, only: str
) -> dict[Any, int]:
    """Return the intervals there are as they are stored, with their lengths in ms, 0 for what is no interval."""
    if layout.interval is None:
        return {only: interval_ms(only)}
    if _newest(connection, layout, (*rows, layout.interval == untyped(interval))) is not None:
        return {interval: interval_ms(interval)}
    return {value: _length(str(value)) for value in _distinct(connection, layout, layout.interval, rows)}


def _length(text: str) -> int:
    try:
        return interval_ms(text)
    except UnknownNameError:
        return 0


def _newest(connection: sa.Connection, layout: Layout, rows: Iterable[sa.ColumnElement[bool]]) -> Any:  # noqa: ANN401
    """Return the raw time of the newest of *rows*, None if there is none."""
    newest = sa.select(layout.time).select_from(layout.table.clause).where(*rows, layout.time.is_not(None))
    try:
        return connection.execute(newest.order_by(layout.time.desc()).limit(1)).scalar()
    except exc.DataError:  # a name that is no value of the column's type, such as an enum
        connection.rollback()
        return None


def _distinct(
    connection: sa.Connection,
    layout: Layout,
    column: sa.ColumnClause[Any],
    rows: tuple[sa.ColumnElement[bool], ...],
) -> list[Any]:
    query = sa.select(column).select_from(layout.table.clause).where(*rows, column.is_not(None)).distinct()
    return list(connection.execute(query).scalars())


def _within(candles: Candles, start_ms: int, end_ms: int) -> Candles:
    inside = (candles.timestamp >= start_ms) & (candles.timestamp < end_ms)
    return candles if inside.all() else candles.chosen(inside)
