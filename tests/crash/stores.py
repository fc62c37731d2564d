"""Where the bots of a trial are kept: in files, or at a server of its own, each bot below a prefix of its own."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import Server, new_name, running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

Fresh: TypeAlias = Callable[[], dict[str, Any] | None]
"""Returns the section `store` of one more bot, None for files below its folder."""

SERVERS: Mapping[str, type[Server]] = {
    "redis": RedisServer,
    "postgres": PostgresServer,
    "mongo": MongoServer,
    "s3": S3Server,
}


@contextmanager
def stores_of(kind: str) -> Iterator[Fresh]:
    """Start a server of *kind*, or nothing for files."""
    if kind == "file":
        yield lambda: None
        return
    with running(SERVERS[kind]) as server:
        yield at(server)


def at(server: Server) -> Fresh:
    """Return what describes places at *server*, which lends its keys to this process and those it starts."""
    url = _url_of(server)
    return lambda: {"kind": server.name, "url": url, "prefix": new_name()}


def _url_of(server: Server) -> str:
    if not isinstance(server, S3Server):
        return str(server.url)  # type: ignore[attr-defined]
    os.environ |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    return f"s3://{server.new_bucket()}?endpoint={server.endpoint}&region=us-east-1"
