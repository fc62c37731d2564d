"""Candles from one table of a database."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.grid import price_text, quantity_text
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:  # it brings SQLAlchemy, an extra that is imported once a table is asked for
    from backtestkit_cli.data.sql.reader import SqlReader


class SqlTable:
    """Candles in one table of any database that SQLAlchemy reaches, one row a candle.

    The columns are timestamp (of the open: Unix seconds or milliseconds, a timestamp or ISO 8601 text, UTC), open,
    high, low, close, volume, symbol and interval. Only the rows a fetch needs are read, in a thread.
    An interval that is not there is made of the longest one that divides it.
    """

    is_synthetic = False

    def __init__(
        self,
        url: str,
        table: str,
        name: str,
        *,
        columns: Mapping[str, str] | None = None,
        symbol: str | None = None,
        interval: str | None = None,
        precision_table: str | None = None,
    ) -> None:
        """Serve *table* of the database at *url* under *name*; nothing is opened yet.

        Args:
            url: `postgresql://user:${PASSWORD}@host/database`, `sqlite:///file.db` or any other URL of SQLAlchemy;
                `${NAME}` is taken from the environment.
            table: Its name or that of a view, with its schema where needed: `public.candles`.
            name: How reports call the source.
            columns: Our names of columns to the table's, for those that differ.
            symbol: What a table without a column for it holds.
            interval: What a table without a column for it holds, `1m` where nothing is said.
            precision_table: A table with symbol, price_step and quantity_step, asked once for each symbol;
                without one, numbers are written with up to eight decimals.

        Raises:
            ConfigError: a package is missing, or *url*, *columns* or *interval* cannot be meant so.
        """
        self.name = name
        self._reader = _import_reader()(
            url,
            table,
            columns=dict(columns or {}),
            symbol=symbol,
            interval=interval,
            precision_table=precision_table,
        )

    def __repr__(self) -> str:
        return f"SqlTable({self.shown_url!r}, {self._reader.table!r})"

    @property
    def shown_url(self) -> str:
        """Return the URL without its password, for messages and manifests; a `${NAME}` stays."""
        return self._reader.database.shown

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`.

        Raises:
            ConfigError: the table or a column is not there.
        """
        interval_ms(interval)  # what is no interval needs no connection
        return await asyncio.to_thread(self._reader.fetch, symbol, interval, start_ms, end_ms)

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* on the nearest price step of *symbol*."""
        return price_text(self._reader.grid(symbol), price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* on the quantity step of *symbol* at or below it."""
        return quantity_text(self._reader.grid(symbol), quantity)

    async def close(self) -> None:
        """Close what is open; a later fetch opens it again."""
        await asyncio.to_thread(self._reader.database.dispose)


def _import_reader() -> "type[SqlReader]":
    try:
        from backtestkit_cli.data.sql.reader import SqlReader  # noqa: PLC0415 - it brings SQLAlchemy
    except ModuleNotFoundError as error:
        if error.name != "sqlalchemy":
            raise
        raise ConfigError(
            "an exchange of kind sql needs SQLAlchemy, found it not installed: pip install 'backtestkit-cli[sql]'"
        ) from None
    return SqlReader
