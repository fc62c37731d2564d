"""What a config says of stores: places by kind, by kind of record and by mode, and no secret of theirs anywhere."""

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.secrets import without_secrets
from backtestkit_cli.config.snapshot import from_snapshot, snapshot_of
from backtestkit_cli.domain.stores import (
    SCHEMES,
    PlaceOptions,
    StoreKind,
    StoreOptions,
    shown_url,
    url_of,
    url_problem,
)
from backtestkit_cli.errors import ConfigError
from tests.config.sources import load, problems

SECTION = """
store:
  kind: postgres
  url: postgresql://bot:s3cret@db/btk
  prefix: desk_1
  pool_size: 8
  lease_seconds: 1e1
  cache: {kind: redis, url_env: CACHE}
  kinds:
    risk: {kind: redis, url_env: RISKS, schedule_ttl_seconds: 60}
  modes:
    paper: {kind: file, folder: states/paper}
    backtest: {kind: memory}
"""
POSTGRES = PlaceOptions(kind=StoreKind.POSTGRES, url="postgresql://bot:s3cret@db/btk", prefix="desk_1", pool_size=8)
LIVE = StoreOptions(
    place=POSTGRES,
    kinds={"risk": PlaceOptions(kind=StoreKind.REDIS, url_env="RISKS", schedule_ttl_seconds=60.0)},
    cache=PlaceOptions(kind=StoreKind.REDIS, url_env="CACHE"),
    lease_seconds=10.0,
)


def test_a_mode_has_the_store_of_its_section_or_that_of_all() -> None:
    """A106, A109: kinds of records and modes may be kept elsewhere."""
    store = load(SECTION).config.store
    assert store.of("live") == LIVE
    assert store.of("paper") == StoreOptions(place=PlaceOptions(folder="states/paper"))
    assert store.of("backtest") == StoreOptions(place=PlaceOptions(kind=StoreKind.MEMORY))
    assert load("store:\n").config.store.of("live") == load().config.store.of("paper") == StoreOptions()
    assert load("store: {kinds: , modes: , cache: }").config.store.of("live") == StoreOptions()


def test_sets_and_variables_reach_every_part() -> None:
    loaded = load(
        SECTION,
        sets=[
            "store.kinds.job.kind=memory",
            "store.modes.paper.kind=redis",
            "store.modes.paper.folder=null",
            "store.modes.paper.url=redis://h",
            "store.modes.live={kind: mongo, url_env: M}",
            "store.modes.live.kinds.risk.kind=s3",
            "store.modes.live.kinds.risk.url=s3://bucket/bots",
            "store.cache.pool_size=2",
        ],
        environ={"CC_STORE_URL": "postgres://elsewhere/db", "CC_STORE_LEASE_SECONDS": "5"},
    )
    store = loaded.config.store
    assert store.kinds["job"].kind is StoreKind.MEMORY
    assert store.of("paper").place == PlaceOptions(kind=StoreKind.REDIS, url="redis://h")
    assert store.of("live").place == PlaceOptions(kind=StoreKind.MONGO, url_env="M")
    assert store.of("live").kinds["risk"] == PlaceOptions(kind=StoreKind.S3, url="s3://bucket/bots")
    assert store.cache == PlaceOptions(kind=StoreKind.REDIS, url_env="CACHE", pool_size=2)
    assert (store.url, store.lease_seconds) == ("postgres://elsewhere/db", 5.0)
    rows = {key: (value, origin) for key, value, origin in describe(loaded)}
    assert rows["store.kinds.job.kind"] == ("memory", "flag --set")
    assert rows["store.url"] == ("postgres://elsewhere/db", "environment CC_STORE_URL")
    assert rows["store.prefix"] == ("desk_1", "configs/run.yaml:5")
    assert "store.folder" not in rows  # is no key of that kind
    assert load(environ={"CC_STORE_KIND": "redis", "CC_STORE_URL_ENV": "R"}).config.store.of("live") == StoreOptions(
        place=PlaceOptions(kind=StoreKind.REDIS, url_env="R")
    )


