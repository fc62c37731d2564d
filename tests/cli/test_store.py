"""`btk store`: what a store holds, whether it can be read, and the same records elsewhere."""

import asyncio
import gzip
import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.persistence import holdings as holdings_module
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.persistence.holdings import Holdings, Leases, held
from backtestkit_cli.persistence.shelf import Tenant
from backtestkit_cli.persistence.tenants import this_process
from backtestkit_cli.ports import Json, Key
from tests.builders import START_MS
from tests.cli.kept_records import ODD, a_yaml, bots_left_in, everything_in, lines_of, options_of, put
from tests.cli.program import called
from tests.servers.postgres import PostgresServer
from tests.servers.process import new_name
from tests.servers.redis import PASSWORD, RedisServer
from tests.servers.s3 import S3Server

STATE = ".btk/state"
SIGNAL = "live/binance/signal/sma/BTCUSDT"


@pytest.fixture
def bots(folder: Path) -> Path:
    bots_left_in(options_of(STATE))
    return Path(STATE)


@contextmanager
def traded(options: StoreOptions, tenant: Tenant, seconds: float = 60.0) -> Iterator[None]:
    """Let *tenant* have taken the lease on live/binance for *seconds*."""

    async def change(*, takes: bool) -> None:
        async with held(options, {}) as holdings:
            for _, server in holdings.places.servers:
                await server.open()
                lease = await server.take(("live", "binance"), tenant, seconds)
                if not takes:
                    await server.give_back(lease)

    asyncio.run(change(takes=True))
    yield
    asyncio.run(change(takes=False))


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# looking


def test_a_list_counts_records_by_kind_and_changes_nothing(bots: Path) -> None:
    before = everything_below(bots)
    ended = called("store", "list")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == STATE
    cells = [line.split() for line in lines[3:]]
    assert [(row[:2], row[2:4]) for row in cells if row[0] == "live"] == [
        (["live", "binance"], [kind, count])
        for kind, count in (("portfolio", "1"), ("run", "1"), ("schedule", "1"), ("signal", "1"), ("trade", "3"))
    ]
    found = json.loads(called("store", "list", "--json", "--mode", "live", "--kind", "trade").out)
    (group,) = found["groups"]
    assert (found["store"], found["records"], group["records"], group["kind"]) == (STATE, 3, 3, "trade")
    assert group["size_bytes"] > 300
    assert abs(group["newest_ms"] - time.time() * 1000) < 60_000
    keys = called("store", "list", "--keys", "--exchange", "binance").out.splitlines()
    assert SIGNAL in keys
    assert len(keys) == 7
    assert everything_below(bots) == before


def test_records_are_shown_by_their_keys_also_odd_ones(bots: Path) -> None:
    (odd,) = called("store", "list", "--keys", "--mode", "paper", "--kind", "signal").out.splitlines()
    ended = called("store", "show", SIGNAL, odd)
    assert ended.code == 0, ended.err
    shown = json.loads(ended.out)
    assert shown[SIGNAL]["content"]["tick_ms"] == START_MS
    assert shown[odd]["exchange"] == ODD


def test_where_nothing_is_that_is_said_and_nothing_is_made(folder: Path) -> None:
    assert called("store", "list").out == f"{STATE}: no records\n"
    assert called("store", "verify").out == f"{STATE}: 0 records, 0 of them cannot be read\n"
    assert not (folder / ".btk").exists()


# what is refused

