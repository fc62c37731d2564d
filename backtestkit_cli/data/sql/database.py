"""One database behind SQLAlchemy: connections whose failures are ours, and tables by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from backtestkit_cli.data.sql.address import masked, resolved, scrubbed
from backtestkit_cli.errors import ConfigError, UnknownNameError, VenueError

_PSYCOPG = "postgresql+psycopg"
_DRIVERS = {"postgres": _PSYCOPG, "postgresql": _PSYCOPG}
_EXAMPLES = "postgresql://user:${PASSWORD}@host/database or sqlite:///candles.db"
_CONNECT_SECONDS = 10
_FLOAT8, _TEXT = 701, 0  # the type's number in PostgreSQL, and the form that rows come in


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that is there; `where` says which, for messages, and `columns` are its own names."""

    clause: sa.TableClause
    columns: tuple[str, ...]
    where: str


class Database:
    """Any database that SQLAlchemy and an installed driver know.

    A connection lives as long as one use of it: none is idle between fetches, none grows stale.
    """

    def __init__(self, url: str) -> None:
        """Read *url*, a SQLAlchemy URL that may hold `${NAME}` of the environment; nothing is opened yet.

        Raises:
            ConfigError: it is no URL, the kind of database is unknown, its driver is not installed,
                or a variable is not set.
        """
        self.shown = masked(url)
        address = _parsed(resolved(url), self.shown)
        self._secrets = (address.password or "",)
        self._file = _sqlite_file(address)
        self._engine = _engine(address, self.shown)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection for the block.

        Raises:
            VenueError: the database cannot be reached, or refuses a statement of the block.
        """
        if self._file is not None and not self._file.is_file():
            raise VenueError(
                f"{self.shown}: expected a SQLite file, found {'a folder' if self._file.is_dir() else 'none'}"
            )
        try:
            with self._engine.connect() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            raise VenueError(f"{self.shown}: the database cannot be read: {self._line(error)}") from error

    def _line(self, error: exc.SQLAlchemyError) -> str:
        said = error.orig if isinstance(error, exc.DBAPIError) else error
        return scrubbed(str(said), self._secrets) or type(said).__name__

    def table(self, name: str, connection: sa.Connection) -> Table:
        """Return the table or view called *name*, which may be qualified: `public.candles`.

        Raises:
            UnknownNameError: it is not there; the message names the nearest.
        """
        inspector = sa.inspect(connection)
        schema, dot, plain = name.rpartition(".")
        for where, there in ((None, name), *([(schema, plain)] if dot else ())):
            if inspector.has_table(there, schema=where):
                clause = sa.table(there, schema=where)
                row_less = sa.select(sa.text("*")).select_from(clause).limit(0)
                columns = tuple(connection.execute(row_less).keys())
                return Table(clause, columns, f"{self.shown}: table {name}")
        known = {*inspector.get_table_names(), *inspector.get_view_names()}
        if dot and schema in inspector.get_schema_names():
            known = {f"{schema}.{there}" for there in inspector.get_table_names(schema=schema)}
        raise UnknownNameError("table", name, known, where=self.shown)

    def dispose(self) -> None:
        """Close what is open; a later use opens it again."""
        self._engine.dispose()


def _parsed(text: str, shown: str) -> sa.URL:
    try:
        address = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        raise ConfigError(f"url {shown}: expected a database URL such as {_EXAMPLES}") from None
    return address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))


def _sqlite_file(address: sa.URL) -> Path | None:
    """Return the file that must be there already: SQLite would make an empty one."""
    path = address.database
    if address.get_backend_name() != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return None
    return Path(path).expanduser()


def _engine(address: sa.URL, shown: str) -> sa.Engine:
    file = _sqlite_file(address)
    if file is not None:
        address = address.set(database=str(file))
    is_psycopg = address.drivername == _PSYCOPG
    seconds = {"connect_timeout": _CONNECT_SECONDS} if is_psycopg and "connect_timeout" not in address.query else {}
    try:
        engine = sa.create_engine(address, poolclass=sa.NullPool, connect_args=seconds)
    except exc.NoSuchModuleError:
        raise ConfigError(
            f"url {shown}: unknown kind of database {address.drivername!r}; expected a URL such as {_EXAMPLES}"
        ) from None
    except ModuleNotFoundError as error:
        hint = "pip install 'backtestkit-cli[sql]'" if error.name == "psycopg" else "install the package that brings it"
        raise ConfigError(f"url {shown}: expected the driver {error.name}, found it not installed: {hint}") from None
    except exc.ArgumentError as error:
        raise ConfigError(f"url {shown}: {scrubbed(str(error), (address.password or '',))}") from None
    if engine.dialect.is_async:
        raise ConfigError(f"url {shown}: expected a driver that blocks, such as psycopg, found {address.drivername}")
    if is_psycopg:
        sa.event.listen(engine, "connect", _read_numeric_as_float)
    return engine


def _read_numeric_as_float(connection: Any, _record: object) -> None:  # noqa: ANN401 - psycopg's, which may be missing
    """Make floats of NUMERIC, which columns of candles become anyway: a Decimal each takes twice as long."""
    connection.adapters.register_loader("numeric", connection.adapters.get_loader(_FLOAT8, _TEXT))