def test_homes_are_spelled_out_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    store = load("store: {modes: {paper: {folder: ~/a, kinds: {risk: {folder: ~/b}}}}}").config.store.of("paper")
    assert (store.place.folder, store.kinds["risk"].folder) == ("/home/somebody/a", "/home/somebody/b")


KINDS = "file, memory, redis, postgres, mongo, s3 or custom"
TOGETHER = "expected signal, schedule and trade at one place, as one step changes them all, found another place for"
WRONG = {
    "{kind: reddis}": f"store.kind: expected {KINDS}, found 'reddis'; did you mean 'redis'?",
    "postgres": "store: expected a mapping with kind, found 'postgres'",
    "postgresql://u:s3cret@h/db": "store: expected a mapping with kind, found 'postgresql://u:***@h/db'",
    "{kind: redis}": "store: expected either url or url_env for kind redis, found neither",
    "{kind: redis, url: redis://h, url_env: A}": "store: expected either url or url_env for kind redis, found both",
    "{kind: redis, url: redis://h, folder: a}": "store.folder: is for kind file, found kind redis",
    "{kind: file, url: 'redis://:s3cret@h'}": (
        "store.url: is for kind redis, postgres, mongo, s3 or custom, found kind file"
    ),
    "{kind: custom, url: 'x://h'}": (
        "store.factory: expected module:name such as my_package.stores:MyShelf, found nothing"
    ),
    "{kind: mongo, url_env: A, schedule_ttl_seconds: 5}": (
        "store.schedule_ttl_seconds: is for kind redis, found kind mongo"
    ),
    "{kind: redis, url: 'mongodb://u:s3cret@h'}": (
        "store.url: expected a URL that begins with redis://, rediss:// or unix://, found mongodb:// for kind redis"
    ),
    "{kind: postgres, url: 'u:s3cret@h'}": (
        "store.url: expected a URL that begins with postgresql:// or postgres://, found no :// for kind postgres"
    ),
    "{kind: s3, url: 's3://KEY:s3cret@bucket'}": (
        "store.url: expected no keys in the URL, found some: they belong into the environment, as AWS_ACCESS_KEY_ID "
        "and AWS_SECRET_ACCESS_KEY, or to a role"
    ),
    "{kind: s3, url: 's3://bucket?secret_access_key=s3cret'}": (
        "store.url: expected no keys in the URL, found some: they belong into the environment, as AWS_ACCESS_KEY_ID "
        "and AWS_SECRET_ACCESS_KEY, or to a role"
    ),
    "{kind: s3, url: 's3:///'}": "store.url: expected a bucket after s3://, found nothing",
    "{kind: redis, url: 'redis://u:s3cret/x@h:1'}": (
        "store.url: expected host:port, found no port: write a / or : of a password as %2F or %3A"
    ),
    "{kind: redis, url: 'redis://h h'}": (
        "store.url: expected a URL without blanks and control characters, found one of them"
    ),
    "{kind: redis, url_env: 'redis://:s3cret@h'}": (
        "store.url_env: expected the name of an environment variable such as BTK_STORE_URL, found something else"
    ),
    "{kind: redis, url_env: A, prefix: a/b}": (
        "store.prefix: expected a letter and up to 39 more of letters, digits, - and _, found 'a/b'"
    ),
    "{kind: redis, url_env: A, pool_size: 0}": "store.pool_size: expected a whole number from 1 to 100, found 0",
    "{kind: redis, url_env: A, password: s3cret}": (
        "store.password: does not belong in a config: put the URL into an environment variable, and name that as "
        "url_env"
    ),
    "{lease_seconds: 0}": "store.lease_seconds: expected a number from 1 to 3,600, found 0",
    "{folders: a}": "store.folders: unknown key; did you mean 'folder' or 'modes'?",
    "{strategies: {a: {kind: redis}}}": (
        "store.strategies: there is one store for all strategies; `kinds:` keeps kinds of records elsewhere, "
        "`modes:` whole modes"
    ),
    "{cache: {kind: file}}": "store.cache.kind: expected redis, found 'file'",
    "{cache: redis}": "store.cache: expected a mapping with kind, found 'redis'",
    "{cache: {kind: redis, url_env: A, lease_seconds: 5}}": (
        "store.cache.lease_seconds: unknown key; did you mean 'patience_seconds' or 'schedule_ttl_seconds' or "
        "'timeout_seconds'?"
    ),
    "{kinds: redis}": "store.kinds: expected a mapping from kinds of records to places, found 'redis'",
    "{kinds: {risk: redis}}": "store.kinds.risk: expected a mapping with kind, found 'redis'",
    "{kinds: {risks: {folder: a}}}": "store.kinds.risks: unknown kind of record; did you mean 'risk'?",
    "{kinds: {risk: {kind: redis}}}": (
        "store.kinds.risk: expected either url or url_env for kind redis, found neither"
    ),
    "{kinds: {signal: {folder: a}}}": f"store.kinds.signal: {TOGETHER} signal than for the others",
    "{kinds: {signal: {folder: a}, schedule: {folder: a}, trade: {folder: b}}}": (
        f"store.kinds.signal: {TOGETHER} signal than for the others"
    ),
    "{modes: paper}": "store.modes: expected a mapping from modes to stores, found 'paper'",
    "{modes: {papper: {kind: file}}}": "store.modes.papper: unknown mode; did you mean 'paper'?",
    "{modes: {paper: {kind: mongo}}}": (
        "store.modes.paper: expected either url or url_env for kind mongo, found neither"
    ),
    "{modes: {paper: {modes: {}}}}": "store.modes.paper.modes: a store of one mode has no modes of its own",
    "{modes: {backtest: {kind: file}}}": (
        "store.modes.backtest.kind: expected memory, as a backtest keeps nothing, found 'file'"
    ),
    "{modes: {live: {kind: memory}}}": (
        "store.modes.live.kind: expected a place that outlives the process, as orders are real, found memory"
    ),
    "{modes: {live: {kinds: {risk: {kind: memory}}}}}": (
        "store.modes.live.kinds.risk.kind: expected a place that outlives the process, as orders are real, found memory"
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_one_line_with_its_place_and_without_secrets(text: str) -> None:
    """A108 among them: stores of single strategies are refused."""
    assert problems(f"# a comment\nstore: {text}\n") == [f"configs/run.yaml:2: {WRONG[text]}"]
    assert "s3cret" not in WRONG[text]


def test_several_mistakes_are_told_at_once_each_with_its_line() -> None:
    text = "store:\n  kind: redis\n  url: http://h\n  folder: a\n  prefix: 1\n"
    begin = "expected a URL that begins with redis://, rediss:// or unix://"
    assert problems(text) == [
        f"configs/run.yaml:3: store.url: {begin}, found http:// for kind redis",
        "configs/run.yaml:4: store.folder: is for kind file, found kind redis",
        "configs/run.yaml:5: store.prefix: expected a letter and up to 39 more of letters, digits, - and _, found 1",
    ]


def test_records_that_change_together_may_move_together() -> None:
    place = "{kind: redis, url_env: A}"
    store = load(f"store: {{kinds: {{signal: {place}, schedule: {place}, trade: {place}}}}}").config.store
    assert {one.kind for one in store.kinds.values()} == {StoreKind.REDIS}


URLS = (
    "postgresql://bot:s3cret@db/btk",
    "postgresql://bot:s3cret/@s3cret@db/btk?sslmode=require",
    "postgresql://db/btk?user=bot&password=s3cret&sslmode=require",
    "mongodb+srv://bot:s3cret@a.example.org,b.example.org/btk",
    "redis://:s3cret@h:6379/0",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("place", ["store", "store.cache", "store.modes.live.kinds.risk"])
def test_a_password_is_in_nothing_that_is_shown_or_kept(url: str, place: str) -> None:
    kind = next(kind for kind, schemes in SCHEMES.items() if url.partition("://")[0] in schemes)
    if place == "store.cache" and kind is not StoreKind.REDIS:
        return
    by_parts = (f"{place}.kind={kind}", f"{place}.url={url}")
    for sets in (by_parts, (f"{place}={{kind: {kind}, url: '{url}'}}",)):
        loaded = load(sets=sets)
        told = [
            json.dumps(snapshot_of(loaded)),
            str(describe(loaded)),
            repr(loaded.config),
            repr(loaded.config.store.of("live")),
        ]
        told += map(without_secrets, sets)
        assert not [one for one in told if "s3cret" in one]
        assert shown_url(url) in told[1]
        assert from_snapshot(json.loads(told[0]), where="run", now=loaded).config == loaded.config
        again = from_snapshot(json.loads(told[0]), where="run").config.store  # where the file is gone
        assert shown_url(url) in str([asdict(again.of("live")), asdict(again)])


def test_a_snapshot_gives_the_same_store_again() -> None:
    loaded = load(SECTION.replace("bot:s3cret@", ""))
    again = from_snapshot(json.loads(json.dumps(snapshot_of(loaded))), where="run").config
    assert again.store == loaded.config.store


SHOWN = {
    "postgresql://user:s3cret@host/db": "postgresql://user:***@host/db",
    "postgresql://user:a/b?c#d@e:f@host:5432/db": "postgresql://user:***@host:5432/db",
    "redis://:s3cret@host": "redis://:***@host",
    "redis://host:6379/1": "redis://host:6379/1",
    "mongodb://user@a,b/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret&w=1": (
        "mongodb://user@a,b/?authMechanismProperties=***&w=1"
    ),
    "s3://bucket/folder?region=eu": "s3://bucket/folder?region=eu",
    "s3://bucket?sse_kms_key_id=alias/a": "s3://bucket?sse_kms_key_id=***",
    "s3cret": "***",
}


@pytest.mark.parametrize("url", SHOWN)
def test_a_url_is_shown_without_its_password(url: str) -> None:
    assert shown_url(url) == SHOWN[url]
    assert shown_url(shown_url(url)) == shown_url(url)


@given(st.sampled_from(sorted(StoreKind)), st.text(min_size=1), st.text(min_size=1))
def test_no_url_repeats_its_password(kind: StoreKind, user: str, password: str) -> None:
    secret = f"<{password}>"
    for scheme in SCHEMES.get(kind, ("http",)):
        url = f"{scheme}://{user.replace(':', '')}:{secret}@host/name"
        assert secret not in shown_url(url)
        assert kind not in SCHEMES or secret not in url_problem(kind, url)


def test_a_key_that_encrypts_is_none_that_opens() -> None:
    assert url_problem(StoreKind.S3, "s3://bucket?sse_kms_key_id=alias/a") == ""


def test_a_url_is_that_of_the_config_or_of_the_variable_it_names() -> None:
    def found(environ: dict[str, str], **place: Any) -> str:
        return url_of(PlaceOptions(kind=StoreKind.REDIS, **place), environ)

    begin = "expected a URL that begins with redis://, rediss:// or unix://"
    assert found({}, url="redis://a") == "redis://a"
    assert found({"R": " redis://b "}, url_env="R") == "redis://b"
    for environ, problem in (
        ({}, "environment R: expected a URL, found nothing in it"),
        ({"R": ""}, "environment R: expected a URL, found nothing in it"),
        ({"R": "postgres://u:s3cret@h"}, f"environment R: {begin}, found postgres:// for kind redis"),
    ):
        with pytest.raises(ConfigError) as caught:
            found(environ, url_env="R")
        assert str(caught.value) == f"a store of kind redis: {problem}"
