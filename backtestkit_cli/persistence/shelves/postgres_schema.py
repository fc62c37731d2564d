"""The tables of a shelf in PostgreSQL, and how they are made and brought up to date."""

from typing import Any

import asyncpg

from backtestkit_cli.errors import ConfigError, ForeignRecordError, StoreUnavailableError
from backtestkit_cli.persistence.shelves.postgres_statements import in_schema

STEPS = (
    """
    CREATE TABLE IF NOT EXISTS {schema}.records (
        key text COLLATE "C" PRIMARY KEY,
        content json,
        damaged bytea,
        updated_at timestamptz NOT NULL DEFAULT now(),
        mode text GENERATED ALWAYS AS (split_part(key, '/', 1)) STORED,
        exchange text GENERATED ALWAYS AS (split_part(key, '/', 2)) STORED,
        kind text GENERATED ALWAYS AS (split_part(key, '/', 3)) STORED,
        CHECK (num_nonnulls(content, damaged) = 1)
    );
    CREATE TABLE IF NOT EXISTS {schema}.aside (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL,
        content bytea NOT NULL,
        moved_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS {schema}.leases (
        subject text COLLATE "C" PRIMARY KEY,
        fence bigint NOT NULL,
        tenant json NOT NULL,
        ends_at timestamptz NOT NULL
    )
    """,
)
"""What leads from each version to the next; a step that was ever released stays as it is.

`key` sorts by bytes, so that a prefix is a range of its index. `content` is of type json, which keeps a text to the
letter: jsonb would make 100.0 of 1e2, 0 of -0.0, and refuses the character 0. `mode`, `exchange` and `kind` are for
people who ask by hand.
"""

_VERSIONS = "CREATE TABLE IF NOT EXISTS {schema}.version (number int PRIMARY KEY, made_at timestamptz DEFAULT now())"
_LONGEST_NAME_BYTES = 63


class Schema:
    """The schema `name` of the place that messages call `place`."""

    def __init__(self, name: str, place: str) -> None:
        """Take the name as it is, capitals and all.

        Raises:
            ConfigError: PostgreSQL would cut or refuse it.
        """
        if "\0" in name or not name.isprintable() or len(name.encode()) > _LONGEST_NAME_BYTES or name.startswith("pg_"):
            expected = f"expected at most {_LONGEST_NAME_BYTES} printable bytes that do not begin with pg_"
            raise ConfigError(f"store: prefix, the schema of PostgreSQL: {expected}, found {name!r}")
        self._name = name
        self._place = place
        self._quoted = '"' + name.replace('"', '""') + '"'

    def named(self, statement: str) -> str:
        """Return *statement* with the schema in it."""
        return in_schema(self._quoted, statement)

    async def version(self, connection: Any) -> int:  # noqa: ANN401 - asyncpg has no types
        """Return how many steps have been done here, 0 where there is nothing yet.

        Raises:
            ForeignRecordError: more than are known.
        """
        try:
            number: int = await connection.fetchval(self.named("SELECT max(number) FROM {schema}.version")) or 0
        except asyncpg.UndefinedTableError:
            return 0
        if number > len(STEPS):
            expected = f"expected version {len(STEPS)} or older, found {number}"
            raise ForeignRecordError(f"{self._place}: a newer btk made these tables: {expected}; they stay as they are")
        return number

    async def make(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        """Do the steps that have not been done yet; of several who come at once, one does them."""
        if await self.version(connection) == len(STEPS):
            return
        async with connection.transaction(isolation="read_committed"):
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"btk {self._name}")
            encoding = await connection.fetchval("SHOW server_encoding")
            if encoding != "UTF8":
                raise StoreUnavailableError(f"{self._place}: expected a database of encoding UTF8, found {encoding}")
            # not IF NOT EXISTS, which asks for the right to make schemas even where it is there
            if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._name):
                await connection.execute(self.named("CREATE SCHEMA {schema}"))
            await connection.execute(self.named(_VERSIONS))
            for number in range(await self.version(connection), len(STEPS)):
                await connection.execute(self.named(STEPS[number]))
                await connection.execute(self.named("INSERT INTO {schema}.version VALUES ($1)"), number + 1)
