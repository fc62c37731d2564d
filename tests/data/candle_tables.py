"""Tables that hold candles, in SQLite files and in the PostgreSQL of the tests."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from backtestkit_cli.domain.candle import Candles
from tests.servers.postgres import PostgresServer

_COLUMNS = "symbol text, interval text, timestamp {time}, open {number}, high {number}, low {number}, close {number}"
_KEY = "volume {number}, PRIMARY KEY (symbol, interval, timestamp)"


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def create(table: str, time: str = "bigint", number: str = "double precision") -> str:
    return f"CREATE TABLE {table} ({_COLUMNS}, {_KEY})".format(time=time, number=number)


def rows_of(
    candles: Candles,
    symbol: str = "BTCUSDT",
    interval: str = "1m",
    time: Callable[[int], Any] = int,
    number: Callable[[float], Any] = float,
) -> list[tuple[Any, ...]]:
    return [(symbol, interval, time(row.timestamp), *map(number, row[1:])) for row in candles.rows()]


def write_sqlite(file: Path, rows: list[tuple[Any, ...]], table: str = "candles", time: str = "integer") -> str:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(create(table, time, "real" if time != "text" else "text"))
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608
    return f"sqlite:///{file}"


def run_sqlite(file: Path, *statements: str) -> str:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{file}"


def write_postgres(server: PostgresServer, rows: list[tuple[Any, ...]], time: str, number: str) -> str:
    schema = server.new_schema()
    with psycopg.connect(server.url_of(schema)) as connection, connection.cursor() as cursor:
        cursor.execute(create("candles", time, number).encode())
        with cursor.copy(b"COPY candles FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    return server.url_of(schema)
