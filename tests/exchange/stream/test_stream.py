import asyncio
import gc
import logging
import math
from random import Random

import pytest

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.exchange.listening import Timing
from tests.data.candle_files import a_market
from tests.exchange.sources import NOW, a_source
from tests.exchange.stream.listeners import BTC, ETH, HASTY, Listener, a_streaming_venue, listening, stream_of, until

COMING = a_market(20, start=NOW)
FORMING = Candle(NOW, 100.0, 101.0, 99.0, 100.5, 1.0)


async def test_each_closed_candle_is_told_once_and_the_forming_one_never() -> None:
    async with listening() as (venue, stream, listener):
        await venue.push("BTCUSDT", FORMING)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await venue.push("BTCUSDT", COMING[1])
        await venue.push("BTCUSDT", COMING[1], is_closed=True)
        await venue.push("BTCUSDT", COMING[2])
        await until(lambda: len(listener.candles) == 2)
        assert stream.connected
        assert stream.last_message_ms == NOW
    assert listener.candles == [("BTCUSDT", COMING[0]), ("BTCUSDT", COMING[1])]
    assert listener.states == [(True, "candles arrive")]


async def test_a_newer_candle_closes_the_one_before_where_the_venue_does_not_say_it() -> None:
    async with listening() as (venue, _, listener):
        for row in (0, 1, 2, 4):
            await venue.push("BTCUSDT", COMING[row], is_closed=None)
        await until(lambda: len(listener.candles) == 2)
    assert listener.candles == [("BTCUSDT", COMING[1]), ("BTCUSDT", COMING[2])]  # of the first one the start is unknown


async def test_what_a_venue_that_says_it_has_not_called_closed_is_not_told_though_a_newer_candle_has_begun() -> None:
    async with listening() as (venue, _, listener):
        for row in (0, 1, 2):
            await venue.push("BTCUSDT", COMING[row])  # the closing word of each one is lost
        await venue.push("BTCUSDT", COMING[3], is_closed=True)
        await until(lambda: bool(listener.candles))
    assert listener.candles == [("BTCUSDT", COMING[3])]


async def test_many_symbols_share_a_connection_and_keep_the_spelling_of_who_asked() -> None:
    async with listening(("BTC/USDT", "ETHUSDT")) as (venue, _, listener):
        await asyncio.wait_for(venue.subscribed(BTC, ETH), 5)
        await asyncio.gather(
            venue.push("BTCUSDT", COMING[0], is_closed=True), venue.push("ETHUSDT", COMING[1], is_closed=True)
        )
        await until(lambda: len(listener.candles) == 2)
        assert venue.connections == 1
    assert sorted(listener.candles) == [("BTC/USDT", COMING[0]), ("ETHUSDT", COMING[1])]


async def test_a_venue_without_a_common_stream_is_watched_symbol_by_symbol() -> None:
    async with a_streaming_venue() as venue:
        listener, source = Listener(), a_source(venue)
        stream = stream_of(source)
        genuine = source._open_stream

        async def one_by_one(symbols: object) -> object:
            opened = await genuine(symbols)  # type: ignore[arg-type]
            opened.exchange.has["watchOHLCVForSymbols"] = False
            return opened

        stream._connect = one_by_one  # type: ignore[assignment]
        stream.start(["BTCUSDT", "ETHUSDT"], listener.on_candle)
        await asyncio.wait_for(asyncio.gather(venue.subscribed(BTC), venue.subscribed(ETH)), 5)
        await venue.push("ETHUSDT", COMING[0], is_closed=True)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await until(lambda: len(listener.candles) == 2)
        await stream.close()
        await source.close()
    assert {symbol for symbol, _ in listener.candles} == {"BTCUSDT", "ETHUSDT"}


async def test_after_a_break_it_connects_again_and_tells_nothing_twice() -> None:
    async with listening() as (venue, stream, listener):
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await until(lambda: len(listener.candles) == 1)
        venue.refuses = True
        await venue.drop()
        await until(lambda: not stream.connected and len(venue.handshakes) >= 3)
        venue.refuses = False
        await asyncio.wait_for(venue.subscribed(BTC), 5)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await venue.push("BTCUSDT", COMING[3], is_closed=True)  # what came meanwhile is left to who fills holes
        await until(lambda: len(listener.candles) == 2)
    assert listener.times == [COMING[0].timestamp, COMING[3].timestamp]
    assert [is_up for is_up, _ in listener.states] == [True, False, True]
    assert "onnection" in listener.states[1][1]


async def test_a_connection_that_says_nothing_counts_as_down_and_is_replaced() -> None:
    now = [NOW]
    timing = Timing(first_wait_seconds=0.01, max_wait_seconds=0.02, stall_seconds=0.05)
    async with listening(source={"now_ms": lambda: now[0]}, timing=timing) as (venue, _, listener):
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await until(lambda: len(listener.candles) == 1)
        now[0] += 61_000
        await until(lambda: venue.connections >= 2)
        assert listener.states[1] == (False, "nothing was heard for 61 s")


