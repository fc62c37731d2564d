import asyncio
import gc
import subprocess
import sys
import time

import pytest

from backtestkit_cli.exchange import clients
from backtestkit_cli.exchange.building import Account, made
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.retrying import Pause
from tests.exchange.sources import CANDLES, a_source, a_venue, at, venue_and_source
from tests.venue.calls import EXCHANGE_INFO
from tests.venue.server import running


def an_account(exchange_id: str = "binance", market: str = "spot", url: str | None = None) -> Account:
    return Account(exchange_id, market, url, Credentials(exchange_id.upper()))


async def test_many_pages_of_many_symbols_are_in_flight_but_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "IN_FLIGHT", 4)
    candles = {f"C{number}USDT": CANDLES for number in range(6)}
    async with venue_and_source(candles, latency_s=0.1) as (venue, source):
        other = a_source(venue)
        await asyncio.gather(
            *(one.fetch(symbol, "1m", at(0), at(1)) for symbol in candles for one in (source, other)),
        )
        await other.close()
        assert venue.most_at_once == 4


async def test_requests_keep_to_the_rate_of_the_venue(real_limiter: None) -> None:
    async with venue_and_source() as (venue, source):
        await source.fetch("BTCUSDT", "1m", at(0), at(1))
        await asyncio.gather(*(source.fetch("BTCUSDT", "1m", at(n), at(n + 1)) for n in range(20)))
        sent = [one.at_s for one in venue.candle_requests[1:]]
    assert sent[-1] - sent[0] >= 19 * 0.02 * 0.6  # 50 a second, and a busy machine


async def test_a_client_lives_as_long_as_somebody_uses_it() -> None:
    async with venue_and_source() as (venue, source):
        other = a_source(venue)
        await asyncio.gather(*(one.fetch("BTCUSDT", "1m", at(0), at(1)) for one in (source, other)))
        await source.close()
        assert len(await other.fetch("BTCUSDT", "1m", at(0), at(1))) == 1
        await other.close()
        await other.close()
        assert len(await other.fetch("BTCUSDT", "1m", at(0), at(1))) == 1  # opens again
        await other.close()
        assert len(venue.requests_of(EXCHANGE_INFO)) == 1


async def test_sources_of_two_names_share_a_client_unless_their_keys_differ() -> None:
    async with venue_and_source() as (venue, source):
        same, another = a_source(venue, name="again"), a_source(venue, name="mine", environ={"MINE_API_KEY": "k"})
        for one in (source, same, another):
            await one.fetch("BTCUSDT", "1m", at(0), at(1))
        assert len(venue.requests_of(EXCHANGE_INFO)) == 2
        await same.close()
        await another.close()


async def test_who_gives_up_waiting_for_the_markets_does_not_take_them_from_the_others() -> None:
    async with venue_and_source(latency_s=0.2) as (_, source):
        one, two = (asyncio.create_task(source.fetch("BTCUSDT", "1m", at(0), at(1))) for _ in range(2))
        await asyncio.sleep(0.1)
        one.cancel()
        assert len(await two) == 1
        with pytest.raises(asyncio.CancelledError):
            await one


def test_each_event_loop_has_its_client_and_all_share_the_markets(recwarn: pytest.WarningsRecorder) -> None:
    with running(a_venue()) as venue:
        source = a_source(venue)

        async def once() -> int:
            try:
                return len(await source.fetch("BTCUSDT", "1m", at(0), at(5)))
            finally:
                await source.close()

        async def within_another() -> int:
            await source.fetch("BTCUSDT", "1m", at(0), at(1))
            inside = await asyncio.to_thread(asyncio.run, once())
            assert len(await source.fetch("BTCUSDT", "1m", at(0), at(1))) == 1
            await source.close()
            return inside

        assert asyncio.run(once()) == 5
        assert asyncio.run(within_another()) == 5
        assert len(venue.requests_of(EXCHANGE_INFO)) == 1
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


def test_making_a_source_does_not_import_ccxt_and_closing_it_says_nothing_and_leaves_nothing_open() -> None:
    with running(a_venue()) as venue:
        code = f"""
import asyncio, sys
from tests.exchange.sources import a_source, at
async def main():
    source = a_source({venue.url!r})
    print("ccxt" in sys.modules)
    await source.fetch("BTCUSDT", "1m", at(0), at(2000))
    await source.close()
asyncio.run(main(), debug=False)
"""
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=50
        )
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "False\n")


@pytest.mark.parametrize(
    ("exchange_id", "market", "types"),
    [
        ("binance", "spot", ["spot"]),
        ("binance", "margin", ["spot"]),
        ("binance", "swap", ["linear", "inverse"]),
        ("okx", "future", ["future", "swap"]),
        ("bybit", "spot", ["spot"]),
        ("htx", "spot", {"spot": True, "linear": False, "inverse": False}),
    ],
)
def test_only_the_wanted_part_of_the_markets_is_asked_for(exchange_id: str, market: str, types: object) -> None:
    exchange = made(an_account(exchange_id, market), Pause())
    parts = exchange.options["fetchMarkets"]
    assert isinstance(parts, dict)
    assert parts["types"] == types
    assert (exchange.has["fetchCurrencies"], exchange.options["defaultType"]) == (False, market)


@pytest.mark.parametrize("exchange_id", ["binance", "bybit", "okx", "kraken", "gemini"])
def test_a_url_leads_every_request_there(exchange_id: str) -> None:
    exchange = made(an_account(exchange_id, url="http://127.0.0.1:8700/"), Pause())

    def leaves(urls: object) -> list[str]:
        return [leaf for one in urls.values() for leaf in leaves(one)] if isinstance(urls, dict) else [str(urls)]

    found = leaves(exchange.urls["api"])
    assert found
    assert all(url.startswith(("http://127.0.0.1:8700", "ws://127.0.0.1:8700")) for url in found)


async def test_a_whole_fetch_is_quick() -> None:
    async with venue_and_source() as (_, source):
        await source.fetch("BTCUSDT", "1m", at(0), at(1))
        started = time.perf_counter()
        await source.fetch("BTCUSDT", "1m", at(0), at(3_000))
        assert time.perf_counter() - started < 5
