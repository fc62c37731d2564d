"""Which column of a table is what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from backtestkit_cli.data.sql.database import Table
from backtestkit_cli.domain.candle import COLUMNS
from backtestkit_cli.errors import ConfigError, UnknownNameError

_NAMES = (*COLUMNS, "symbol", "interval")


@dataclass(frozen=True, slots=True)
class Layout:
    """A table of candles; `symbol` and `interval` are None where rows do not say them."""

    table: Table
    market: tuple[sa.ColumnClause[object], ...]
    symbol: sa.ColumnClause[object] | None
    interval: sa.ColumnClause[object] | None

    @property
    def time(self) -> sa.ColumnClause[object]:
        """Return the column of open times."""
        return self.market[0]


def check_names(columns: Mapping[str, str]) -> None:
    """Refuse *columns*, ours to theirs, if it names what is no column of ours.

    Raises:
        UnknownNameError: it does.
    """
    for ours in columns:
        if ours not in _NAMES:
            raise UnknownNameError("column", ours, _NAMES, where="columns")


def layout_of(table: Table, columns: Mapping[str, str], *, symbol: str | None, interval: str | None) -> Layout:
    """Return where the parts of a candle are in *table*.

    Args:
        table: What is there.
        columns: Our names to the table's, for those that differ.
        symbol: The one symbol of a table without a column for it.
        interval: The one interval of a table without a column for it.

    Raises:
        ConfigError: a column is missing, or the table says itself what an option says of it.
    """
    there = {ours: _named(table, columns.get(ours, ours)) for ours in _NAMES}
    optional = {"symbol", "interval"} - columns.keys()
    missing = [columns.get(ours, ours) for ours, found in there.items() if found is None and ours not in optional]
    if missing:
        raise ConfigError(
            f"{table.where}: expected {_quoted('column', missing)}, found {_quoted('column', table.columns)};"
            " say with columns: how the table calls them"
        )
    if there["symbol"] is None and symbol is None:
        raise ConfigError(
            f"{table.where}: expected a column 'symbol', found {_quoted('column', table.columns)}; say with columns:"
            " how the table calls it, or with symbol: which one the table holds"
        )
    for option, value in (("symbol", symbol), ("interval", interval)):
        if value is not None and there[option] is not None:
            raise ConfigError(f"{table.where}: has a column {there[option]!r}: leave out {option}: {value}")
    return Layout(
        table,
        tuple(_clause(there[ours]) for ours in COLUMNS),
        _clause(there["symbol"]) if there["symbol"] else None,
        _clause(there["interval"]) if there["interval"] else None,
    )


def named(table: Table, wanted: Iterable[str]) -> sa.ColumnClause[object] | None:
    """Return the first column of *table* that has one of the *wanted* names, in any case."""
    found = next(filter(None, (_named(table, name) for name in wanted)), None)
    return None if found is None else _clause(found)


def _named(table: Table, name: str) -> str | None:
    if name in table.columns:
        return name
    near = [there for there in table.columns if there.lower() == name.lower()]
    return near[0] if len(near) == 1 else None


def _clause(name: str | None) -> sa.ColumnClause[object]:
    # Without a type: the driver knows best what a value is, and rows come as it gives them.
    return sa.column(name or "")


def _quoted(word: str, names: Sequence[str]) -> str:
    return f"the {word}{'' if len(names) == 1 else 's'} {', '.join(repr(name) for name in names)}"