REFUSED = {
    "a mode that is none": (("list", "--mode", "paber"), 2, "--mode: unknown mode 'paber'; did you mean 'paper'?"),
    "a kind of server that is none": (
        ("list", "--store", "http://u:s3cret@h"),
        2,
        (
            "--store: unknown kind of store 'http'; known: mongodb, mongodb+srv, postgres, postgresql, redis, "
            "rediss, s3, unix"
        ),
    ),
    "a URL that is none": (
        ("list", "--store", "s3://KEY:s3cret@bucket"),
        2,
        (
            "--store: expected no keys in the URL, found some: they belong into the environment, as AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, or to a role"
        ),
    ),
    "a store of nothing": (
        ("list", "--store", " "),
        2,
        "--store: expected config, a URL, a folder or a YAML file, found nothing",
    ),
    "memory": (
        ("list", "--set", "store.kind=memory"),
        2,
        "store.kind: expected a place that outlives a process, found memory: nothing is kept there",
    ),
    "two stores": (
        ("list", "--set", "store.modes.live.folder=elsewhere"),
        2,
        "--mode: expected paper or live, as each has a store of its own in this config, found none",
    ),
    "a variable that is not set": (
        ("list", "--set", "store={kind: redis, url_env: BTK_NOWHERE}"),
        2,
        "a store of kind redis: environment BTK_NOWHERE: expected a URL, found nothing in it",
    ),
    "a key that is none": (
        ("show", "live/binance//x"),
        2,
        (
            "live/binance//x: expected names with / between them, in which all but letters, digits and -_.~ is "
            "written as %2F is for /; btk store list --keys prints them so"
        ),
    ),
    "a record that is not there": (
        ("show", "live/binance/run/x"),
        3,
        f"{STATE}/live/binance/run/x.json: there is no such record; btk store list --keys shows what there is",
    ),
    "a file that is not there": (
        ("import", "none.jsonl"),
        2,
        "none.jsonl: expected a file of btk store export, found none there",
    ),
    "a file that is none of ours": (
        ("import", "tiny.py"),
        3,
        "tiny.py:1: expected a line of JSON, found something else: input data is empty",
    ),
    "a file in a folder that cannot be": (("export", "tiny.py/a.jsonl"), 1, "tiny.py/a.jsonl: cannot be written"),
    "nothing to migrate": (
        ("migrate", "--from", ".", "--to", "config"),
        3,
        ".: expected records to copy, found none",
    ),
    "a folder to migrate that is not there": (
        ("migrate", "--from", "nowhere", "--to", "config"),
        2,
        "--from: expected config, a URL, a folder or a YAML file, found no folder 'nowhere'",
    ),
    "a folder to back up that is not there": (
        ("export", "--store", "nowhere", "backup.jsonl"),
        2,
        "--store: expected config, a URL, a folder or a YAML file, found no folder 'nowhere'",
    ),
    "a store to itself": (
        ("migrate", "--from", "config", "--to", "config"),
        2,
        "--to: expected another store than --from, found the same",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_line(case: str, folder: Path) -> None:
    arguments, code, words = REFUSED[case]
    ended = called("store", *arguments)
    assert (ended.code, ended.out) == (code, "")
    (line,) = ended.errors
    assert line.startswith(f"error: {words}")
    assert "s3cret" not in ended.err


# files


@pytest.mark.parametrize("name", ["kept.jsonl", "kept.jsonl.gz"])
def test_what_was_exported_is_imported_again(bots: Path, name: str) -> None:
    assert called("store", "export", name).out == f"{name}: 9 records\n"
    raw = Path(name).read_bytes()
    head, *_, last = (gzip.decompress(raw) if name.endswith(".gz") else raw).splitlines()
    assert (json.loads(head)["btk_store"], json.loads(head)["from"], json.loads(last)) == (1, STATE, {"records": 9})
    dry = called("store", "import", name, "--store", "other", "--dry-run")
    assert dry.out == "would import: other: 9 added\n"
    assert not Path("other").exists()
    assert called("store", "import", name, "--store", "other").out == "other: 9 added\n"
    assert everything_in(options_of("other")) == everything_in(options_of(str(bots)))
    again = json.loads(called("store", "import", name, "--store", "other", "--json").out)
    assert again == {"store": "other", "added": 0, "same": 9, "replaced": 0, "dry_run": False}


def test_a_part_is_exported_to_stdout_as_it_is_to_a_file(bots: Path) -> None:
    printed = called("store", "export", "-", "--kind", "trade", "--mode", "live")
    assert printed.code == 0
    assert called("store", "export", "part.jsonl", "--kind", "trade", "--mode", "live").code == 0
    assert [json.loads(line) for line in printed.out.splitlines()][1:] == lines_of(Path("part.jsonl"))[1:]
    assert "3 records" in printed.err


def test_a_record_that_differs_is_not_overwritten_unless_that_is_asked_for(bots: Path) -> None:
    called("store", "export", "kept.jsonl")
    there = options_of("other")
    put(there, {("live", "binance", "run"): {"another": 1}})
    ended = called("store", "import", "kept.jsonl", "--store", "other")
    place = "other/live/binance/run.json: holds another record already: 1 record of that kind in all"
    assert (ended.code, ended.errors) == (3, [f"error: {place}; --overwrite replaces them"])
    assert len(everything_in(there)) == 1
    ended = called("store", "import", "kept.jsonl", "--store", "other", "--overwrite")
    assert ended.out == "other: 8 added, 1 replaced\n"
    assert everything_in(there) == everything_in(options_of(str(bots)))


def cut_off(lines: list[bytes]) -> list[bytes]:
    return lines[:-2]


def twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], *lines[1:]]


