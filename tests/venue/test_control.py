"""A venue in another process: it outlives its client, and is controlled over HTTP."""

import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.data.candle_files import START, a_market, write_parquet
from tests.venue.__main__ import main
from tests.venue.ccxt_client import binance_at, ccxt
from tests.venue.driver import trader
from tests.venue.remote import RemoteVenue, venue_process


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteVenue]:
    folder: Path = tmp_path_factory.mktemp("candles")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        write_parquet(folder / symbol / "1m.parquet", a_market(300))
    arguments = ["--candles", str(folder), "--now", "2025-01-01T00:10", "--still", "--deposit", "USDT=500"]
    with venue_process(*arguments, "--for", "50") as venue:
        yield venue
        venue.ask("stop")


async def test_what_one_client_did_another_finds_after_it(remote: RemoteVenue) -> None:
    async with binance_at(remote.url, **trader()) as first:
        await first.create_order("BTC/USDT", "market", "buy", 1, None, {"clientOrderId": "first"})
    async with binance_at(remote.url, **trader()) as second:
        found = await second.fetch_order(None, "BTC/USDT", {"clientOrderId": "first"})
    assert (found["status"], found["timestamp"]) == ("closed", remote.book["now_ms"])
    assert [order["client_id"] for order in remote.book["orders"]].count("first") == 1


async def test_its_clock_faults_and_account_are_controlled(remote: RemoteVenue) -> None:
    assert remote.book["now_ms"] == START + 10 * MINUTE_MS
    assert remote.advance(5 * MINUTE_MS) == START + 15 * MINUTE_MS
    assert remote.advance_to(START + 16 * MINUTE_MS) == remote.book["now_ms"]
    remote.ask("change", asset="BTC", amount="3")
    remote.ask("faults", script={"POST /api/v3/order": ["reset"]})
    async with binance_at(remote.url, **trader()) as exchange:
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.create_order("BTC/USDT", "limit", "sell", 2, 200, {"clientOrderId": "rests"})
        assert remote.ask("state")["happened"] == {"reset": 1}
        remote.ask("faults", share=0)
        assert (await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "rests"}))["status"] == "open"
        assert remote.ask("cancel", symbol="BTCUSDT") == {"did": True}
        assert (await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "rests"}))["status"] == "canceled"
        assert remote.ask("sell", symbol="BTCUSDT") == {"did": True}
        remote.ask("sockets", drop=True, skip=0)
        remote.ask("halt", symbol="ETHUSDT")
        with pytest.raises(ccxt.MarketClosed):
            await exchange.create_order("ETH/USDT", "market", "buy", 1)


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("nothing", {}),
        ("advance", {"to_ms": 1}),
        ("advance", {"minutes": 1}),
        ("faults", {"share": 1, "kinds": ["unheard of"]}),
    ],
)
def test_control_that_makes_no_sense_is_a_bad_request(remote: RemoteVenue, what: str, asked: dict[str, object]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        remote.ask(what, **asked)


def test_the_program_ends_once_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["venue", "--port", "0", "--for", "0"])
    assert main() == 0
    assert capsys.readouterr().out.endswith("0 requests; faults: none\n")
