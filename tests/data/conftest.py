"""Servers that tests of sources share: started when a test needs one, stopped at the end in any case."""

from collections.abc import Iterator

import pytest

from tests.data.postgres import PostgresServer, postgres_server, stop_postgres


@pytest.fixture(scope="session", autouse=True)
def _servers_end_with_the_tests() -> Iterator[None]:
    yield
    stop_postgres()


@pytest.fixture
def postgres() -> PostgresServer:
    return postgres_server()
