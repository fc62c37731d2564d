import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.ccxt_client import binance_pro_at, ccxt
from tests.venue.driver import TradingVenue, trader
from tests.venue.market import clock_from
from tests.venue.matching.orders import Status
from tests.venue.test_trading import START, trading

ROWS = [(100.0, 101.0, 99.0, 100.0)] * 10


@asynccontextmanager
async def listening(**more: Any) -> AsyncIterator[tuple[TradingVenue, Any]]:
    """Yield the venue after its first minute, and ccxt.pro that is at its door."""
    async with trading(*ROWS, **more) as (v, _), binance_pro_at(v.url, **trader()) as listener:
        await listener.load_markets()
        yield v, listener


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.002)


async def subscribed(v: TradingVenue) -> None:
    """Return once somebody listens."""
    await until(lambda: any(one.next_ms or one.wants_account for one in v.sockets.sockets))


def newest_is(listener: Any, minute: int) -> bool:
    return minutes_held(listener)[-1:] == [minute]


def minutes_held(listener: Any) -> list[int]:
    """Return which minutes ccxt has heard of."""
    rows = listener.ohlcvs.get("BTC/USDT", {}).get("1m", ())
    return [(int(row[0]) - START) // MINUTE_MS for row in rows]


async def test_klines_come_as_the_clock_goes_on() -> None:
    async with listening() as (v, listener):
        watching = asyncio.ensure_future(listener.watch_ohlcv("BTC/USDT", "1m"))
        await subscribed(v)
        for minute in (2, 3, 4):
            await v.advance()
            await until(partial(newest_is, listener, minute))
        assert (await watching)[0][:5] == [START + MINUTE_MS, 100, 101, 99, 100]
        assert minutes_held(listener) == [1, 2, 3, 4]
    assert v.sockets.opened == 1


async def test_each_candle_is_pushed_as_it_forms_and_once_as_closed_unless_it_is_skipped() -> None:
    async with trading(*ROWS) as (v, _), aiohttp.ClientSession() as session, session.ws_connect(f"{v.url}/ws/0") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m", "btcusdt@kline_5m"], "id": 1})
        assert await ws.receive_json() == {"result": None, "id": 1}
        await v.advance(15_000)
        await v.advance(to_ms=START + 3 * MINUTE_MS)
        v.sockets.skip = 1
        await v.advance(2 * MINUTE_MS)
        klines = [(await ws.receive_json())["k"] for _ in range(8)]
    seen = [(k["i"], (k["t"] - START) // MINUTE_MS, k["x"]) for k in klines]
    assert seen[:2] == [("1m", 1, False), ("5m", 0, False)]
    assert seen[2:6] == [("1m", 1, True), ("1m", 2, True), ("1m", 3, False), ("5m", 0, False)]
    assert seen[6:] == [("1m", 4, True), ("1m", 5, False)]


async def test_a_dropped_connection_is_an_error_once_and_what_was_missed_stays_missing() -> None:
    async with listening() as (v, listener):
        watching = asyncio.ensure_future(listener.watch_ohlcv("BTC/USDT", "1m"))
        await subscribed(v)
        await v.advance()
        await watching
        watching = asyncio.ensure_future(listener.watch_ohlcv("BTC/USDT", "1m"))
        await asyncio.sleep(0.01)
        assert v.sockets.drop() == 1
        with pytest.raises(ccxt.NetworkError):
            await watching
        await until(lambda: not v.sockets.sockets)
        await v.advance(3 * MINUTE_MS)
        watching = asyncio.ensure_future(listener.watch_ohlcv("BTC/USDT", "1m"))
        await subscribed(v)
        await v.advance()
        await until(lambda: minutes_held(listener)[-1:] == [6])
        await watching
        assert minutes_held(listener) == [1, 2, 5, 6]
    assert v.sockets.opened == 2


async def test_a_silent_connection_stays_open_and_says_nothing() -> None:
    async with listening() as (v, listener):
        watching = asyncio.ensure_future(listener.watch_ohlcv("BTC/USDT", "1m"))
        await subscribed(v)
        v.sockets.silent = True
        await v.advance(3 * MINUTE_MS)
        await asyncio.sleep(0.05)
        assert (watching.done(), len(v.sockets.sockets)) == (False, 1)
        v.sockets.silent = False
        await v.advance()
        await watching
        await until(lambda: minutes_held(listener) == [4, 5])


async def test_the_account_tells_of_orders_and_balances() -> None:
    async with listening() as (v, listener):
        watching = asyncio.ensure_future(listener.watch_orders("BTC/USDT"))
        await subscribed(v)
        await listener.create_order("BTC/USDT", "limit", "buy", 1, 99, {"clientOrderId": "mine"})
        placed = dict((await watching)[-1])
        watching = asyncio.ensure_future(listener.watch_orders("BTC/USDT"))
        await asyncio.sleep(0)
        await v.advance(3 * MINUTE_MS)
        filled = (await watching)[-1]
        balance = listener.balance["spot"]
    assert (placed["clientOrderId"], placed["status"]) == ("mine", "open")
    assert (filled["clientOrderId"], filled["status"], filled["filled"], filled["average"]) == ("mine", "closed", 1, 99)
    assert balance["USDT"] == {"free": 9_901, "used": 0, "total": 9_901}


async def test_nobody_hears_of_an_account_by_a_wrong_key() -> None:
    async with trading() as (v, _), binance_pro_at(v.url, **(trader() | {"apiKey": "unknown"})) as stranger:
        with pytest.raises(KeyError) as raised:  # ccxt 4.5.90 falls over the refusal
            await stranger.watch_orders("BTC/USDT")
        assert isinstance(raised.value.__context__, ccxt.AuthenticationError)


async def test_while_the_venue_refuses_connections_nobody_listens() -> None:
    async with listening() as (v, listener):
        v.sockets.refuse = True
        with pytest.raises(ccxt.NetworkError):
            await listener.watch_ohlcv("BTC/USDT", "1m")


async def test_a_clock_that_goes_by_itself_takes_orders_and_listeners_along() -> None:
    rows = [(100.0, 101.0, 99.0 - n / 10, 100.0) for n in range(200)]
    clock = clock_from(START + MINUTE_MS, speed=6_000)
    async with trading(*rows, now_ms=clock) as (v, exchange), binance_pro_at(v.url, **trader()) as listener:
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 95, {"clientOrderId": "mine"})
        await listener.watch_ohlcv("BTC/USDT", "1m")
        await until(lambda: v.book.of("mine")[0].status is Status.FILLED)
        await until(lambda: len(minutes_held(listener)) > 3)
