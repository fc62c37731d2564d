"""Records in S3, kept by a real server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import obstore
import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import LeaseLostError, StoreError, StoreUnreachableError
from backtestkit_cli.persistence.patient_shelf import PatientShelf
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.persistence.shelves.s3 import S3Shelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract
from tests.laws import ALL_LAWS
from tests.servers.process import new_name
from tests.servers.proxy import Faults, Proxy, proxied
from tests.servers.s3 import S3Server

SUBJECT = ("live", "demo")
KEY = (*SUBJECT, "signal", "sma", "BTC/USDT")
NEW = (*SUBJECT, "trade", "sma", "BTC/USDT", "1")
FIRST = Tenant("main", 101, "one.example", 1_700_000_000_000, "boot-1")
SECOND = Tenant("main", 202, "two.example", 1_700_000_060_000, "boot-2")
THIRD = Tenant("main", 303, "three.example", 1_700_000_120_000, "boot-3")
LONG_SECONDS = 60.0


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
def folder() -> str:
    return f"desk/{new_name()}"


@pytest.fixture
def url(s3_server: S3Server, bucket: str, folder: str) -> str:
    return url_of(s3_server, bucket, folder)


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[Proxy]:
    with proxied(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy, s3_server: S3Server, bucket: str, folder: str) -> S3Shelf:
    """The same place behind the proxy."""
    return shelf_at(url_of(s3_server.through(proxy.port), bucket, folder), timeout_seconds=0.5)


@pytest.fixture
def shelf(url: str) -> S3Shelf:
    return shelf_at(url)


def url_of(server: S3Server, bucket: str, folder: str) -> str:
    return f"s3://{bucket}/{folder}?region=us-east-1&endpoint={server.endpoint}"


def shelf_at(
    url: str, clock: Callable[[], float] = lambda: 0.0, *, timeout_seconds: float = 5.0, prefix: str = "btk"
) -> S3Shelf:
    return S3Shelf(PlaceOptions(kind=StoreKind.S3, prefix=prefix, timeout_seconds=timeout_seconds), url, clock)


def store_at(url: str) -> RecordStore:
    return RecordStore(shelf_at(url))


def patient(shelf: S3Shelf) -> PatientShelf:
    return PatientShelf(shelf, 5.0, sleep=lambda _: asyncio.sleep(0.01))


class TestRecordsInS3(StoreContract):
    many = 2000 if ALL_LAWS else 1010  # a page is of 1,000

    @pytest.fixture
    def store(self, url: str) -> Store:
        self.url = url
        return store_at(url)

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(store_at, self.url)

    def neighbour(self, store: Store) -> Store:
        return store_at(self.url.replace("?", "-2?"))


class TestLeasesInS3(LeaseContract):
    @pytest.fixture
    def shelf(self, url: str) -> LeasingShelf:
        self.url, self.clock = url, Clock()
        return shelf_at(url, self.clock)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(self.url, self.clock)

    async def let_pass(self, seconds: float) -> None:
        self.clock.now_s += seconds


class TestObjects:
    async def test_a115_a_record_is_a_json_object_in_virtual_folders(
        self, url: str, s3_server: S3Server, bucket: str, folder: str
    ) -> None:
        store, client = store_at(url), s3_server.opened(bucket)
        await store.write(KEY, {"n": 1})
        path = f"{folder}/btk/live/demo/signal/sma/BTC%2FUSDT.json"
        found = obstore.get(client, path)
        assert found.attributes["Content-Type"] == "application/json"
        assert bytes(found.bytes()) == b'{"version":1,"record":{"n":1}}\n'
        assert store.shelf.place(KEY) == f"s3://{bucket}/{path}"
        listed = obstore.list_with_delimiter(client, f"{folder}/btk/live")
        assert listed["common_prefixes"] == [f"{folder}/btk/live/demo"]

    async def test_no_key_leads_out_of_the_folder(
        self, shelf: S3Shelf, s3_server: S3Server, bucket: str, folder: str
    ) -> None:
        await shelf.put(dict.fromkeys([("..", "..", "x"), ("../../x",), ("/x",), (".",)], b"{}"))
        paths = [one["path"] for one in obstore.list(s3_server.opened(bucket), folder).collect()]
        assert sorted(paths) == [f"{folder}/btk/{x}.json" for x in ("%2E%2E/%2E%2E/x", "%2E", "%2Fx", "..%2F..%2Fx")]

    async def test_a_key_that_is_too_long_for_s3_is_told_in_one_line(self, url: str) -> None:
        with pytest.raises(StoreError, match=r"^s3: the key .*…: expected 1024 bytes at most, found 1\d\d\d$"):
            await store_at(url).write(("long" * 100,) * 3, {})

    async def test_a115_a_stale_etag_is_refused_and_the_write_is_tried_again_with_the_fresh_one(
        self, shelf: S3Shelf, far: S3Shelf, proxy: Proxy
    ) -> None:
        await far.put({KEY: b"1"})
        await shelf.put({KEY: b"2"})
        before = proxy.round_trips
        await far.put({KEY: b"3"})
        assert [line.split(b" ")[0] for line in proxy.requests[before:]] == [b"PUT", b"GET", b"PUT"]
        assert b"if-match: " in proxy.requests[before].lower()
        assert await shelf.get([KEY]) == [b"3"]

    async def test_a115_those_who_write_at_once_raise_nothing_and_one_of_them_is_last(self, url: str) -> None:
        shelves = [shelf_at(url) for _ in range(3)]
        await asyncio.gather(*(shelf.put({KEY: b"%d" % number}) for number, shelf in enumerate(shelves)))
        (found,) = {(await shelf.get([KEY]))[0] for shelf in shelves}
        assert found in {b"0", b"1", b"2"}

    async def test_a116_a_state_change_is_one_request(self, far: S3Shelf, proxy: Proxy) -> None:
        lease = await far.take(SUBJECT, FIRST, LONG_SECONDS)

        async def cost(contents: dict[Key, bytes]) -> list[bytes]:
            before = proxy.round_trips
            await far.put(contents, lease)
            return [line.split(b" ")[0] for line in proxy.requests[before:]]

        assert await cost({KEY: b"1"}) == [b"PUT", b"GET"]  # made anew: is the lease still held?
        assert await cost({KEY: b"2"}) == [b"PUT"]
        assert await cost({NEW: b"1", KEY: b"3"}) == [b"PUT", b"PUT", b"GET"]
        assert await cost({NEW: b"2", KEY: b"4"}) == [b"PUT", b"PUT"]
        before = proxy.round_trips
        assert await far.delete([KEY], lease) == 1
        await far.renew(lease, LONG_SECONDS)
        assert proxy.round_trips == before + 2

    async def test_a214_many_records_are_read_at_once_over_no_more_connections_than_allowed(
        self, shelf: S3Shelf, far: S3Shelf, proxy: Proxy
    ) -> None:
        contents: dict[Key, bytes] = {("own", str(number)): b"%d" % number for number in range(40)}
        await shelf.put(contents)
        assert dict(await far.scan(("own",))) == contents
        assert set(await far.names(("own",))) == set(contents)
        assert 1 < proxy.connections <= PlaceOptions().pool_size

    async def test_what_is_written_under_a_lease_is_read_as_it_was(self, shelf: S3Shelf, url: str) -> None:
        lease = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        odd = [b"", b"{}", b"{", b"null", b'{"a":1}', b'{"fence":9,"write":1,"holds":"nothing"}', bytes(range(256))]
        contents: dict[Key, bytes] = {(*SUBJECT, str(number)): content for number, content in enumerate(odd)}
        await shelf.put(contents, lease)
        assert dict(await shelf_at(url).scan(SUBJECT)) == contents
        await shelf.put(contents)
        assert dict(await shelf_at(url).scan(SUBJECT)) == contents


class TestLateWrites:
    """What one who has lost his lease sends, or has sent before and arrives only now."""

    @pytest.fixture
    def rival(self, url: str) -> S3Shelf:
        return shelf_at(url)

    @pytest.mark.parametrize(
        "change",
        [
            lambda shelf, lease: shelf.put({KEY: b"late"}, lease),
            lambda shelf, lease: shelf.put({NEW: b"late"}, lease),
            lambda shelf, lease: shelf.delete([KEY], lease),
            lambda shelf, lease: shelf.set_aside(KEY, b"old", lease),
        ],
        ids=["write", "make", "delete", "set aside"],
    )
    async def test_what_was_under_way_when_another_took_over_is_refused(
        self, shelf: S3Shelf, far: S3Shelf, proxy: Proxy, change: Callable[[S3Shelf, Lease], Awaitable[object]]
    ) -> None:
        lost = await far.take(SUBJECT, FIRST, LONG_SECONDS)
        await far.put({KEY: b"old"}, lost)
        proxy.stall(0.1)
        late = asyncio.ensure_future(change(far, lost))
        await asyncio.sleep(0.02)
        await shelf.take(SUBJECT, SECOND, LONG_SECONDS, ousted=lost.fence)
        assert not late.done()
        with pytest.raises(LeaseLostError, match="live/demo"):
            await late
        assert dict(await shelf.scan(SUBJECT)) == {KEY: b"old"}
        assert list(await shelf.names(SUBJECT)) == [KEY]

    async def test_what_came_too_late_is_no_state_of_any_later_tenant(
        self, shelf: S3Shelf, rival: S3Shelf, url: str
    ) -> None:
        lost = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"1"}, lost)
        taken = await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=lost.fence)
        with pytest.raises(LeaseLostError, match=r"pid 202 on two\.example"):
            await shelf.put({NEW: b"late"}, lost)
        with pytest.raises(LeaseLostError):
            await shelf.put({(*SUBJECT, "other"): b"late", KEY: b"late"}, lost)
        assert list(await shelf_at(url).names(())) == [KEY]  # nor is it for those without a lease
        last = await shelf.take(SUBJECT, THIRD, LONG_SECONDS, ousted=taken.fence)
        assert await shelf.get([NEW]) == [None]
        assert list(await shelf.names(SUBJECT)) == [KEY]
        await shelf.put({NEW: b"mine"}, last)
        assert await rival.get([NEW]) == [b"mine"]

    async def test_what_is_made_again_where_something_came_too_late_counts(
        self, shelf: S3Shelf, rival: S3Shelf
    ) -> None:
        lost = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        taken = await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=lost.fence)
        with pytest.raises(LeaseLostError):
            await shelf.put({NEW: b"late"}, lost)
        assert await rival.delete([NEW], taken) == 0
        await rival.put({NEW: b"mine"}, taken)
        assert await rival.get([NEW]) == [b"mine"]
        with pytest.raises(LeaseLostError):
            await shelf.put({NEW: b"later"}, lost)
        assert await rival.get([NEW]) == [b"mine"]

    async def test_whoever_lost_his_lease_cannot_write_on_what_he_reads_then(
        self, shelf: S3Shelf, rival: S3Shelf
    ) -> None:
        lost = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"old"}, lost)
        await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=lost.fence)
        assert await shelf.get([KEY]) == [b"old"]
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, lost)
        assert await rival.get([KEY]) == [b"old"]

    async def test_a_removed_record_is_made_again_in_one_request_and_no_late_one_comes_back(
        self, shelf: S3Shelf, rival: S3Shelf
    ) -> None:
        lost = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"1", NEW: b"1"}, lost)
        assert await shelf.delete([KEY, NEW], lost) == 2
        await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=lost.fence)
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, lost)
        assert list(await rival.names(())) == []
        assert list(await rival.scan(())) == []

    async def test_whoever_dies_while_he_takes_over_loses_nothing(
        self, shelf: S3Shelf, rival: S3Shelf, url: str
    ) -> None:
        first = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"1", NEW: b"1"}, first)
        dead = await rival._leases.take(SUBJECT, SECOND, LONG_SECONDS, ousted=first.fence)
        await rival._objects.stamp(rival._folder.of(KEY), dead.lease(SUBJECT), dead.settled)
        third = shelf_at(url)
        await third.take(SUBJECT, THIRD, LONG_SECONDS, ousted=dead.fence)
        assert dict(await third.scan(SUBJECT)) == {KEY: b"1", NEW: b"1"}

    async def test_a_lease_is_renewed_while_very_many_records_are_taken_over(self, url: str) -> None:
        shelf, clock = shelf_at(url), Clock()
        await shelf.put({(*SUBJECT, "trade", str(number)): b"1" for number in range(51)})

        def ticking() -> float:
            clock.now_s += 10.0
            return clock.now_s

        slow = shelf_at(url, ticking)
        lease = await slow.take(SUBJECT, FIRST, 20.0)
        term = await slow._leases.take(SUBJECT, SECOND, 1e9, None)
        assert (term.fence, term.tenant) == (lease.fence, FIRST)
        assert term.change > 3


class TestTroubles:
    @pytest.mark.parametrize("is_leased", [False, True])
    async def test_whoever_gets_no_answer_does_not_take_his_own_write_for_anothers(
        self, far: S3Shelf, proxy: Proxy, is_leased: bool
    ) -> None:
        patience = patient(far)
        lease = await patience.take(SUBJECT, FIRST, LONG_SECONDS) if is_leased else None
        for content in (b"1", b"2"):
            for direction in ("answer", "request"):
                proxy.lose_next(direction)
                await patience.put({KEY: content}, lease)
                assert await patience.get([KEY]) == [content]
        proxy.lose_next("answer")
        assert await patience.delete([KEY], lease) == 1
        assert await patience.get([KEY]) == [None]

    async def test_whoever_gets_no_answer_has_his_lease_all_the_same(
        self, far: S3Shelf, shelf: S3Shelf, proxy: Proxy
    ) -> None:
        patience = patient(far)
        proxy.lose_next("answer")
        await patience.take(SUBJECT, FIRST, LONG_SECONDS)
        proxy.lose_next("answer")
        lease = await patience.take(SUBJECT, FIRST, LONG_SECONDS)
        proxy.lose_next("answer")
        await patience.renew(lease, LONG_SECONDS)
        assert await shelf.leases() == [lease]
        proxy.lose_next("answer")
        await patience.give_back(lease)
        assert await shelf.leases() == []

    async def test_connections_that_break_off_are_told_and_lose_nothing(
        self, far: S3Shelf, shelf: S3Shelf, proxy: Proxy
    ) -> None:
        await far.put({KEY: b"1"})
        proxy.reset()
        await patient(far).put({KEY: b"2"})
        proxy.cut()
        with pytest.raises(StoreUnreachableError, match=r"/BTC%2FUSDT\.json: the server http://\S+ was not reached$"):
            await far.put({KEY: b"3"})
        proxy.mend()
        await far.put({KEY: b"4"})
        assert await shelf.get([KEY]) == [b"4"]

    async def test_a214_what_is_asked_over_bad_connections_is_done(self, far: S3Shelf, proxy: Proxy) -> None:
        patience = patient(far)
        lease = await patience.take(SUBJECT, FIRST, LONG_SECONDS)
        proxy.faults = Faults(reset_probability=0.05)
        for number in range(20):
            await patience.put({KEY: b"%d" % number, (*SUBJECT, "trade", str(number)): b"1"}, lease)
        assert await patience.get([KEY]) == [b"19"]
        assert len(list(await patience.names((*SUBJECT, "trade")))) == 20

    async def test_a_server_that_was_killed_is_not_reached_and_has_all_when_it_is_back(self, own_s3: S3Server) -> None:
        shelf = shelf_at(url_of(own_s3, own_s3.new_bucket(), "kept"))
        lease = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"1"}, lease)
        own_s3.kill()
        with pytest.raises(StoreUnreachableError):
            await shelf.put({KEY: b"2"}, lease)
        own_s3.restart()
        await patient(shelf).put({KEY: b"3"}, lease)
        assert await patient(shelf).get([KEY]) == [b"3"]
