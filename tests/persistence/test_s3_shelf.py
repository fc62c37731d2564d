"""Records in S3, kept by a real server."""

from collections.abc import Callable
from functools import partial

import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.persistence.shelves.s3 import S3Shelf
from backtestkit_cli.ports import Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract
from tests.servers.process import new_name
from tests.servers.s3 import S3Server


class Clock:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3Server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3Server.secret_key)


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> str:
    """One bucket for all: its first object takes the server 0.2 s."""
    return s3_server.new_bucket()


@pytest.fixture
def url(s3_server: S3Server, bucket: str) -> str:
    return f"s3://{bucket}/desk/{new_name()}?region=us-east-1&endpoint={s3_server.endpoint}"


def shelf_at(url: str, clock: Callable[[], float] | None = None, timeout_seconds: float = 5.0) -> S3Shelf:
    place = PlaceOptions(kind=StoreKind.S3, prefix="btk", timeout_seconds=timeout_seconds)
    return S3Shelf(place, url) if clock is None else S3Shelf(place, url, clock)


def store_at(url: str) -> RecordStore:
    return RecordStore(shelf_at(url))


class TestRecordsInS3(StoreContract):
    @pytest.fixture
    def store(self, url: str) -> Store:
        self.url = url
        return store_at(url)

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(store_at, self.url)


class TestLeasesInS3(LeaseContract):
    @pytest.fixture
    def shelf(self, url: str) -> LeasingShelf:
        self.url, self.clock = url, Clock()
        return shelf_at(url, self.clock)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(self.url, self.clock)

    async def let_pass(self, seconds: float) -> None:
        self.clock.now_s += seconds
