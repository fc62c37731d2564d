"""A shelf in a file of SQLite, as somebody would write it who knows nothing of btk but its ports."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from backtestkit_cli.errors import StoreUnavailableError
from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.ports import Key

FORM = KeyForm("/")


class SqliteShelf:
    is_atomic = True

    def __init__(self, place: Path) -> None:
        self.name = str(place / "records.sqlite")
        self._database = sqlite3.connect(self.name, isolation_level=None)
        self._database.executescript(
            "PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000;"
            "CREATE TABLE IF NOT EXISTS record (name TEXT PRIMARY KEY, content BLOB) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS aside (name TEXT, content BLOB)"
        )

    def place(self, key: Key) -> str:
        return f"{self.name}: record {FORM.text(key)}"

    async def open(self) -> None:
        pass

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        found = [self._rows("SELECT content FROM record WHERE name = ?", FORM.text(key)) for key in keys]
        return [rows[0][0] if rows else None for rows in found]

    async def put(self, contents: Mapping[Key, bytes], lease: object = None) -> None:
        rows = [(FORM.text(key), content) for key, content in contents.items()]
        self._change("INSERT OR REPLACE INTO record VALUES (?, ?)", rows)

    async def delete(self, keys: Sequence[Key], lease: object = None) -> int:
        return self._change("DELETE FROM record WHERE name = ?", [(FORM.text(key),) for key in keys])

    async def names(self, prefix: Key) -> Iterable[Key]:
        return [key for key, _ in await self.scan(prefix)]

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        below = [FORM.text(prefix), FORM.text(prefix) + "/", FORM.text(prefix) + "0"] if prefix else ["", "", "\x7f"]
        sql = "SELECT name, content FROM record WHERE name = ? OR name >= ? AND name < ?"
        rows = self._rows(sql, *below)
        return [(key, content) for name, content in rows if (key := FORM.key(name)) is not None]

    async def set_aside(self, key: Key, content: bytes, lease: object = None) -> str:
        if self._change("DELETE FROM record WHERE name = ? AND content = ?", [(FORM.text(key), content)]):
            self._change("INSERT INTO aside VALUES (?, ?)", [(FORM.text(key), content)])
        return "the table aside"

    async def close(self) -> None:
        self._database.close()

    def _rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        return self._database.execute(sql, values).fetchall()

    def _change(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            count = self._database.executemany(sql, rows).rowcount
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(f"{self.name}: cannot be written: {error}") from error
        return count


class Patterned(SqliteShelf):
    """Takes a prefix for a pattern, which is found out."""

    cannot: ClassVar[dict[str, str]] = {"processes": "this is about patterns"}

    async def names(self, prefix: Key) -> Iterable[Key]:
        rows = self._rows("SELECT name FROM record WHERE name LIKE ?", "/".join((*prefix, "%")))
        return [key for (name,) in rows if (key := FORM.key(name)) is not None]
