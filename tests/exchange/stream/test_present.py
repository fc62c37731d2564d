"""The newest minutes by requests, as a run on the wall clock asks for them: without a cache, every minute."""

import asyncio
from typing import Any

import pytest

from backtestkit_cli.errors import VenueError
from backtestkit_cli.exchange import clients
from backtestkit_cli.exchange.retrying import Retry
from tests.data.candle_files import bytes_of, without
from tests.exchange.sources import CANDLES, NOW, a_source, at, venue_and_source
from tests.exchange.stream.listeners import a_streaming_venue
from tests.venue.calls import KLINES
from tests.venue.faults import RESET, Faults

ONCE = Retry(attempts=1, first_wait_seconds=0.01, max_wait_seconds=0.01, timeout_seconds=5)


async def test_the_candle_that_forms_by_the_clock_of_the_venue_is_left_out_though_ours_is_ahead() -> None:
    ahead = NOW + 2_000  # ours says that the minute is over, by the venue's it has 3 seconds to go
    async with venue_and_source(now=NOW - 3_000, source={"now": ahead}) as (_, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(2_997), ahead)
    assert bytes_of(fetched) == bytes_of(CANDLES.slice(2_997, 2_999))


async def test_a_candle_that_is_late_is_absent_from_an_answer_and_there_in_the_next() -> None:
    async with venue_and_source(lag_ms=60_500) as (venue, source):
        assert len(await source.fetch("BTCUSDT", "1m", at(2_999), NOW)) == 0
        venue.market.lag_ms = 0
        assert bytes_of(await source.fetch("BTCUSDT", "1m", at(2_999), NOW)) == bytes_of(CANDLES.slice(2_999, 3_000))


async def test_a_minute_without_a_candle_is_an_answer_and_a_venue_out_of_reach_an_error() -> None:
    is_out_of_reach = False
    faults = Faults(lambda _, path: RESET if is_out_of_reach and path == KLINES else None)
    async with venue_and_source(without(CANDLES, 2_998), source={"retry": ONCE}, faults=faults) as (_, source):
        answered = await source.fetch("BTCUSDT", "1m", at(2_997), NOW)
        assert answered.timestamp.tolist() == [at(2_997), at(2_999)]
        assert len(await source.fetch("BTCUSDT", "1m", at(2_998), at(2_999))) == 0
        is_out_of_reach = True
        with pytest.raises(VenueError, match="no answer after 1 attempt"):
            await source.fetch("BTCUSDT", "1m", at(2_998), at(2_999))


async def test_ten_symbols_share_one_limiter_and_its_connections() -> None:
    """A197, A198: the venue refuses nothing, and the requests of all symbols come through few sockets."""
    symbols = [f"C{number}USDT" for number in range(10)]
    async with a_streaming_venue(dict.fromkeys(symbols, CANDLES)) as venue:
        sources = [a_source(venue), a_source(venue, name="again")]
        await sources[0].listings_of(symbols)
        await sources[1].listings_of(symbols)
        (client,) = next(iter(clients._CLIENTS.values())).values()
        limiter: Any = client.exchange
        limiter.throttler.config["refillRate"] = 1 / 25  # a request for candles costs 0.4: one every 10 ms
        for minute in (2_997, 2_998, 2_999):
            asked = [(sources[n % 2], symbol) for n, symbol in enumerate(symbols)]
            found = await asyncio.gather(*(one.fetch(s, "1m", at(minute), at(minute + 1)) for one, s in asked))
            assert [len(candles) for candles in found] == [1] * 10
        for source in sources:
            await source.close()
        sent = [one.at_s for one in venue.candle_requests]
        assert {one.status for one in venue.requests} == {200}
    assert len(sent) == 30
    assert sent[-1] - sent[0] >= 29 * 0.01 * 0.6
    assert len(venue.peers) <= clients.IN_FLIGHT


@pytest.mark.parametrize("skew_ms", [-3_600_000, -1_500, 0, 2_000])
async def test_the_clock_of_the_venue_is_read_with_half_of_the_way_taken_off(skew_ms: int) -> None:
    ticks = iter(range(NOW + 7, NOW + 10**6, 40))  # each look at our clock comes 40 ms later
    async with venue_and_source(now=NOW + skew_ms) as (venue, source):
        await source.listings_of(["BTCUSDT"])
        source._asker = source._asker._replace(now_ms=lambda: next(ticks))
        reading = await source.read_clock()
        assert len(venue.requests_of("/api/v3/time")) == 3
    assert reading.round_trip_ms == 40
    assert abs(reading.skew_ms - skew_ms) <= 500 + 400
    assert reading.venue_ms == NOW + skew_ms + (500 if reading.is_coarse else 0)


async def test_a_venue_that_has_no_clock_to_ask_is_read_by_the_date_of_its_answers() -> None:
    async with venue_and_source(now=NOW - 90_000) as (_, source):
        await source.listings_of(["BTCUSDT"])
        (client,) = next(iter(clients._CLIENTS.values())).values()
        client.exchange.has["fetchTime"] = False
        assert abs(await source.clock_skew_ms() + 90_000) <= 500
        assert (await source.read_clock()).is_coarse


async def test_a_clock_out_of_reach_is_an_error() -> None:
    source = a_source("http://127.0.0.1:9", retry=ONCE)
    with pytest.raises(VenueError):
        await source.clock_skew_ms()
    await source.close()
