"""What a live bot finds wrong before it trades: one clear line, the right exit code, and nothing is changed."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtestkit_cli.persistence.account_lock import AccountLock, account_of
from tests.cli.program import a_strategy, called
from tests.crash.child import KEYS
from tests.crash.lives import a_venue
from tests.markets import START_MS
from tests.venue.keys import LOOPBACK_KEY, READER_KEY, READER_SECRET
from tests.venue.remote import RemoteVenue


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteVenue]:
    with a_venue(tmp_path_factory.mktemp("market"), 1) as one:
        one.ask("skew", ms=time.time_ns() // 1_000_000 - START_MS)
        yield one


@pytest.fixture
def arguments(venue: RemoteVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    a_strategy(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    exchange = f"exchange={{kind: ccxt, id: binance, name: binance, url: '{venue.url}'}}"
    skew = "trading.max_clock_skew_seconds=60"  # of the market of a test the clock stands
    return (
        "live",
        "--yes",
        "--set",
        skew,
        "-e",
        "tiny.py",
        "-s",
        "BTCUSDT",
        "--set",
        exchange,
        "--set",
        "store.folder=state",
    )


def test_a_second_bot_on_the_account_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with AccountLock(tmp_path / "state", "live", "binance", account_of(LOOPBACK_KEY)):
        ended = called(*arguments)
    assert ended.code == 2
    assert len(ended.errors) == 1
    assert "is traded by another process already" in ended.errors[0]
    assert LOOPBACK_KEY not in ended.out + ended.err


def test_a_state_of_a_newer_version_is_refused_and_stays(arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "state/live/binance/signal/tiny/+btcusdt.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"version": 99, "record": {}}))
    ended = called(*arguments)
    assert ended.code == 3, ended.err
    assert any("newer" in line or "version" in line for line in ended.errors)
    assert json.loads(file.read_text())["version"] == 99


def test_a_symbol_that_the_venue_does_not_have_is_named(arguments: tuple[str, ...]) -> None:
    ended = called(*(one.replace("BTCUSDT", "BTXUSDT") for one in arguments))
    assert ended.code in (3, 5), ended.err
    assert "BTXUSDT" in "\n".join(ended.errors)


def test_keys_that_the_venue_does_not_take_are_named_by_their_variables_only(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", "wrong-" + READER_KEY)
    ended = called(*arguments)
    assert "the venue refused the credentials in BINANCE_API_KEY and BINANCE_API_SECRET" in ended.err
    assert "wrong-" not in ended.out + ended.err
    assert ended.code == 5


def test_keys_that_may_only_read_are_refused_before_anything_is_sent(
    arguments: tuple[str, ...], venue: RemoteVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", READER_KEY)
    monkeypatch.setenv("BINANCE_API_SECRET", READER_SECRET)
    ended = called(*arguments)
    assert (ended.code, len(ended.errors)) == (5, 1), ended.err
    assert "the keys may not trade" in ended.errors[0]
    assert READER_KEY not in ended.out + ended.err
    assert not venue.book["orders"]
