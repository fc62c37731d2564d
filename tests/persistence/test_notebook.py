"""Data of an author's own."""

from pathlib import Path

import pytest

from backtestkit_cli import Notebook, open_store
from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, StoreOptions
from backtestkit_cli.errors import ConfigError, CorruptRecordError, MissingRecordError, StoreUnreachableError
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.routed_store import RoutedStore
from tests.servers.process import new_name
from tests.servers.redis import RedisServer


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def log(store: MemoryStore) -> Notebook:
    return Notebook(store, "trades")


@pytest.fixture
async def filled(log: Notebook) -> Notebook:
    for number in (10, 2, 1):
        await log.write(str(number), {"n": number})
    return log


async def test_a118_records_are_written_read_and_removed(log: Notebook) -> None:
    await log.write("a/b", {"n": 1})
    assert await log.has("a/b")
    assert await log.read("a/b") == {"n": 1}
    await log.remove("a/b")
    assert not await log.has("a/b")
    for call in (log.read, log.remove):
        with pytest.raises(MissingRecordError):
            await call("a/b")


async def test_a104_a118_they_are_iterated_filtered_and_taken_in_natural_order(filled: Notebook) -> None:
    assert [(key, record["n"]) async for key, record in filled.iterate()] == [("1", 1), ("2", 2), ("10", 10)]
    assert await filled.keys() == ["1", "2", "10"]
    assert await filled.values() == [{"n": 1}, {"n": 2}, {"n": 10}]
    assert await filled.filter(lambda record: record["n"] > 1) == [{"n": 2}, {"n": 10}]
    assert await filled.take(2) == [{"n": 1}, {"n": 2}]
    assert await filled.take(0) == []
    assert len(await filled.take(99)) == 3


async def test_a118_notebooks_share_nothing_with_each_other_or_with_trading(
    filled: Notebook, store: MemoryStore
) -> None:
    other = Notebook(store, "trades/2")
    state = ("live", "demo", "signal", "sma", "BTCUSDT")
    await store.write(state, {"n": 0})
    await other.write("1", {"n": 7})
    assert await filled.remove_all() == 3
    assert await other.values() == [{"n": 7}]
    assert await store.has(state)


async def test_a_damaged_record_is_left_out_and_read_says_where_it_is(filled: Notebook, store: MemoryStore) -> None:
    store.contents["own", "trades", "note", "1"] = b"half"
    assert await filled.take(2) == [{"n": 2}, {"n": 10}]
    store.contents["own", "trades", "note", "2"] = b"half"
    with pytest.raises(CorruptRecordError, match="moved to"):
        await filled.read("2")
    store.contents["own", "trades", "note", "2"] = b"half"
    assert [key async for key, _ in filled.iterate()] == ["10"]


async def test_no_key_of_an_author_is_taken_for_a_kind_of_record() -> None:
    rest, risk = MemoryStore(), MemoryStore()
    log = Notebook(RoutedStore(rest, {"risk": risk}), "risk")
    await log.write("risk", {})
    assert (len(rest.contents), len(risk.contents)) == (1, 0)


async def test_a_store_is_opened_by_its_folder_or_by_options(tmp_path: Path) -> None:
    place = PlaceOptions(kind=StoreKind.FILE, folder=str(tmp_path / "data"))
    async with open_store(tmp_path / "data") as store:
        await Notebook(store, "log").write("1", {"n": 1})
    for where in (str(tmp_path / "data"), StoreOptions(place=place)):
        async with open_store(where) as store:
            assert await Notebook(store, "log").read("1") == {"n": 1}


async def test_a_store_is_opened_by_its_url(redis_server: RedisServer) -> None:
    name = new_name()
    async with open_store(redis_server.url) as store:
        await Notebook(store, name).write("1", {"n": 1})
    async with open_store(redis_server.url) as store:
        assert await Notebook(store, name).take(1) == [{"n": 1}]
        assert await Notebook(store, name).remove_all() == 1


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("reddis://localhost", "unknown kind of store 'reddis'; did you mean 'redis' or 'rediss'"),
        ("redis://", "expected a host after redis://"),
        ("redis://:p/w@here", "expected host:port, found no port"),
    ],
)
async def test_what_is_no_store_is_refused_without_its_password(where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        async with open_store(where):
            raise AssertionError("it was opened")
    assert problem in str(refused.value)
    assert "p/w" not in str(refused.value)


async def test_a_server_that_is_not_there_is_one_line() -> None:
    place = PlaceOptions(kind=StoreKind.REDIS, url="redis://127.0.0.1:1/0", patience_seconds=0)
    with pytest.raises(StoreUnreachableError) as refused:
        async with open_store(StoreOptions(place=place)):
            raise AssertionError("it was opened")
    assert "\n" not in str(refused.value)
