"""`btk broker test` at the loopback exchange: what it sends, what it asks before, and how a failure ends."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import called
from tests.venue.driver import TradingVenue
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET, READER_KEY, READER_SECRET
from tests.venue.market import VenueMarket
from tests.venue.server import running
from tests.venue.tapes import demo_tapes

CONFIG = """
exchange: {kind: ccxt, id: binance, name: loopback, url: "%s", attempts: 1, timeout_seconds: 5}
"""
TEST = ("broker", "test", "BTC/USDT", "--config", "run.yaml")


@pytest.fixture(scope="module")
def exchange() -> Iterator[TradingVenue]:
    with running(TradingVenue(VenueMarket(demo_tapes(["BTCUSDT"])))) as venue:
        assert isinstance(venue, TradingVenue)
        yield venue


@pytest.fixture
def place(folder: Path, exchange: TradingVenue, monkeypatch: pytest.MonkeyPatch) -> TradingVenue:
    (folder / "run.yaml").write_text(CONFIG % exchange.url)
    keyed(monkeypatch, LOOPBACK_KEY, LOOPBACK_SECRET)
    return exchange


def keyed(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    monkeypatch.setenv("LOOPBACK_API_KEY", key)
    monkeypatch.setenv("LOOPBACK_API_SECRET", secret)


def test_a_dry_run_sends_nothing_and_needs_no_keys(place: TradingVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPBACK_API_KEY")
    before = place.book.orders
    ended = called(*TEST)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("ok   rules: BTC/USDT: at least")
    assert any(line.startswith("ok   open market: buy") and "not sent" in line for line in lines)
    assert "note: no order was sent: --send sends them" in ended.err
    assert place.book.orders == before


def test_all_steps_are_sent_and_nothing_is_left_behind(place: TradingVenue) -> None:
    ended = called(*TEST, "--send", "--yes", "--json")
    assert ended.code == 0, ended.err
    steps = json.loads(ended.out)["steps"]
    assert all(step["is_ok"] for step in steps)
    assert {"rules", "balances", "open limit", "amend limit", "close exits", "close market"} <= {
        step["name"] for step in steps
    }
    assert place.book.open_orders == ()
    assert not any(secret in ended.out + ended.err for secret in (LOOPBACK_KEY, LOOPBACK_SECRET))


def test_keys_that_may_only_read_fail_with_exit_5(place: TradingVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed(monkeypatch, READER_KEY, READER_SECRET)
    ended = called(*TEST, "--send", "--yes")
    assert ended.code == 5
    assert any(line.startswith("FAIL open limit") for line in ended.out.splitlines())
    assert "loopback: not as it should be: open limit" in ended.errors[0].removeprefix("error: ")
    assert not any(secret in ended.out + ended.err for secret in (READER_KEY, READER_SECRET))


REFUSED = {
    "yes without send": ((*TEST, "--yes"), "--yes is for --send"),
    "nobody to ask": ((*TEST, "--send"), "btk broker test --send: expected somebody to ask, found no terminal"),
    "no orders there": (("broker", "test", "BTCUSDT", "--exchange", "demo"), "exchange 'demo': takes no orders"),
    "no symbol": (("broker", "test"), "btk broker test: missing argument 'SYMBOL'"),
    "two symbols": (("broker", "test", "BTC/USDT,ETH/USDT", "--exchange", "binance"), "expected one symbol"),
    "no keys": (
        ("broker", "test", "BTC/USDT", "--exchange", "binance", "--send", "--yes"),
        "--send needs the keys of binance: expected BINANCE_API_KEY and BINANCE_API_SECRET in the environment",
    ),
}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_refused(case: str) -> None:
    arguments, words = REFUSED[case]
    ended = called(*arguments)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert words in "\n".join(ended.errors)


@pytest.mark.usefixtures("place")
def test_a_symbol_that_the_venue_does_not_have_is_named() -> None:
    ended = called("broker", "test", "XYZ/USDT", "--config", "run.yaml")
    assert ended.code == 3
    assert "XYZ/USDT" in ended.errors[0]
    assert "known: BTCUSDT" in ended.errors[0]
