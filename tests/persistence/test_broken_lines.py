"""Every kind of server keeps the contract of faults, behind a proxy that breaks and stalls its connections."""

from collections.abc import Iterator

import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.persistence.building import shelf_of
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.fault_contract import FaultContract, Faults
from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import new_name
from tests.servers.proxy import Proxy, proxied
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

SECONDS = 0.3


class BehindProxy(FaultContract):
    """A store whose `faults` are those of a proxy before the server."""

    kind: StoreKind
    timeout_seconds = SECONDS

    @pytest.fixture
    def url(self, faults: Proxy) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Store:
        self.place = PlaceOptions(kind=self.kind, url=url, prefix=new_name(), timeout_seconds=SECONDS)
        return self.again()

    def again(self, store: Store | None = None) -> Store:
        return RecordStore(shelf_of(self.place, {}))


class TestRedis(BehindProxy):
    kind = StoreKind.REDIS

    @pytest.fixture
    def faults(self, redis_server: RedisServer) -> Iterator[Faults]:
        with proxied(redis_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def url(self, redis_server: RedisServer, faults: Proxy) -> str:
        return redis_server.url.replace(str(redis_server.port), str(faults.port))


class TestPostgres(BehindProxy):
    kind = StoreKind.POSTGRES

    @pytest.fixture
    def faults(self, postgres_server: PostgresServer) -> Iterator[Faults]:
        with proxied(postgres_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def url(self, postgres_server: PostgresServer, faults: Proxy) -> str:
        return postgres_server.url.replace(str(postgres_server.port), str(faults.port))


class TestMongo(BehindProxy):
    kind = StoreKind.MONGO

    @pytest.fixture
    def faults(self, mongo_server: MongoServer) -> Iterator[Faults]:
        with proxied(mongo_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def url(self, mongo_server: MongoServer, faults: Proxy) -> str:
        return mongo_server.url.replace(str(mongo_server.port), str(faults.port))


class TestS3(BehindProxy):
    kind = StoreKind.S3

    @pytest.fixture(autouse=True)
    def _keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3Server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3Server.secret_key)

    @pytest.fixture
    def faults(self, s3_server: S3Server) -> Iterator[Faults]:
        with proxied(s3_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def url(self, s3_server: S3Server, faults: Proxy) -> str:
        return f"s3://{s3_server.bucket}?region=us-east-1&endpoint={s3_server.through(faults.port).endpoint}"
