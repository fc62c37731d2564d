"""What is known of one table so far, and the reading of it; blocking, for use in threads."""

import threading
from collections.abc import Mapping

import sqlalchemy as sa

from backtestkit_cli.data.sql.database import Database, Table
from backtestkit_cli.data.sql.grids import read_grid
from backtestkit_cli.data.sql.layout import Layout, check_names, layout_of
from backtestkit_cli.data.sql.stock import Stock, find_stock
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.grid import FREE, Grid
from backtestkit_cli.domain.interval import interval_ms


class SqlReader:
    """A table of candles and one of steps; what a query has told of their shape is asked once."""

    def __init__(
        self,
        url: str,
        table: str,
        *,
        columns: Mapping[str, str],
        symbol: str | None,
        interval: str | None,
        precision_table: str | None,
    ) -> None:
        """Take what `SqlTable` takes; nothing is opened yet."""
        check_names(columns)
        if interval is not None:
            interval_ms(interval)
        self.database = Database(url)
        self.table = table
        self._columns = columns
        self._only = symbol, interval
        self._precision_table = precision_table
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._stocks: dict[tuple[str, str], Stock] = {}
        self._precision: Table | None = None
        self._grids: dict[str, Grid] = {}

    def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`, and learn the steps of *symbol* on the way."""
        with self.database.connect() as connection:
            with self._lock:
                stock = self._stock(connection, symbol, interval)
                self._grid(connection, symbol)
            return stock.fetch(connection, interval_ms(interval), start_ms, end_ms)

    def grid(self, symbol: str) -> Grid:
        """Return the steps of *symbol*; a fetch has brought them already in the usual case."""
        if self._precision_table is None:
            return FREE
        if symbol in self._grids:
            return self._grids[symbol]
        with self.database.connect() as connection, self._lock:
            return self._grid(connection, symbol)

    def _stock(self, connection: sa.Connection, symbol: str, interval: str) -> Stock:
        key = symbol, interval
        if key not in self._stocks:
            only = self._only[0], self._only[1] or "1m"
            self._stocks[key] = find_stock(connection, self._laid_out(connection), symbol, interval, only=only)
        return self._stocks[key]

    def _laid_out(self, connection: sa.Connection) -> Layout:
        if self._layout is None:
            table = self.database.table(self.table, connection)
            self._layout = layout_of(table, self._columns, symbol=self._only[0], interval=self._only[1])
        return self._layout

    def _grid(self, connection: sa.Connection, symbol: str) -> Grid:
        if self._precision_table is None:
            return FREE
        if self._precision is None:
            self._precision = self.database.table(self._precision_table, connection)
        if symbol not in self._grids:
            self._grids[symbol] = read_grid(connection, self._precision, symbol)
        return self._grids[symbol]