@pytest.mark.parametrize(
    "bad", [COMING[1]._replace(low=-1.0), COMING[1]._replace(high=1.0), COMING[1]._replace(timestamp=NOW + 60_001)]
)
async def test_a_candle_that_breaks_the_rules_of_the_door_ends_the_connection_and_is_not_told(bad: Candle) -> None:
    async with listening() as (venue, _, listener):
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await venue.push("BTCUSDT", bad, is_closed=True)
        await until(lambda: (False in [is_up for is_up, _ in listener.states]) and venue.connections == 2)
    assert listener.times == [COMING[0].timestamp]
    assert "expected" in listener.states[1][1]


@pytest.mark.parametrize("garbage", [{"e": "kline", "k": {"t": "soon", "s": "BTCUSDT", "i": None}}, {"e": "kline"}])
async def test_a_message_of_an_unknown_shape_stops_nothing(garbage: object) -> None:
    async with listening() as (venue, _, listener):
        await venue.send(garbage)
        await asyncio.sleep(0.02)
        await asyncio.wait_for(venue.subscribed(BTC), 5)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await until(lambda: len(listener.candles) == 1)


async def test_waits_grow_up_to_a_limit_and_are_not_in_step() -> None:
    waits: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == HASTY.stall_seconds / 4:
            await asyncio.sleep(10)
        waits.append(seconds)
        if len(waits) == 8:
            enough.set()
            await asyncio.sleep(10)

    async with a_streaming_venue() as venue:
        venue.refuses = True
        source, listener = a_source(venue), Listener()
        stream = stream_of(source, sleep=sleep, on_state=listener.on_state)
        stream.start(["BTCUSDT"], listener.on_candle)
        await asyncio.wait_for(enough.wait(), 5)
        await stream.close()
        await source.close()
    longest = [min(0.01 * 2**n, 0.05) for n in range(8)]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(waits, longest, strict=True))
    assert len({wait / limit for wait, limit in zip(waits, longest, strict=True)}) == 8
    assert [is_up for is_up, _ in listener.states] == [False]


def test_a_seeded_stream_waits_the_same_again_and_never_overflows() -> None:
    timing = Timing()
    assert timing.wait_seconds(3, Random(5)) == timing.wait_seconds(3, Random(5))
    assert math.isfinite(timing.wait_seconds(10**6, Random(5)))


async def test_an_unknown_symbol_is_told_and_tried_again() -> None:
    async with a_streaming_venue() as venue:
        source, listener = a_source(venue), Listener()
        stream = stream_of(source, on_state=listener.on_state)
        stream.start(["NOPE"], listener.on_candle)
        await until(lambda: bool(listener.states))
        await stream.close()
        await source.close()
    assert listener.states == [(False, "binance: no symbol 'NOPE'; known: BTCUSDT, ETHUSDT")]


async def test_an_error_of_who_listens_ends_the_stream_and_comes_up_at_its_close() -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    async with a_streaming_venue() as venue:
        source, listener = a_source(venue), Listener()
        stream = stream_of(source, on_state=listener.on_state)
        stream.start(["BTCUSDT"], fails)
        await asyncio.wait_for(venue.subscribed(BTC), 5)
        await venue.push("BTCUSDT", COMING[0], is_closed=True)
        await until(lambda: len(listener.states) == 2)
        with pytest.raises(ZeroDivisionError):
            await stream.close()
        await source.close()
    assert listener.states[1] == (False, "stopped by ZeroDivisionError")


@pytest.mark.parametrize("hangs", [False, True])
async def test_nothing_is_left_after_close(hangs: bool, caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    with caplog.at_level(logging.DEBUG):
        async with a_streaming_venue() as venue:
            venue.hangs = hangs
            environ = {"BINANCE_API_KEY": "key-of-the-test", "BINANCE_API_SECRET": "secret-of-the-test"}
            source, listener = a_source(venue, environ=environ), Listener()
            stream = stream_of(source)
            stream.start(["BTCUSDT"], listener.on_candle)
            await until(lambda: bool(venue.handshakes))
            await stream.close()
            await stream.close()
            await source.close()
            assert not stream.connected
            await until(lambda: not [task for task in asyncio.all_tasks() - before if "ccxt" in repr(task)])
            told = [text for handshake in venue.handshakes for text in handshake.values()]
        await until(lambda: asyncio.all_tasks() <= before)
        gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [text for text in [caplog.text, *told] if "key-of-the-test" in text or "secret-of-the-test" in text]


async def test_a_venue_that_pushes_no_candles_has_no_stream() -> None:
    assert a_source("http://127.0.0.1:1", exchange_id="bitstamp").stream(Random(1)) is None
    assert a_source("http://127.0.0.1:1", exchange_id="coinbase").stream(Random(1)) is None


async def test_a_stream_is_started_once() -> None:
    async with listening() as (_, stream, listener):
        with pytest.raises(RuntimeError):
            stream.start(["ETHUSDT"], listener.on_candle)
