"""Fixtures with real servers: `…_server` is shared by all tests of a run, `own_…` is one test's, to kill and restart.

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
from tests.servers.sharing import shared


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from _of_the_run(RedisServer, tmp_path_factory)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    yield from _of_the_run(PostgresServer, tmp_path_factory)


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    yield from _of_the_run(MongoServer, tmp_path_factory)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    yield from _of_the_run(S3Server, tmp_path_factory)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    yield from _own(RedisServer)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    yield from _own(PostgresServer)


@pytest.fixture
def own_mongo() -> Iterator[MongoServer]:
    yield from _own(MongoServer)


@pytest.fixture
def own_s3() -> Iterator[S3Server]:
    yield from _own(S3Server)


def _of_the_run(kind: type[AnyServer], folders: pytest.TempPathFactory) -> Iterator[AnyServer]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield from _own(kind)
        return
    must_run(kind)
    yield shared(kind, folders.getbasetemp().parent, os.getppid())


def _own(kind: type[AnyServer]) -> Iterator[AnyServer]:
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
