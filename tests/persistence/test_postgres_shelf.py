"""PostgreSQL keeps the contracts, and its own promises, against a real server."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import (
    ConfigError,
    ForeignRecordError,
    LeaseLostError,
    StoreError,
    StoreUnavailableError,
    StoreUnreachableError,
)
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.patient_shelf import PatientShelf
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.routed_store import RoutedStore
from backtestkit_cli.persistence.shelf import LeasingShelf, Tenant
from backtestkit_cli.persistence.shelves import postgres_schema
from backtestkit_cli.persistence.shelves.postgres import LONGEST_KEY, PostgresShelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.store_contract import StoreContract
from tests.servers.postgres import PASSWORD, USER, PostgresServer
from tests.servers.process import free_ports, new_name
from tests.servers.proxy import Faults, proxied

Made: TypeAlias = tuple[str, Callable[[str], Any]]
"""The name of a schema, and what runs a statement in it."""
SUBJECT = ("live", "demo")
FIRST, SECOND = Tenant("main", 1, "one", 0), Tenant("main", 2, "two", 0)
ROLE_PASSWORD = "p"  # noqa: S105 - of roles that only the tests know
NEXT_STEP = "ALTER TABLE {schema}.records ADD COLUMN note text"
WAITING = """
SELECT 1 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND application_name = current_setting('application_name')"""


def shelf_at(url: str, schema: str, **options: float) -> PostgresShelf:
    return PostgresShelf(PlaceOptions(kind=StoreKind.POSTGRES, prefix=schema, **options), url)  # type: ignore[arg-type]


def store_at(url: str, schema: str) -> RecordStore:
    return RecordStore(shelf_at(url, schema))


@pytest.fixture(scope="module")
def made(postgres_server: PostgresServer) -> Iterator[Made]:
    """A schema for the whole module, for making one takes long, and what runs statements there by hand."""
    schema = new_name()

    async def make() -> None:
        shelf = shelf_at(postgres_server.url, schema)
        await shelf.open()
        await shelf.close()

    asyncio.run(make())
    with psycopg.connect(postgres_server.url_of(schema), autocommit=True) as connection:
        yield schema, lambda statement: connection.execute(statement.encode())


@pytest.fixture
def schema(made: Made) -> str:
    """The name of an empty schema; connections of `url_of(schema)` search it."""
    name, run = made
    run("DELETE FROM records; DELETE FROM aside; DELETE FROM leases")
    return name


@pytest.fixture
async def shelf(postgres_server: PostgresServer, schema: str) -> AsyncIterator[PostgresShelf]:
    shelf = shelf_at(postgres_server.url_of(schema), schema)
    await shelf.open()
    yield shelf
    await shelf.close()


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self, postgres_server: PostgresServer, schema: str) -> Store:
        self.place = postgres_server.url, schema
        return store_at(*self.place)

    def elsewhere(self, store: Store) -> Callable[[], Store]:
        return partial(store_at, *self.place)

    def neighbour(self, store: Store) -> Store:
        return store_at(self.place[0], f"{self.place[1]}2")


class TestPostgresLeases(LeaseContract):
    seconds = 30.0

    @pytest.fixture
    def shelf(self, postgres_server: PostgresServer, schema: str, made: Made) -> LeasingShelf:
        self.place = postgres_server.url, schema
        self.run = made[1]
        return shelf_at(*self.place)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return shelf_at(*self.place)

    async def let_pass(self, seconds: float) -> None:
        self.run(f"UPDATE leases SET ends_at = ends_at - interval '{seconds} seconds'")  # noqa: S608 - a number


async def test_a_lease_ends_by_the_clock_of_the_server(shelf: PostgresShelf) -> None:
    await shelf.take(SUBJECT, FIRST, 60.0)
    await shelf.take(SUBJECT, FIRST, 0.05)  # who has it says anew for how long
    await asyncio.sleep(0.06)
    assert await shelf.leases() == []
    assert (await shelf.take(SUBJECT, SECOND, 60.0)).tenant == SECOND


async def test_a113_writers_of_the_same_records_neither_raise_nor_lose(
    postgres_server: PostgresServer, schema: str, shelf: PostgresShelf
) -> None:
    rival = shelf_at(postgres_server.url, schema)
    keys: list[Key] = [("a", str(number)) for number in range(10)]

    async def write(writer: PostgresShelf, ordered: list[Key]) -> None:
        for number in range(20):
            await writer.put(dict.fromkeys(ordered, b"%d" % number))

    async def remove() -> None:
        for _ in range(20):
            await rival.delete([("b", "1"), *keys[::-1], ("b", "0")])

    await asyncio.gather(write(shelf, keys), write(rival, keys[::-1]), write(rival, keys[5:] + keys[:5]), remove())
    await asyncio.gather(write(shelf, keys), write(rival, keys[::-1]))
    assert await shelf.get(keys) == [b"19"] * 10
    await rival.close()


async def test_a116_each_change_of_any_number_of_records_is_one_statement(
    postgres_server: PostgresServer, schema: str, shelf: PostgresShelf
) -> None:
    lease = await shelf.take(SUBJECT, FIRST, 60.0)
    store = RecordStore(shelf, lease)
    keys = [(*SUBJECT, "signal", "x", f"S{number}") for number in range(20)]
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "INSERT": lambda: store.write_all({key: {"signal": 1} for key in keys}),
        "SELECT": lambda: store.items(SUBJECT),
        "DELETE": lambda: store.remove(keys[0]),
        "UPDATE": lambda: shelf.renew(lease, 60.0),
    }
    for _ in range(2):
        for word, call in calls.items():
            mark = postgres_server.log_mark()
            await call()
            (statement,) = postgres_server.statements_since(mark, schema)
            assert word in statement
    fresh = shelf_at(postgres_server.url_of(schema), schema)
    mark = postgres_server.log_mark()
    await fresh.put({keys[0]: b"1", keys[1]: b"\xff"}, lease)
    assert len(postgres_server.statements_since(mark, schema)) == 1  # on a new connection too
    await fresh.close()


async def test_a106_risk_in_postgres_and_the_rest_in_files(shelf: PostgresShelf, tmp_path: Path) -> None:
    files = FileStore(tmp_path)
    store = RoutedStore(files, {"risk": RecordStore(shelf)})
    await store.wait_for_init()
    await store.write_all({(*SUBJECT, kind, "x"): {} for kind in ("signal", "risk", "order")})
    assert list(await shelf.names(())) == [(*SUBJECT, "risk", "x")]
    assert [key[2] for key in await files.keys(())] == ["order", "signal"]
    assert [key[2] for key in await store.keys(())] == ["order", "risk", "signal"]


async def test_who_asks_by_hand_finds_json_and_what_a_key_is_about(shelf: PostgresShelf, made: Made) -> None:
    await RecordStore(shelf).write(("live", "demo", "signal", "sma", "BTC/USDT"), {"zero": -0.0, "list": [1]})
    await shelf.put({("x",): b"\xff"})
    rows = made[1]("SELECT key, mode, exchange, kind, content->'record'->>'zero', damaged FROM records ORDER BY key")
    assert rows.fetchall() == [
        ("live/demo/signal/sma/BTC%2FUSDT", "live", "demo", "signal", "-0.0", None),
        ("x", "x", "", "", None, b"\xff"),
    ]


async def test_what_was_moved_aside_once_is_found_there_when_it_is_asked_again(shelf: PostgresShelf) -> None:
    await shelf.put({("a",): b"damaged"})
    aside = await shelf.set_aside(("a",), b"damaged")
    assert re.fullmatch(r"number \d+ of the table aside of .*", aside)
    await shelf.put({("a",): b"new"})
    assert await shelf.set_aside(("a",), b"damaged") == aside
    assert await shelf.get([("a",)]) == [b"new"]


async def test_first_users_who_come_at_once_make_one_schema(postgres_server: PostgresServer) -> None:
    shelves = [shelf_at(postgres_server.url, name) for name in [f'A {new_name()}\'s "state"'] * 4]
    await asyncio.gather(*(shelf.open() for shelf in shelves))
    await shelves[0].put({("a",): b"1"})
    assert [await shelf.get([("a",)]) for shelf in shelves] == [[b"1"]] * 4
    for shelf in shelves:
        await shelf.close()


async def test_an_older_schema_is_brought_up_to_date_and_a_newer_one_is_refused(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = new_name()
    old = shelf_at(postgres_server.url, schema)
    await old.open()
    await old.put({("a",): b"1"})
    steps = postgres_schema.STEPS
    monkeypatch.setattr(postgres_schema, "STEPS", (*steps, NEXT_STEP))
    new = [shelf_at(postgres_server.url, schema) for _ in range(3)]
    await asyncio.gather(*(shelf.open() for shelf in new))
    assert await new[0].get([("a",)]) == await old.get([("a",)]) == [b"1"]
    monkeypatch.setattr(postgres_schema, "STEPS", steps)
    late = shelf_at(postgres_server.url, schema)
    for call in (late.open, late.leases, lambda: late.get([("a",)])):
        with pytest.raises(
            ForeignRecordError, match="a newer btk made these tables: expected version 1 or older, found 2"
        ):
            await call()
    for shelf in (old, late, *new):
        await shelf.close()


async def test_a113_a_table_that_was_made_in_partitions_is_used_as_it_is(postgres_server: PostgresServer) -> None:
    schema = postgres_server.new_schema()
    postgres_server.execute(
        """CREATE TABLE records (
            key text COLLATE "C" PRIMARY KEY, content json, damaged bytea, updated_at timestamptz DEFAULT now(),
            mode text, exchange text, kind text
        ) PARTITION BY RANGE (key)""",
        "CREATE TABLE demo PARTITION OF records FOR VALUES FROM ('live/demo/') TO ('live/demo0')",
        "CREATE TABLE others PARTITION OF records DEFAULT",
        schema=schema,
    )
    shelf = shelf_at(postgres_server.url, schema)
    await shelf.open()
    for content in (b"1", b"2"):
        await shelf.put({(*SUBJECT, "risk"): content, ("live", "demo2", "risk"): content})
    with psycopg.connect(postgres_server.url_of(schema)) as connection:
        assert connection.execute("SELECT key FROM demo").fetchall() == [("live/demo/risk",)]
    assert await shelf.delete([("live", "demo2", "risk")]) == 1
    assert list(await shelf.scan(SUBJECT)) == [((*SUBJECT, "risk"), b"2")]
    await shelf.close()


async def test_a_database_that_cannot_hold_all_texts_is_refused(postgres_server: PostgresServer) -> None:
    name = new_name()
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0".encode())
    shelf = shelf_at(postgres_server.url_of(database=name), name)
    line = await _line(StoreUnavailableError, shelf.open)
    assert line.endswith("expected a database of encoding UTF8, found LATIN1")
    await shelf.close()


async def test_who_only_looks_finds_nothing_where_nobody_was_and_makes_nothing(postgres_server: PostgresServer) -> None:
    schema = new_name()
    shelf = shelf_at(postgres_server.url, schema)
    store = RecordStore(shelf, is_onlooker=True)
    await store.wait_for_init()
    assert await store.items(()) == []
    assert not await store.has(("a",))
    assert await shelf.leases() == []
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchall() == []
    await shelf.close()


@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "mysql://me:s3cret@127.0.0.1/db",
        "postgresql://",
        "postgresql://me:s3/cret@127.0.0.1/db",
        "postgresql://me:s3#cret@127.0.0.1/db",
        "postgresql://me:s3?cret@127.0.0.1/db",
        "postgresql://me:s3@cret@127.0.0.1/db",
        "postgresql://me:s3cret@127.0.0.1:port/db",
        "postgresql://me:s3cret@127.0.0.1:65536/db",
        "postgresql://me:s3cret@[127/db",
        "postgresql://me:s3cret@127.0.0.1/db?statement_cache_size=some",
    ],
)
def test_what_is_no_url_of_postgresql_is_refused_without_telling_a_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^store: url: expected postgresql://user:password@host") as raised:
        shelf_at(url, "btk")
    assert "s3" not in str(raised.value)


@pytest.mark.parametrize("name", ["pg_mine", "é" * 32, "a\0b", "a\nb"])
def test_what_can_be_no_schema_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="prefix, the schema of PostgreSQL: expected at most 63"):
        shelf_at("postgresql://127.0.0.1/db", name)


async def _line(error: type[Exception], ask: Callable[[], Awaitable[object]]) -> str:
    """Return the one line that *ask* fails with, which holds no password."""
    with pytest.raises(error) as raised:
        await ask()
    assert type(raised.value) is error
    line = str(raised.value)
    assert "\n" not in line
    assert PASSWORD not in line
    assert line.startswith("postgresql://127.0.0.1:")
    return line


async def test_whoever_is_not_let_in_reads_why_in_one_line(postgres_server: PostgresServer) -> None:
    name, port = new_name(), free_ports(1)[0]
    postgres_server.execute(
        f"CREATE ROLE {name} LOGIN PASSWORD '{ROLE_PASSWORD}'",
        f"CREATE SCHEMA {name}",
        f"GRANT ALL ON SCHEMA {name} TO {name}",
    )
    as_role = postgres_server.url_of(user=name, password=ROLE_PASSWORD)
    url, there = postgres_server.url, f"127.0.0.1:{postgres_server.port}"
    unavailable = {
        f'password authentication failed for user "{USER}"': (postgres_server.url_of(password=ROLE_PASSWORD), name),
        'password authentication failed for user "nobody"': (postgres_server.url_of(user="nobody"), name),
        'database "nowhere" does not exist': (postgres_server.url_of(database="nowhere"), name),
        "permission denied for database postgres": (as_role, f"{name}_2"),
        ": may only be read: cannot execute": (f"{url}&default_transaction_read_only=on", name),
    }
    owner = shelf_at(as_role, name)  # who may not make schemas, and needs not to
    await owner.open()
    for said, (address, schema) in unavailable.items():
        shelf = shelf_at(address, schema, timeout_seconds=10.0)
        assert said in await _line(StoreUnavailableError, shelf.open)
        await shelf.close()
    elsewhere = shelf_at(url.replace(there, f"127.0.0.1:{port}"), name)
    assert "not reached: Connect call failed" in await _line(StoreUnreachableError, elsewhere.open)
    await owner.put({("a",): b"1"})
    reader = f"{name}_reader"
    postgres_server.execute(
        f"CREATE ROLE {reader} LOGIN PASSWORD '{ROLE_PASSWORD}'",
        f"GRANT USAGE ON SCHEMA {name} TO {reader}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {reader}",
    )
    onlooker = shelf_at(postgres_server.url_of(user=reader, password=ROLE_PASSWORD), name)
    assert "permission denied for table leases" in await _line(StoreUnavailableError, onlooker.open)
    assert await onlooker.get([("a",)]) == [b"1"]
    for shelf in (owner, elsewhere, onlooker):
        await shelf.close()


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("53100", StoreUnavailableError),  # disk full
        ("53200", StoreUnavailableError),  # out of memory
        ("25006", StoreUnavailableError),  # read-only
        ("53300", StoreUnreachableError),  # too many connections
        ("57P01", StoreUnreachableError),  # shut down
        ("40001", StoreUnreachableError),  # lost to another transaction
        ("40P01", StoreUnreachableError),  # deadlock
        ("22000", StoreError),
    ],
)
async def test_what_the_server_says_is_ours_by_what_can_be_done(
    shelf: PostgresShelf, state: str, error: type[StoreError]
) -> None:
    async def ask() -> None:
        async with shelf._connections.one() as connection:
            await connection.execute(f"DO $$ BEGIN RAISE 'no\n room' USING ERRCODE = '{state}'; END $$")

    assert (await _line(error, ask)).endswith(": no room")


async def test_a_key_that_no_index_holds_is_refused_in_one_line(shelf: PostgresShelf) -> None:
    await shelf.put({("k" * LONGEST_KEY,): b"1"})
    line = await _line(StoreError, lambda: shelf.put({("a",): b"1", ("é" * 500,): b"1"}))
    assert line.endswith("the key is too long: expected 2,600 characters at most, found 3,000")
    assert await shelf.get([("a",), ("é" * 500,)]) == [None, None]


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


def _waiting(made: Made, count: int) -> Callable[[], bool]:
    """Return what says whether *count* statements of the schema wait for a lock."""
    return lambda: len(made[1](WAITING).fetchall()) == count


async def test_a_takeover_waits_for_the_write_that_is_under_way(
    postgres_server: PostgresServer, schema: str, shelf: PostgresShelf, made: Made
) -> None:
    lease = await shelf.take(SUBJECT, FIRST, 60.0)
    await shelf.put({("a",): b"1"}, lease)
    with psycopg.connect(postgres_server.url_of(schema)) as other:
        other.execute("SELECT FROM records FOR UPDATE")
        writing = asyncio.create_task(shelf.put({("a",): b"2"}, lease))
        await _until(_waiting(made, 1))
        taking = asyncio.create_task(shelf.take(SUBJECT, SECOND, 60.0, ousted=lease.fence))
        await _until(_waiting(made, 2))
    assert (await taking).tenant == SECOND
    assert await shelf.get([("a",)]) == [b"2"]
    await writing
    with pytest.raises(LeaseLostError):
        await shelf.put({("a",): b"3"}, lease)


async def test_a_write_that_began_before_a_takeover_ended_is_refused(
    postgres_server: PostgresServer, schema: str, shelf: PostgresShelf, made: Made
) -> None:
    lease = await shelf.take(SUBJECT, FIRST, 60.0)
    await shelf.put({("a",): b"1"}, lease)
    calls = (shelf.put({("a",): b"2"}, lease), shelf.delete([("a",)], lease), shelf.set_aside(("a",), b"1", lease))
    with psycopg.connect(postgres_server.url_of(schema)) as other:
        other.execute("UPDATE leases SET fence = fence + 1")
        tasks = [asyncio.create_task(call) for call in calls]
        await _until(_waiting(made, len(calls)))
    for task in tasks:
        with pytest.raises(LeaseLostError):
            await task
    assert await shelf.get([("a",)]) == [b"1"]


@pytest.mark.parametrize("is_reset", [False, True], ids=["too slow", "broken off"])
async def test_what_was_given_up_does_not_come_later(
    postgres_server: PostgresServer, schema: str, made: Made, is_reset: bool
) -> None:
    with proxied(postgres_server.port) as proxy, psycopg.connect(postgres_server.url_of(schema)) as other:
        url = postgres_server.url_of(schema).replace(f":{postgres_server.port}/", f":{proxy.port}/")
        shelf = shelf_at(url, schema, timeout_seconds=10.0 if is_reset else 0.3)
        await shelf.put({("a",): b"1"})
        other.execute("SELECT FROM records FOR UPDATE")
        putting = asyncio.create_task(shelf.put({("a",): b"2"}))
        await _until(_waiting(made, 1))
        if is_reset:
            await asyncio.to_thread(proxy.reset)
        with pytest.raises(StoreUnreachableError, match="connection was closed" if is_reset else r"within 0\.3 s"):
            await putting
        await PatientShelf(shelf, 10.0).put({("b",): b"3"})
        other.commit()
        assert await PatientShelf(shelf, 10.0).get([("a",), ("b",)]) == [b"1", b"3"]
        await shelf.close()


async def _write_on(shelf: LeasingShelf, writer: str, until: Callable[[int], bool]) -> dict[Key, bytes]:
    """Count up in a few records of *writer* until told to stop; return what was acknowledged last of each."""
    kept: dict[Key, bytes] = {}
    lease = await shelf.take(("live", writer), FIRST, 60.0)
    number = 0
    while not until(number):
        number += 1
        step: dict[Key, bytes] = {
            ("live", writer, str(number % 3)): b"%d" % number,
            ("live", writer, "all"): b"%d" % number,
        }
        await shelf.put(step, lease)
        kept |= step
        if number % 7 == 0:
            assert await shelf.delete([("live", writer, str(number % 3))], lease) == 1
            del kept["live", writer, str(number % 3)]
        assert dict(await shelf.scan(("live", writer))) == kept
    return kept


async def test_a214_what_was_acknowledged_is_there_though_connections_break(
    postgres_server: PostgresServer, schema: str
) -> None:
    with proxied(postgres_server.port, seed=7) as proxy:
        url = postgres_server.url_of(schema).replace(f":{postgres_server.port}/", f":{proxy.port}/")
        shelf = PatientShelf(shelf_at(url, schema), 10.0)
        await shelf.open()
        proxy.faults = Faults(reset_probability=0.01)
        before = proxy.connections
        kept = await asyncio.gather(*(_write_on(shelf, f"w{n}", lambda number: number == 50) for n in range(4)))
        assert proxy.connections > before
        proxy.mend()
        assert dict(await shelf.scan(())) == {key: content for each in kept for key, content in each.items()}
        await shelf.close()


async def test_a_stall_is_survived(postgres_server: PostgresServer, schema: str) -> None:
    with proxied(postgres_server.port) as proxy:
        url = postgres_server.url_of(schema).replace(f":{postgres_server.port}/", f":{proxy.port}/")
        shelf = PatientShelf(shelf_at(url, schema, timeout_seconds=0.2), 10.0)
        await shelf.open()
        await shelf.put({("a",): b"1"})
        proxy.stall(0.5)
        await shelf.put({("a",): b"2"})
        await shelf.put({("a",): b"3"})
        await asyncio.sleep(0.05)
        assert await shelf.get([("a",)]) == [b"3"]
        await shelf.close()


async def test_a_server_that_is_killed_and_comes_back_loses_nothing(own_postgres: PostgresServer) -> None:
    told: list[str] = []
    shelf = PatientShelf(shelf_at(own_postgres.url, "btk"), 20.0, on_trouble=lambda error: told.append(str(error)))
    await shelf.open()
    is_back = asyncio.Event()

    async def kill() -> None:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.to_thread(own_postgres.restart)
        is_back.set()

    kept, _ = await asyncio.gather(_write_on(shelf, "w", lambda _: is_back.is_set()), kill())
    assert dict(await shelf.scan(())) == kept
    assert told == []
    await shelf.close()
