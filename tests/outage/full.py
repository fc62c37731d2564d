"""Stores that take no writes for a while: full where the server can be, else for somebody who may only read."""

from collections.abc import Callable
from typing import NamedTuple

from tests.servers.mongo import USER, MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import Server
from tests.servers.redis import RedisServer


class Tap(NamedTuple):
    """What stops all writes, and what lets them through again."""

    off: Callable[[], object]
    on: Callable[[], object]


def tap_of(server: Server) -> Tap | None:
    """Return that of *server*, None where there is no way to it."""
    if isinstance(server, RedisServer):
        return Tap(lambda: _fill(server, "1"), lambda: _fill(server, "0"))
    if isinstance(server, PostgresServer):
        return Tap(lambda: _forbid(server, "on"), lambda: _forbid(server, "off"))
    if isinstance(server, MongoServer):
        return Tap(lambda: _grant(server, "readAnyDatabase"), lambda: _grant(server, "root"))
    return None


def _fill(server: RedisServer, most_bytes: str) -> None:
    assert server.ask("CONFIG", "SET", "maxmemory", most_bytes) == "+OK"


def _forbid(server: PostgresServer, switch: str) -> None:
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {switch}".encode())
        connection.execute(b"SELECT pg_reload_conf()")


def _grant(server: MongoServer, role: str) -> None:
    from pymongo import MongoClient

    with MongoClient[dict[str, object]](server.url_of(_operator(server))) as client:
        client["admin"].command("updateUser", USER, roles=[role])


def _operator(server: MongoServer) -> str:
    """Return a user who may give and take leave, made by the one that loses it."""
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    from tests.servers.mongo import PASSWORD

    with MongoClient[dict[str, object]](server.url) as client:
        try:
            client["admin"].command("createUser", "operator", pwd=PASSWORD, roles=["root"])
        except OperationFailure as error:
            if error.code not in {13, 51003}:  # no leave to make one, or it is there: made the time before
                raise
    return "operator"
