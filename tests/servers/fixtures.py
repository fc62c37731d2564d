"""Fixtures with real servers: `…_server` is shared by the whole session, `own_…` is one test's, to kill and restart.

A server starts when a test first asks for it. Where it cannot run the test is skipped; with CI=true it fails.
"""

import os
from collections.abc import Iterator

import pytest

from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import AnyServer, CannotRunError, running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    yield from _started(RedisServer)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    yield from _started(PostgresServer)


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    yield from _started(MongoServer)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    yield from _started(S3Server)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    yield from _started(RedisServer)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    yield from _started(PostgresServer)


@pytest.fixture
def own_mongo() -> Iterator[MongoServer]:
    yield from _started(MongoServer)


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    yield from _started(S3Server)


def _started(kind: type[AnyServer]) -> Iterator[AnyServer]:
    must_run(kind)
    with running(kind) as server:
        yield server


def must_run(kind: type[AnyServer]) -> None:
    """Skip the test, saying why, where there is no such server; in CI it fails."""
    try:
        kind.find_program()
    except CannotRunError as why:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"no {kind.name}: {why}")
        pytest.skip(f"no {kind.name}: {why}")