def of_tomorrow(lines: list[bytes]) -> list[bytes]:
    return [b'{"btk_store": 2}', *lines[1:]]


def without_a_record(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], b'{"key": "a/b"}', *lines[1:]]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut_off, "kept.jsonl:7: expected the number of records at the end, found no such line: it is cut off"),
        (twice, "kept.jsonl:3: expected each key once, found 'live/binance/portfolio' again"),
        (of_tomorrow, "kept.jsonl:1: a newer btk wrote this file: expected version 1, found 2"),
        (without_a_record, "kept.jsonl:2: expected a key and a record, found something else"),
        (lambda lines: lines[1:], "kept.jsonl:1: expected a file of btk store export, found another one"),
    ],
)
def test_of_a_damaged_file_nothing_is_imported(
    bots: Path,
    damage: Callable[[list[bytes]], list[bytes]],
    told: str,
) -> None:
    called("store", "export", "kept.jsonl", "--mode", "live")
    file = Path("kept.jsonl")
    file.write_bytes(b"\n".join(damage(file.read_bytes().splitlines())))
    ended = called("store", "import", "kept.jsonl", "--store", "other")
    assert (ended.code, ended.errors) == (3, [f"error: {told}"])
    assert not Path("other").exists()


def test_a_cut_off_archive_is_named(bots: Path) -> None:
    called("store", "export", "kept.jsonl.gz")
    file = Path("kept.jsonl.gz")
    file.write_bytes(file.read_bytes()[:-20])
    ended = called("store", "import", "kept.jsonl.gz", "--store", "other")
    assert ended.code == 3
    assert "kept.jsonl.gz: cannot be read" in ended.errors[0]


def test_nothing_is_imported_where_a_bot_trades(bots: Path, redis_server: RedisServer) -> None:
    called("store", "export", "kept.jsonl")
    before = everything_in(options_of(str(bots)))
    with AccountLock(bots, "live", "binance", "x"):
        ended = called("store", "import", "kept.jsonl", "--overwrite")
    assert ended.code == 2
    assert f"live on 'binance', account x, is traded (pid {os.getpid()} on {platform.node()}, since" in ended.errors[0]
    assert everything_in(options_of(str(bots))) == before
    there = options_of(redis_server.url, new_name())
    config = a_yaml("redis.yaml", redis_server.url, there.place.prefix)
    with traded(there, Tenant("x", 4711, "elsewhere", START_MS)):
        ended = called("store", "import", "kept.jsonl", "--store", config)
    assert ended.code == 2
    assert "live on 'binance', account x, is traded (pid 4711 on elsewhere, since" in ended.errors[0]
    assert PASSWORD not in ended.err
    assert everything_in(there) == {}
    assert called("store", "import", "kept.jsonl", "--store", config).code == 0
    assert everything_in(there) == before


