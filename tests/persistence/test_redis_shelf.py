"""Redis keeps the contracts, and its own promises, against a real server."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.domain.venue import Leg, OrderKind, VenueOrder
from backtestkit_cli.engine.memory import OpenOrder, SessionMemory, Stage
from backtestkit_cli.errors import (
    ConfigError,
    LeaseLostError,
    StoreError,
    StoreUnavailableError,
    StoreUnreachableError,
)
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.persistence.shelf import LeasingShelf, Tenant
from backtestkit_cli.persistence.shelves import redis
from backtestkit_cli.persistence.shelves.redis import RedisShelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.fault_contract import FaultContract
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.places import Maker
from backtestkit_cli.testing.store_contract import StoreContract
from tests.persistence.racing import RACES, note_of, won
from tests.persistence.test_session_journal import NAMES, OPEN, SCHEDULE, SIGNAL, WAITING, a_journal
from tests.servers.process import new_name, running
from tests.servers.proxy import Proxy, proxied
from tests.servers.redis import PASSWORD, RedisServer

TENANT = Tenant("main", 1, "here", 1_700_000_000_000)
RIVAL = TENANT._replace(pid=2)
KEY = ("live", "demo", "note", "x")


def shelf_at(url: str, prefix: str, **options: float) -> RedisShelf:
    return RedisShelf(PlaceOptions(kind=StoreKind.REDIS, prefix=prefix, **options), url)  # type: ignore[arg-type]


class TestRedisStore(StoreContract):
    @pytest.fixture
    def store(self, redis_server: RedisServer) -> Store:
        self.place = redis_server.url, new_name()
        return RecordStore(shelf_at(*self.place))

    def elsewhere(self, store: Store) -> Maker:
        url, prefix = self.place
        return partial(RedisShelf, PlaceOptions(kind=StoreKind.REDIS, prefix=prefix), url)

    def neighbour(self, store: Store) -> Store:
        url, prefix = self.place
        return RecordStore(shelf_at(url, f"{prefix}-2"))


class TestRedisInAStorm(FaultContract):
    timeout_seconds = 0.2

    @pytest.fixture
    def faults(self, redis_server: RedisServer) -> Iterator[Proxy]:
        with proxied(redis_server.port) as proxy:
            yield proxy

    @pytest.fixture
    def store(self, redis_server: RedisServer, faults: Proxy) -> Store:
        url = redis_server.url.replace(str(redis_server.port), str(faults.port))
        options = PlaceOptions(kind=StoreKind.REDIS, prefix=new_name(), timeout_seconds=self.timeout_seconds)
        self.make = partial(RedisShelf, options, url)
        return RecordStore(self.make())

    def elsewhere(self, store: Store) -> Maker:
        return self.make


class TestRedisLeases(LeaseContract):
    seconds = 0.2

    @pytest.fixture
    def shelf(self, redis_server: RedisServer) -> LeasingShelf:
        self.place = redis_server.url, new_name()
        return shelf_at(*self.place)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(*self.place)


@pytest.fixture
def prefix() -> str:
    return new_name()


@pytest.fixture
async def shelf(redis_server: RedisServer, prefix: str) -> AsyncIterator[RedisShelf]:
    shelf = shelf_at(redis_server.url, prefix)
    yield shelf
    await shelf.close()


def with_login(server: RedisServer, login: str) -> str:
    return server.url.replace(f":{PASSWORD}@", f"{login}@")


# Signals that are forgotten


def waiting_memory(revision: int, **fields: Any) -> SessionMemory:
    return SessionMemory(revision=revision, tick_ms=120_000, slot=60_000, dust=0.25, state=WAITING, **fields)


AT_VENUE = OpenOrder(
    VenueOrder(
        client_id="id-1-1",
        strategy="sma",
        signal_id="id-1",
        symbol="BTCUSDT",
        leg=Leg.ENTRY,
        kind=OrderKind.LIMIT,
        is_buy=True,
        quantity=1.0,
        price_expected=100.0,
        at_ms=60_000,
    ),
    Stage.RESTING,
    60_000,
)


@pytest.fixture
async def forgetful(redis_server: RedisServer, prefix: str) -> AsyncIterator[RedisShelf]:
    shelf = shelf_at(redis_server.url, prefix, schedule_ttl_seconds=60)
    yield shelf
    await shelf.close()


def let_end(server: RedisServer, shelf: RedisShelf, after_ms: int = 0) -> bool:
    """Let what waits end so soon; return whether it was to end."""
    name = shelf.place(SCHEDULE).split()[-1]
    remains_ms = int(server.ask("PTTL", name)[1:])
    if remains_ms > 0:
        server.ask("PEXPIRE", name, str(after_ms))
    return 50_000 < remains_ms <= 60_000


async def test_a112_a_signal_that_waits_too_long_is_forgotten_as_if_it_had_been_cancelled(
    forgetful: RedisShelf, redis_server: RedisServer
) -> None:
    store = RecordStore(forgetful)
    await a_journal(store).save(waiting_memory(7))
    assert await a_journal(store).recall() == waiting_memory(7)
    assert let_end(redis_server, forgetful)
    journal = a_journal(store)
    assert await journal.recall() == waiting_memory(7)._replace(state=None)  # and nothing is blocked
    assert list(await store.keys(())) == [SCHEDULE, SIGNAL]
    assert [record["content"] is None for record in await store.values(())] == [False, True]
    await journal.save(SessionMemory(revision=8, state=OPEN))
    assert await a_journal(store).recall() == SessionMemory(revision=8, state=OPEN)
    await store.remove(SCHEDULE)
    assert not await store.has(SCHEDULE)


async def test_a_signal_that_is_saved_again_waits_again_as_long(
    forgetful: RedisShelf, redis_server: RedisServer
) -> None:
    journal = a_journal(RecordStore(forgetful))
    for revision in range(3):
        await journal.save(waiting_memory(revision))
        assert let_end(redis_server, forgetful, after_ms=10_000)
    assert await a_journal(RecordStore(forgetful)).recall() == waiting_memory(2)


@pytest.mark.parametrize(
    "memory",
    [
        waiting_memory(7, orders=(AT_VENUE,)),
        SessionMemory(revision=7, state=OPEN),
        SessionMemory(revision=7, tick_ms=60_000),
    ],
    ids=["its order is at the venue", "a position", "nothing"],
)
async def test_nothing_else_is_forgotten(
    forgetful: RedisShelf, redis_server: RedisServer, memory: SessionMemory
) -> None:
    store = RecordStore(forgetful)
    await a_journal(store).save(waiting_memory(6))
    await a_journal(store).save(memory)
    assert not let_end(redis_server, forgetful)
    assert await a_journal(store).recall() == memory


async def test_without_the_option_no_signal_is_forgotten(shelf: RedisShelf, redis_server: RedisServer) -> None:
    await a_journal(RecordStore(shelf)).save(waiting_memory(1))
    assert redis_server.ask("PTTL", shelf.place(SCHEDULE).split()[-1]) == ":-1"


async def test_a_damaged_record_of_a_signal_leaves_nothing_that_could_be_taken_for_it(forgetful: RedisShelf) -> None:
    store = RecordStore(forgetful)
    await a_journal(store).save(waiting_memory(1))
    damaged = await forgetful.get([SCHEDULE])
    await forgetful.set_aside(SCHEDULE, damaged[0] or b"")
    assert await forgetful.get([SCHEDULE]) == [None]


# Connections


async def test_a112_a_server_that_dies_and_comes_back_has_kept_all_and_is_reached_again(own_redis: RedisServer) -> None:
    shelf = shelf_at(own_redis.url, "btk")
    await shelf.open()
    assert await shelf.cautions() == []
    ended = await shelf.take(("live", "demo"), TENANT, 60)
    lease = await shelf.take(("live", "demo"), RIVAL, 60, ousted=ended.fence)
    await shelf.put({KEY: b"kept"}, lease)
    own_redis.kill()
    with pytest.raises(StoreUnreachableError, match="cannot be reached"):
        await shelf.put({KEY: b"never"}, lease)
    own_redis.restart()
    assert await shelf.get([KEY]) == [b"kept"]
    assert await shelf.leases() == [lease]
    with pytest.raises(LeaseLostError, match="pid 2"):
        await shelf.put({KEY: b"late"}, ended)
    await shelf.put({KEY: b"on"}, lease)  # the server has forgotten the script meanwhile
    assert await shelf.get([KEY]) == [b"on"]
    own_redis.ask("CONFIG", "SET", "appendonly", "no")
    own_redis.ask("CONFIG", "SET", "maxmemory", "1gb")
    own_redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    lines = await shelf.cautions()
    assert ["appendonly yes" in lines[0], "set noeviction" in lines[1]] == [True, True]
    await shelf.close()


async def test_a_connection_that_breaks_is_told_and_made_anew_by_the_next_call(redis_server: RedisServer) -> None:
    with proxied(redis_server.port) as proxy:
        shelf = shelf_at(redis_server.url.replace(str(redis_server.port), str(proxy.port)), new_name())
        await asyncio.gather(*(shelf.put({KEY: b"1"}) for _ in range(4)))
        assert proxy.connections == 4
        proxy.reset()
        with pytest.raises(StoreUnreachableError, match="cannot be reached"):
            await shelf.put({KEY: b"2"})
        await shelf.put({KEY: b"2"})  # the other three are not tried
        for direction in ("request", "answer"):
            await shelf.get([KEY])
            proxy.lose_next(direction)
            with pytest.raises(StoreUnreachableError):
                await shelf.put({KEY: direction.encode()})
        assert await shelf.get([KEY]) == [b"answer"]
        await shelf.close()


async def test_a_server_that_does_not_answer_in_time_is_unreachable(own_redis: RedisServer) -> None:
    shelf = shelf_at(own_redis.url, "btk", timeout_seconds=0.1)
    await shelf.open()
    own_redis.pause()
    with pytest.raises(StoreUnreachableError, match=r"redis://127\.0\.0\.1"):
        await shelf.put({KEY: b"1"})
    own_redis.resume()
    await shelf.put({KEY: b"2"})
    assert await shelf.get([KEY]) == [b"2"]
    await shelf.close()


async def test_a_unix_socket_will_do() -> None:
    class WithSocket(RedisServer):
        def command(self) -> list[Any]:
            return [*super().command(), "--unixsocket", self.folder / "socket"]

    with running(WithSocket) as server:
        shelf = shelf_at(f"unix://{server.folder}/socket?db=3&password={PASSWORD}", "btk")
        await shelf.open()
        await shelf.put({KEY: b"1"})
        assert await shelf.get([KEY]) == [b"1"]
        assert shelf.name == f"unix://{server.folder}/socket/3 btk"
        await shelf.close()


# Commands


async def test_a116_each_change_is_one_round_trip_and_one_command(redis_server: RedisServer, prefix: str) -> None:
    with proxied(redis_server.port) as proxy:
        shelf = shelf_at(redis_server.url.replace(str(redis_server.port), str(proxy.port)), prefix)
        await shelf.open()
        lease = await shelf.take(("live", "demo"), TENANT, 60)
        journal = SessionJournal(RecordStore(shelf, lease), *NAMES)
        await journal.save(waiting_memory(1))
        await journal.save(SessionMemory(revision=2))
        before = proxy.round_trips
        with redis_server.monitor() as seen:
            await journal.save(waiting_memory(3))  # two records, under a lease
            await shelf.put({("live", "demo", "note", str(number)): b"1" for number in range(5)}, lease)
            assert proxy.round_trips - before == 2
            await shelf.get([KEY, SIGNAL, SCHEDULE])
            assert proxy.round_trips - before == 3
            sent = [line.split()[0] for line in seen.commands(prefix)]
        assert [word for word in sent if word in {'"EVALSHA"', '"EVAL"', '"MGET"'}] == ['"EVALSHA"'] * 2 + ['"MGET"']
        await shelf.close()


async def test_what_is_too_old_to_tell_whether_it_is_late_is_refused_and_little_is_kept_to_tell(
    shelf: RedisShelf, redis_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await shelf.take(("live", "demo"), TENANT, 60)
    many: list[Key] = [("live", "demo", "note", str(number)) for number in range(6_000)]
    for number, keys in ((5, many[:1]), (7, many), (8, [KEY])):
        monkeypatch.setattr(redis, "next_write", lambda number=number: number)
        await shelf.put(dict.fromkeys(keys, b"%d" % number), lease)
        assert await shelf.delete(keys, lease) == len(keys)
    assert redis_server.ask("ZCARD", f"{prefix}:+writes:live:demo") == ":6001"
    monkeypatch.setattr(redis, "next_write", lambda: 9)
    others: list[Key] = [("live", "demo", "risk", str(number)) for number in range(4_000)]
    await shelf.put(dict.fromkeys(others, b"9"), lease)
    assert await shelf.delete(others) == len(others)
    assert redis_server.ask("ZCARD", f"{prefix}:+writes:live:demo") == ":10000"
    monkeypatch.setattr(redis, "next_write", lambda: 6)
    for late in (shelf.put({many[0]: b"late"}, lease), shelf.delete([KEY], lease), shelf.set_aside(KEY, b"8", lease)):
        with pytest.raises(StoreUnreachableError, match="newer changes came before"):
            await late
    assert await shelf.get([many[0]]) == [None]
    await shelf.put({KEY: b"of nobody's lease"})
    await shelf.renew(lease, 60)


async def test_the_numbers_of_an_earlier_tenant_do_not_count_and_who_takes_again_goes_on(
    shelf: RedisShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await shelf.take(("live", "demo"), TENANT, 60)
    await shelf.put({KEY: b"1"}, lease)
    assert await shelf.take(("live", "demo"), TENANT, 60) == lease  # the first of two calls may come after the second
    monkeypatch.setattr(redis, "next_write", lambda: 1)
    await shelf.put({KEY: b"late"}, lease)
    assert await shelf.get([KEY]) == [b"1"]
    await shelf.put({KEY: b"2"}, await shelf.take(("live", "demo"), RIVAL, 60, ousted=lease.fence))
    assert await shelf.get([KEY]) == [b"2"]


async def test_a112_keys_are_scanned_page_by_page_and_never_asked_for_at_once(
    shelf: RedisShelf, redis_server: RedisServer, prefix: str
) -> None:
    contents: dict[Key, bytes] = {("live", "demo", "note", str(number)): b"%d" % number for number in range(1200)}
    await shelf.put(contents)
    with redis_server.monitor() as seen:
        assert dict(await shelf.scan(("live",))) == contents
        assert set(await shelf.names(("live", "demo"))) == set(contents)
        assert await shelf.delete(list(contents)) == len(contents)
        sent = [line.split()[0].strip('"').upper() for line in seen.commands(prefix)]
    assert {"SCAN", "MGET"} <= set(sent)
    assert "KEYS" not in sent
    assert sent.count("MGET") <= 3


async def test_no_key_and_no_prefix_reaches_what_is_of_another(redis_server: RedisServer, prefix: str) -> None:
    ours, pattern, longer = (shelf_at(redis_server.url, name) for name in (prefix, f"{prefix[:-1]}[?]*", f"{prefix}2"))
    odd = [
        ("+leases",),
        ("..", "..", "x"),
        (f"x:{prefix}2:y",),
        ("*",),
        ("+aside", "x"),
        ("a+",),
        ("\r\nFLUSHALL\r\n",),
    ]
    lease = await ours.take(("live", "demo"), TENANT, 60)
    for shelf in (pattern, longer, ours):
        await shelf.put({key: shelf.name.encode() for key in odd})
    for shelf in (pattern, longer, ours):
        assert dict(await shelf.scan(())) == {key: shelf.name.encode() for key in odd}
        assert await shelf.delete(odd) == len(odd)
    assert await ours.leases() == [lease]
    for shelf in (pattern, longer, ours):
        await shelf.close()


# Refusals


async def test_a_server_out_of_memory_keeps_what_it_has_and_says_so(own_redis: RedisServer) -> None:
    shelf = shelf_at(own_redis.url, "btk")
    lease = await shelf.take(("live", "demo"), TENANT, 60)
    await shelf.put({KEY: b"old", SIGNAL: b"old"}, lease)
    own_redis.ask("CONFIG", "SET", "maxmemory", "1")
    for change in (shelf.put({KEY: b"new", SIGNAL: b"new"}, lease), shelf.open()):
        with pytest.raises(StoreUnavailableError, match="is full: expected memory for more") as refused:
            await change
        assert not isinstance(refused.value, StoreUnreachableError)
    assert await shelf.get([KEY, SIGNAL]) == [b"old", b"old"]
    assert await shelf.delete([SIGNAL], lease) == 1
    own_redis.ask("CONFIG", "SET", "maxmemory", "0")
    await shelf.put({KEY: b"new"}, lease)
    await shelf.close()


async def test_a_replica_is_not_written(own_redis: RedisServer) -> None:
    replica = shelf_at(own_redis.url, "btk")
    own_redis.ask("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailableError, match="expected a primary, found a replica"):
        await replica.open()
    await replica.close()


async def test_a_user_who_may_only_read_is_told_at_the_start_and_can_look(
    shelf: RedisShelf, redis_server: RedisServer, prefix: str
) -> None:
    await shelf.put({KEY: b"1"})
    reader = shelf_at(redis_server.reader_url, prefix)
    assert dict(await reader.scan(())) == {KEY: b"1"}
    for change in (reader.open(), reader.put({KEY: b"2"}), reader.delete([KEY])):
        with pytest.raises(StoreUnavailableError, match="expected the right to read and write") as refused:
            await change
        assert PASSWORD not in str(refused.value)
    assert "may not ask with INFO" in (await reader.cautions())[0]
    assert await shelf.get([KEY]) == [b"1"]
    await reader.close()


@pytest.mark.parametrize("login", [":wr0ng-pass", "nobody:wr0ng-pass", ""], ids=["password", "user", "none"])
async def test_a_wrong_login_is_one_line_without_it(redis_server: RedisServer, login: str) -> None:
    url = with_login(redis_server, login) if login else redis_server.url.replace(f":{PASSWORD}@", "")
    shelf = shelf_at(url, "btk")
    with pytest.raises(StoreUnavailableError, match="expected the right user and password") as refused:
        await shelf.open()
    assert not isinstance(refused.value, StoreUnreachableError)
    assert str(refused.value).startswith(f"redis://127.0.0.1:{redis_server.port}/0: ")
    assert "wr0ng" not in str(refused.value)
    await shelf.close()


async def test_a_database_that_the_server_does_not_have_is_told(redis_server: RedisServer) -> None:
    shelf = shelf_at(redis_server.url.removesuffix("0") + "99", "btk")
    with pytest.raises(StoreUnavailableError, match="/99: cannot be used: expected a database it has"):
        await shelf.open()
    await shelf.close()


async def test_where_nothing_listens_the_line_says_where() -> None:
    shelf = shelf_at("redis://:hush-hush@127.0.0.1:1/0", "btk")
    with pytest.raises(StoreUnreachableError, match=r"^redis://127\.0\.0\.1:1/0: cannot be reached: ") as refused:
        await shelf.open()
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://:hush-hush@host",
        "host:6379",
        "redis://",
        "redis://:hush-hush@host/name",
        "redis://:hush-hush@host:port/0",
        "redis://:hush#hush@host/0",
        "redis://host:99999/0",
        "redis://host/0?socket_timeout=hush",
        "redis://host/0?hush=1",
        "unix://",
        "",
    ],
)
def test_what_is_no_url_of_redis_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^store: expected ") as refused:
        shelf_at(url, "btk")
    assert "hush" not in str(refused.value)


async def test_what_another_program_keeps_in_the_place_of_the_leases_is_told(
    shelf: RedisShelf, redis_server: RedisServer, prefix: str
) -> None:
    redis_server.ask("SET", f"{prefix}:+leases", "mine")
    with pytest.raises(StoreError, match="found something of another program there"):
        await shelf.take(("live", "demo"), TENANT, 60)


# Two processes

RACER = """
import asyncio, json, sys
from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.persistence.shelves import redis
from backtestkit_cli.persistence.shelves.redis import RedisShelf
from tests.persistence.racing import won

async def race(url, prefix):
    shelf = RedisShelf(PlaceOptions(prefix=prefix), url)
    await shelf.open()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(await won(shelf, 22)))
    await shelf.close()

asyncio.run(race(*sys.argv[1:]))
"""


async def test_of_two_processes_that_race_for_leases_each_gets_those_that_the_other_does_not(
    shelf: RedisShelf, redis_server: RedisServer, prefix: str
) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RACER,
        redis_server.url,
        prefix,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert await other.stdout.readline() == b"ready\n"
    other.stdin.write(b"go\n")
    ours = await won(shelf, 11)
    theirs = json.loads((await other.communicate())[0])
    assert sorted(ours + theirs) == list(range(RACES))
    notes = await shelf.get([note_of(number) for number in range(RACES)])
    assert list(notes) == [b"11" if number in ours else b"22" for number in range(RACES)]
