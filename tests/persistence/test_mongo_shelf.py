"""MongoDB keeps the contracts, and its own promises, against a real server."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient, UpdateOne

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import (
    BacktestKitError,
    ConfigError,
    CorruptRecordError,
    LeaseLostError,
    StoreError,
    StoreUnavailableError,
    StoreUnreachableError,
)
from backtestkit_cli.persistence.patient_shelf import PatientShelf
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.persistence.shelves import mongo
from backtestkit_cli.persistence.shelves import mongo_documents as documents
from backtestkit_cli.persistence.shelves.mongo import MongoShelf, demand
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract
from tests.servers.mongo import MongoServer
from tests.servers.process import free_ports, new_name
from tests.servers.proxy import Faults, Proxy, proxied

PREFIX = new_name()
"""One for each worker."""
SUBJECT = ("live", "demo")
KEYS: list[Key] = [(*SUBJECT, kind, "sma", "BTCUSDT") for kind in ("signal", "risk", "order")]
NEW = (*SUBJECT, "signal", "sma", "ETHUSDT")
OLD_OWNER = Tenant("main", 101, "one.example", 1_700_000_000_000, "boot-1")
OWNER = Tenant("main", 202, "two.example", 1_700_000_060_000, "boot-2")
NEXT_OWNER = Tenant("main", 303, "three.example", 1_700_000_120_000)
SECONDS = 60.0


async def close_cut_off(shelf: MongoShelf) -> None:
    """Close *shelf*, whose client forgets a socket that it was just connecting again: for once that is no error."""
    await shelf.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def shelf_at(url: str, prefix: str = PREFIX, **options: Any) -> MongoShelf:
    return MongoShelf(PlaceOptions(kind=StoreKind.MONGO, prefix=prefix, **options), url)


def store_at(url: str, prefix: str) -> RecordStore:
    return RecordStore(shelf_at(url, prefix))


async def emptied(shelf: MongoShelf) -> MongoShelf:
    """Return *shelf* without records; a new place each time would cost more than all else that a test does."""
    await shelf._records.delete_many({})
    return shelf


class TestMongoStore(StoreContract):
    @pytest.fixture
    async def store(self, mongo_server: MongoServer) -> Store:
        self.url = mongo_server.url
        return RecordStore(await emptied(shelf_at(self.url)))

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(store_at, self.url, PREFIX)

    def neighbour(self, store: Store) -> Store:
        return store_at(self.url, f"{PREFIX}_2")


class TestMongoLeases(LeaseContract):
    seconds = 0.2

    @pytest.fixture
    async def shelf(self, mongo_server: MongoServer) -> LeasingShelf:
        self.url = mongo_server.url
        return await emptied(shelf_at(self.url))

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(self.url)


@pytest.fixture
async def shelf(mongo_server: MongoServer) -> AsyncIterator[MongoShelf]:
    shelf = await emptied(shelf_at(mongo_server.url))
    yield shelf
    await shelf.close()


async def lost_lease(shelf: MongoShelf) -> tuple[Lease, Lease]:
    """Return the lease of an owner who wrote `b"old"` at the first of `KEYS`, and that of who took over."""
    loser = await shelf.take(SUBJECT, OLD_OWNER, SECONDS)
    await shelf.put({KEYS[0]: b"old"}, loser)
    return loser, await shelf.take(SUBJECT, OWNER, SECONDS, ousted=loser.fence)


def on_its_way(key: Key, lease: Lease) -> UpdateOne:
    """Return what is left of a write that asked for its lease in time, and then stood still."""
    record = documents.record_of(key, b"late")
    return UpdateOne({"_id": record["_id"]}, documents.putting(record, lease.fence, 1), upsert=True)


async def test_a_write_that_was_on_its_way_at_a_takeover_changes_nothing(shelf: MongoShelf) -> None:
    loser, owner = await lost_lease(shelf)
    with pytest.raises(LeaseLostError, match=r"pid 202 on two\.example"):
        await shelf._write([on_its_way(KEYS[0], loser)], loser)
    assert await shelf.get(KEYS[:1]) == [b"old"]
    await shelf.put({KEYS[0]: b"new"}, owner)
    with pytest.raises(LeaseLostError):
        await shelf._write([on_its_way(KEYS[0], loser)], loser)
    assert await shelf.get(KEYS[:1]) == [b"new"]


async def test_a_record_made_on_its_way_is_nobodys_and_gone_with_the_next_owner(shelf: MongoShelf) -> None:
    loser, owner = await lost_lease(shelf)
    with pytest.raises(LeaseLostError):
        await shelf._write([on_its_way(NEW, loser), demand(loser)], loser)
    assert await shelf._records.count_documents({"_id": documents.id_of(NEW)}) == 1
    assert await shelf.get([NEW]) == [None]
    assert list(await shelf.names(())) == KEYS[:1]
    assert list(await shelf.names(NEW)) == []
    assert dict(await shelf.scan(SUBJECT)) == {KEYS[0]: b"old"}
    await shelf.take(SUBJECT, NEXT_OWNER, SECONDS, ousted=owner.fence)
    assert await shelf._records.count_documents({"_id": documents.id_of(NEW)}) == 0
    assert await shelf.get(KEYS[:1]) == [b"old"]


async def test_whoever_took_a_lease_and_died_before_its_records_were_gone_through_takes_nothing_away(
    shelf: MongoShelf,
) -> None:
    loser = await shelf.take(SUBJECT, OLD_OWNER, SECONDS)
    await shelf.put({KEYS[0]: b"old"}, loser)
    post = {"_id": documents.post_of(SUBJECT)}
    await shelf._records.find_one_and_update(post, documents.taking(OWNER, SECONDS, loser.fence))
    assert await shelf.get(KEYS[:1]) == [b"old"]
    with pytest.raises(LeaseLostError):
        await shelf.put({KEYS[0]: b"late"}, loser)
    lease = await shelf.take(SUBJECT, OWNER, SECONDS)
    assert lease.fence == loser.fence + 1
    with pytest.raises(LeaseLostError):
        await shelf._write([on_its_way(KEYS[0], loser)], loser)
    await shelf.put({KEYS[0]: b"new"}, lease)


async def test_the_numbers_of_an_earlier_owner_do_not_count(shelf: MongoShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    loser, owner = await lost_lease(shelf)
    monkeypatch.setattr(mongo, "next_write", lambda: 1)
    await shelf.put({KEYS[0]: b"new"}, owner)
    assert await shelf.get(KEYS[:1]) == [b"new"]
    await shelf.take(SUBJECT, NEXT_OWNER, SECONDS, ousted=owner.fence)
    with pytest.raises(LeaseLostError):
        await shelf.delete(KEYS[:1], loser)


async def test_what_is_removed_under_a_lease_is_told_of_by_nobody_and_forgotten_by_the_server(
    shelf: MongoShelf,
) -> None:
    await shelf.open()
    lease = await shelf.take(SUBJECT, OWNER, SECONDS)
    await shelf.put(dict.fromkeys(KEYS, b"1"), lease)
    assert await shelf.delete([KEYS[0], NEW, KEYS[0]], lease) == 1
    await shelf.set_aside(KEYS[1], b"1", lease)
    assert await shelf.delete([*KEYS[:2], NEW], lease) == 0
    assert await shelf.delete([*KEYS[:2], NEW]) == 0
    assert dict(await shelf.scan(())) == {KEYS[2]: b"1"}
    assert list(await shelf.names(SUBJECT)) == [KEYS[2]]
    assert await shelf.get([KEYS[0], KEYS[2], NEW]) == [None, b"1", None]
    gone = await shelf._records.find({"gone": {"$type": "date"}}).to_list()
    assert {one["_id"] for one in gone} == {documents.id_of(key) for key in (*KEYS[:2], NEW)}
    assert {name for one in gone for name in one} == {"_id", "fence", "write", "gone"}
    assert (await shelf._records.index_information())["until_forgotten"]["expireAfterSeconds"] == 3600
    await shelf.put({KEYS[0]: b"2"}, lease)
    await shelf.put({NEW: b"2"})
    assert await shelf.get([KEYS[0], NEW]) == [b"2", b"2"]


async def test_a114_two_writers_of_one_key_never_meet_a_duplicate(mongo_server: MongoServer, shelf: MongoShelf) -> None:
    lease = await shelf.take(SUBJECT, OWNER, SECONDS)
    other = shelf_at(mongo_server.url)
    for mine in (lease, None):
        for number in range(10):
            key = (*SUBJECT, "signal", "sma", f"{mine is None}-{number}")
            contents = [b"%d" % writer for writer in range(8)]
            writers = (shelf, other) * 4
            await asyncio.gather(
                *(writer.put({key: content}, mine) for writer, content in zip(writers, contents, strict=True))
            )
            assert (await shelf.get([key]))[0] in contents
    await other.close()


async def test_a116_a_change_of_state_is_one_command(mongo_server: MongoServer, shelf: MongoShelf) -> None:
    with proxied(mongo_server.port) as proxy:
        through = shelf_at(mongo_server.url.replace(str(mongo_server.port), str(proxy.port)))
        lease = await through.take(SUBJECT, OWNER, SECONDS)
        calls: list[tuple[str, Callable[[], Any]]] = [
            ("update", lambda: through.put(dict.fromkeys(KEYS, b"1"), lease)),
            ("update", lambda: through.delete([KEYS[0], NEW], lease)),
            ("update", lambda: through.put(dict.fromkeys(KEYS, b"2"))),
            ("find", lambda: through.get(KEYS)),
            ("find", lambda: through.scan(SUBJECT)),
            ("update", lambda: through.renew(lease, SECONDS)),
            ("findAndModify", lambda: through.take(SUBJECT, NEXT_OWNER, SECONDS)),
        ]
        for command, call in calls:
            before = len(proxy.requests)
            await call()
            (request,) = (one for one in proxy.requests[before:] if b"hello" not in one)
            assert command.encode() in request
        await through.close()


async def test_a114_records_are_nested_documents_that_can_be_asked_for_by_their_fields(
    mongo_server: MongoServer, shelf: MongoShelf
) -> None:
    store = RecordStore(shelf)
    await store.wait_for_init()
    for number, symbol in enumerate(("BTCUSDT", "ETHUSDT", "SOLUSDT")):
        position = {"price": 100.0 + number, "fee.maker": 0.1, "levels": [{"pct": 50 + number}]}
        await store.write((*SUBJECT, "signal", "sma", symbol), {"symbol": symbol, "position": position})
    with MongoClient[dict[str, Any]](mongo_server.url) as client:
        records = client["btk"][f"{PREFIX}.records"]
        ours = {"mode": "live", "exchange": "demo", "kind": "signal", "strategy": "sma"}
        for query in (
            {"symbol": "ETHUSDT"},
            {"record.position.price": {"$gt": 100.5, "$lt": 101.5}},
            {"record.position.levels.pct": 51},
            {"_id": "live/demo/signal/sma/ETHUSDT"},
        ):
            assert [one["record"]["symbol"] for one in records.find(ours | query)] == ["ETHUSDT"]
        plan = records.find(ours).explain()["queryPlanner"]["winningPlan"]
        assert plan["inputStage"]["indexName"] == "by_kind"


async def test_what_was_acknowledged_survives_a_kill_and_writing_goes_on(own_mongo: MongoServer) -> None:
    shelf = shelf_at(own_mongo.url, timeout_seconds=0.5)
    patient = PatientShelf(shelf, 20)
    lease = await patient.take(SUBJECT, OWNER, SECONDS)
    await patient.put(dict.fromkeys(KEYS, b"1"), lease)
    own_mongo.kill()
    with pytest.raises(StoreUnreachableError, match=r"^mongodb://127\.0\.0\.1:\d+/btk/\w+: not reached: [^\n]+$"):
        await shelf.put(dict.fromkeys(KEYS, b"2"), lease)
    writing = asyncio.create_task(patient.put({NEW: b"3"}, lease))
    await asyncio.to_thread(own_mongo.restart)
    await writing
    assert await patient.get([*KEYS, NEW]) == [b"1", b"1", b"1", b"3"]
    assert await patient.leases() == [lease]
    await close_cut_off(shelf)


@pytest.fixture
def proxy(mongo_server: MongoServer) -> Any:
    with proxied(mongo_server.port, seed=7) as proxy:
        yield proxy


async def test_a214_connections_that_break_lose_nothing(
    mongo_server: MongoServer, shelf: MongoShelf, proxy: Proxy
) -> None:
    unsure = shelf_at(mongo_server.url.replace(str(mongo_server.port), str(proxy.port)), timeout_seconds=2.0)
    patient = PatientShelf(unsure, 20)
    lease = await patient.take(SUBJECT, OWNER, SECONDS)
    proxy.lose_next("answer")
    with pytest.raises(StoreUnreachableError):
        await unsure.put({NEW: b"1"}, lease)
    assert await shelf.get([NEW]) == [b"1"]
    proxy.faults = Faults(reset_probability=0.03)  # the client looks for a lost server once in half a second
    for number in range(20):
        await patient.put({KEYS[number % 3]: b"%d" % number}, lease)
        assert await shelf.get([KEYS[number % 3]]) == [b"%d" % number]
    proxy.mend()
    await close_cut_off(unsure)


async def test_a_server_that_stands_still_is_not_waited_for_longer_than_told(
    mongo_server: MongoServer, shelf: MongoShelf, proxy: Proxy
) -> None:
    slow = shelf_at(mongo_server.url.replace(str(mongo_server.port), str(proxy.port)), timeout_seconds=0.5)
    patient = PatientShelf(slow, 20)
    await patient.put({NEW: b"1"})
    proxy.stall(0.8)
    with pytest.raises(StoreUnreachableError):
        await slow.put({NEW: b"2"})
    await patient.put({NEW: b"3"})
    assert await shelf.get([NEW]) == [b"3"]
    await close_cut_off(slow)


async def told(url: str, timeout_seconds: float = 20.0) -> BacktestKitError:
    """Return what somebody is told who opens *url*."""
    shelf = shelf_at(url, timeout_seconds=timeout_seconds)
    with pytest.raises(BacktestKitError) as caught:
        await shelf.open()
    await close_cut_off(shelf)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_whoever_is_not_let_in_is_told_so_without_his_password(mongo_server: MongoServer) -> None:
    error = await told(mongo_server.url_of("tester", "not-the-password"))
    assert type(error) is StoreUnavailableError
    assert "the user or the password is wrong" in str(error)
    assert "not-the-password" not in str(error)


async def test_whoever_may_only_read_is_told_so_and_can_look(mongo_server: MongoServer, shelf: MongoShelf) -> None:
    await shelf.put({NEW: b"1"})
    error = await told(mongo_server.reader_url)
    assert type(error) is StoreUnavailableError
    assert "this user may not do that" in str(error)
    reader = shelf_at(mongo_server.reader_url)
    assert await reader.get([NEW]) == [b"1"]
    for call in (lambda: reader.put({NEW: b"2"}), lambda: reader.delete([NEW])):
        with pytest.raises(StoreUnavailableError):
            await call()
    with pytest.raises(StoreUnavailableError) as refused:
        await reader.put({NEW: b'"hush"'})
    assert "hush" not in str(refused.value)
    await reader.close()
    assert await shelf.get([NEW]) == [b"1"]


async def test_where_nobody_listens_is_not_reached() -> None:
    (port,) = free_ports(1)
    error = await told(f"mongodb://127.0.0.1:{port}/", timeout_seconds=0.2)
    assert type(error) is StoreUnreachableError
    assert f"127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1/btk",
        "mongodb://",
        "mongodb://me:s3:cr@et@127.0.0.1/",
        "mongodb://me:s3cret@127.0.0.1:s3cret/",
        "mongodb://me:s3cret@127.0.0.1/a b?w=s3cret&journal=s3cret",
        "mongodb://me:s3cret@127.0.0.1/?s3cret=1",
        "mongodb://me:s3cret@127.0.0.1/a.s3",
    ],
)
def test_what_is_no_url_of_mongodb_is_told_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError, match=r"expected mongodb://") as caught:
        shelf_at(url)
    assert "s3" not in str(caught.value)


def test_the_database_is_that_of_the_url_and_its_options_come_first() -> None:
    shelf = shelf_at("mongodb://me:s3cret@db.example:27018/desk?w=1&maxPoolSize=9", "bot", pool_size=2)
    assert shelf.place(("live", "a/b")) == "mongodb://db.example:27018/desk/bot/live/a%2Fb"
    assert (shelf._client.options.pool_options.max_pool_size, shelf._client.write_concern.document) == (
        9,
        {"w": 1, "j": True},
    )


async def test_a_record_beyond_what_mongodb_takes_is_refused_in_one_line(shelf: MongoShelf) -> None:
    await shelf.put({NEW: b"1"})
    with pytest.raises(StoreError, match="a record is too large: expected 16 MB at most"):
        await RecordStore(shelf).write(NEW, {"text": "x" * 17_000_000})
    assert await shelf.get([NEW]) == [b"1"]


async def test_a_record_that_somebody_broke_is_set_aside_as_he_left_it(
    mongo_server: MongoServer, shelf: MongoShelf
) -> None:
    store = RecordStore(shelf)
    await store.write(NEW, {"n": 1})
    with MongoClient[dict[str, Any]](mongo_server.url) as client:
        name = {"_id": documents.id_of(NEW)}
        client["btk"][f"{PREFIX}.records"].update_one(name, {"$set": {"record": "by hand"}})
        with pytest.raises(CorruptRecordError, match=r"moved to \S+\.aside/live/demo/\S+#\w{16}$"):
            await store.read(NEW)
        aside = client["btk"][f"{PREFIX}.aside"].find_one({"record._id": name["_id"]})
    assert aside is not None
    assert aside["record"]["record"] == "by hand"