# other stores


def test_records_go_from_files_to_redis_to_postgres_and_back(
    bots: Path, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    before, files = everything_in(options_of(str(bots))), everything_below(bots)
    redis = a_yaml("redis.yaml", redis_server.url, new_name())
    postgres = a_yaml("postgres.yaml", postgres_server.url, new_name())
    for source, target in ((STATE, redis), (redis, postgres), (postgres, "back")):
        ended = called("store", "migrate", "--from", source, "--to", target)
        assert ended.code == 0, ended.err
        assert ended.out.endswith(": 9 records written; all read back the same\n")
    assert everything_in(options_of("back")) == before
    assert everything_below(bots) == files
    again = json.loads(called("store", "migrate", "--from", redis, "--to", postgres, "--json").out)
    assert (again["written"], again["same"]) == (0, 9)
    verified = called("store", "verify", "--store", postgres)
    assert verified.code == 0, verified.err
    with traded(options_of(redis_server.url, "any"), this_process("x", START_MS)):
        pass  # another prefix is another store
    assert called("store", "migrate", "--from", redis, "--to", "config").code == 0


def killed_at_batch(number: int, *arguments: str) -> bool:
    """Run `btk` in a process that writes ten records at a time and is killed instead of the batch *number*."""
    child = os.fork()  # a start of Python costs a second
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = iter(range(number - 1))
    put_all = Holdings.put

    async def put_or_die(holdings: Holdings, records: Mapping[Key, Json], leases: Leases) -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        await put_all(holdings, records, leases)

    with patch.object(Holdings, "put", put_or_die), patch.object(holdings_module, "BATCH", 10):
        called(*arguments)
    os._exit(0)


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_what_was_killed_in_the_midst_is_begun_again(kind: str, folder: Path, redis_server: RedisServer) -> None:
    trades = ("live", "binance", "trade", "sma")
    records: dict[Key, Json] = {(*trades, f"T{number}"): {"number": number} for number in range(50)}
    there = options_of("old" if kind == "redis" else redis_server.url, new_name())
    new = options_of("new" if kind == "file" else redis_server.url, new_name())
    put(there, records)
    source, target = (
        one.place.folder if one.place.url is None else a_yaml(f"{at}.yaml", one.place.url, one.place.prefix)
        for at, one in enumerate((there, new))
    )
    arguments = ("store", "migrate", "--from", source, "--to", target, "--json")
    assert killed_at_batch(3, *arguments)
    assert len(everything_in(new)) == 20
    ended = called(*arguments)
    assert ended.code == 0, ended.err
    done = json.loads(ended.out)
    assert (done["same"], done["written"]) == (20, 30)
    assert everything_in(new) == everything_in(there) == records


def test_kinds_and_modes_have_places_of_their_own(bots: Path, redis_server: RedisServer) -> None:
    """A106, A109: what is kept elsewhere is only there."""
    risks = options_of(redis_server.url, new_name())
    place = f"{{kind: redis, url: '{redis_server.url}', prefix: {risks.place.prefix}}}"
    Path("mixed.yaml").write_text(f"store: {{folder: rest, kinds: {{run: {place}, portfolio: {place}}}}}")
    assert called("store", "migrate", "--from", STATE, "--to", "mixed.yaml").code == 0
    assert set(everything_in(risks)) == {("live", "binance", "run"), ("live", "binance", "portfolio")}
    assert not {"run", "portfolio"} & {key[2] for key in everything_in(options_of("rest"))}
    assert called("store", "migrate", "--from", "mixed.yaml", "--to", "back").code == 0
    assert everything_in(options_of("back")) == everything_in(options_of(str(bots)))
    modes = ("--set", "store.modes.paper.folder=back")
    assert called("store", "list", *modes, "--mode", "paper").out.startswith("back\n")
    assert called("store", "list", *modes, "--mode", "live").out.startswith(f"{STATE}\n")
    assert len(json.loads(called("status", "--json", *modes).out)["bots"]) == 2


@pytest.mark.parametrize("by", ["flag", "file"])
def test_a_run_writes_and_shows_no_password_of_a_store(by: str, folder: Path) -> None:
    url = "redis://bot:s3cret/of@it@cache.example.org:6379"
    place = f"{{kind: redis, url: '{url.replace('/of', '%2Fof')}'}}"
    arguments = ["--set", f"store.cache={place}"]
    if by == "file":
        config = folder.parent / f"{folder.name}.yaml"  # what is grepped is what is written
        config.write_text(f"store: {{cache: {place}}}")
        arguments = ["-c", str(config)]
    hours = ("--from", "2025-05-04", "--to", "2025-05-04T06:00")
    ran = called("paper", "-e", "tiny.py", "-s", "BTCUSDT", "--replay", *hours, *arguments)
    assert ran.code == 0, ran.err
    shown = called("check", "config", *arguments)
    written = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert any(b"bot:***@cache.example.org" in content for content in written)
    assert "bot:***@cache.example.org" in shown.out
    assert not [text for text in (ran.out, ran.err, shown.out, shown.err) if "s3cret" in text]
    assert not [content for content in written if b"s3cret" in content]


def test_a_migration_mixes_nothing(bots: Path) -> None:
    other = options_of("other")
    put(other, {("live", "binance", "run"): {"another": 1}})
    ended = called("store", "migrate", "--from", STATE, "--to", "other")
    place = "other/live/binance/run.json: holds another record already: 1 record of that kind in all"
    assert (ended.code, ended.errors) == (3, [f"error: {place}"])
    put(options_of("third"), {("live", "binance", "job"): {"a": 1}, ("live", "kraken", "job"): {"a": 1}})
    ended = called("store", "migrate", "--from", STATE, "--to", "third")
    assert ended.code == 3
    (line,) = ended.errors
    assert line.startswith("error: third/live/binance/job.json: holds a record that the source has not: 1 record of")
    (bots / "live/binance/run.json").write_text("{")
    ended = called("store", "migrate", "--from", STATE, "--to", "fourth")
    assert ended.code == 3
    assert "run.json: the record is no JSON" in ended.errors[0]
    assert ended.errors[0].endswith("btk store verify lists what cannot be read")
    assert everything_in(options_of("fourth")) == {}


def test_nothing_is_migrated_while_a_bot_trades_on_either_side(bots: Path) -> None:
    bots_left_in(options_of("other"))
    for source, target in ((STATE, "third"), ("other", STATE)):
        with AccountLock(bots, "live", "binance", "x"):
            ended = called("store", "migrate", "--from", source, "--to", target)
        assert ended.code == 2
        assert ended.errors[0].startswith(f"error: {STATE}: live on 'binance', account x, is traded")
        assert ended.errors[0].endswith("stop that one first")
    assert not Path("third").exists()


def test_in_s3_a_lease_that_nobody_renews_is_waited_for(
    bots: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    url = f"s3://{s3_server.new_bucket()}"
    target = Path(a_yaml("s3.yaml", url))
    target.write_text(target.read_text() + "  lease_seconds: 1\n")
    arguments = ("store", "migrate", "--from", STATE, "--to", "s3.yaml")
    with traded(options_of(url), Tenant("x", 4711, "elsewhere", START_MS), seconds=60.0):
        ended = called(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert "is traded (pid 4711 on elsewhere" in ended.errors[0]
    with traded(options_of(url), Tenant("x", 4711, "elsewhere", START_MS), seconds=0.3):
        assert called(*arguments).code == 0
        assert everything_in(options_of(url)) == everything_in(options_of(str(bots)))


# whether it can be read


def test_a_sound_store_is_verified_and_who_trades_is_told(bots: Path) -> None:
    with AccountLock(bots, "live", "binance", "x"):
        ended = called("store", "verify")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(
        f"{STATE}: 9 records, 0 of them cannot be read\nlive on 'binance', account x, is traded"
    )


def test_what_cannot_be_read_is_listed_and_left_as_it_is(bots: Path) -> None:
    def changed(name: str, change: Callable[[str], str]) -> None:
        file = bots / "live/binance" / name
        file.write_text(change(file.read_text()))

    changed("run.json", lambda text: text[:20])
    changed("portfolio.json", lambda text: text.replace("peak_equity", "peak_equality"))
    changed("signal/sma/+btcusdt.json", lambda text: text.replace('"strategy":"sma"', '"strategy":"ema"'))
    changed("trade/sma/+btcusdt/1000.json", lambda text: text.replace('"version":1,"record"', '"version":9,"record"'))
    changed("trade/sma/+btcusdt/1001.json", lambda text: text.replace('"side":"long"', '"side":"wide"'))
    (bots / "live/binance/job.json.corrupt-1").write_text("x")
    before = everything_below(bots)
    ended = called("store", "verify", "--json")
    assert ended.code == 3
    told = json.loads(ended.out)
    assert (told["records"], told["exit_code"], told["set_aside"]) == (
        9, 3, [f"{STATE}/live/binance/job.json.corrupt-1"],
    )  # fmt: skip
    assert {one["key"]: one["problem"] for one in told["problems"]} == {
        "live/binance/portfolio": "newer or foreign",
        "live/binance/run": "damaged",
        SIGNAL: "newer or foreign",
        "live/binance/trade/sma/BTCUSDT/1000": "newer or foreign",
        "live/binance/trade/sma/BTCUSDT/1001": "damaged",
    }
    shown = called("store", "verify")
    assert shown.code == 3
    assert shown.out == f"{STATE}: 9 records, 5 of them cannot be read\n"
    assert len(shown.errors) == 5
    assert "strategy: expected 'sma', found 'ema'" in shown.err
    assert everything_below(bots) == before


def test_a_server_is_looked_at_as_files_are(folder: Path, redis_server: RedisServer) -> None:
    there = options_of(redis_server.url, new_name())
    bots_left_in(there)
    a_yaml("redis.yaml", redis_server.url, there.place.prefix)
    config = ("-c", "redis.yaml")
    with traded(there, Tenant("x", 4711, "elsewhere", START_MS)):
        told = [
            called(*command, *config) for command in (("store", "verify"), ("status",), ("doctor",), ("store", "list"))
        ]
        document = json.loads(called("status", "--json", *config).out)
    verified, status, doctor, listed = told
    assert [one.code for one in told] == [0, 0, 0, 0], told
    assert "live on 'binance', account x, is traded (pid 4711 on elsewhere" in verified.out
    assert "live on binance: running on elsewhere (pid 4711, since" in status.out
    assert "long" in status.out
    assert document["bots"][0]["is_running"]
    assert "ms to write a record, redis" in doctor.out
    assert "9 records in all, version 1" in doctor.out
    assert "live on binance, account x: in use by pid 4711 on elsewhere" in doctor.out
    assert "trade" in listed.out
    assert not [one for one in told if PASSWORD in one.out + one.err]


def test_a_server_that_cannot_be_reached_or_entered_is_one_line(folder: Path, redis_server: RedisServer) -> None:
    nowhere = a_yaml("nowhere.yaml", "redis://:s3cret@127.0.0.1:9")
    stranger = a_yaml("stranger.yaml", redis_server.url.replace(PASSWORD, "s3cret-of-another"))
    for config in (nowhere, stranger):
        for command in (("store", "list"), ("status",), ("store", "verify")):
            ended = called(*command, "-c", config)
            assert (ended.code, ended.out, len(ended.errors)) == (3, "", 1), ended
            assert "redis://127.0.0.1" in ended.err
            assert "s3cret" not in ended.err
        assert called("doctor", "-c", config).code == 3
