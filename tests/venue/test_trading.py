from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.ccxt_client import binance_at, ccxt
from tests.venue.driver import TradingVenue, trader, venue
from tests.venue.matching.account import Holding
from tests.venue.matching.orders import Status
from tests.venue.symbols import SymbolFacts

START = 1_735_689_600_000
BTC = SymbolFacts("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))
D = Decimal


def candles(*rows: tuple[float, float, float, float], volume: float = 10.0) -> Candles:
    """Return minutes from START on, each given by open, high, low and close."""
    opened, high, low, close = np.array(rows, float).T
    times = START + MINUTE_MS * np.arange(len(rows))
    return Candles.frozen(times, opened, high, low, close, np.full(len(rows), volume))


QUIET = (100.0, 100.0, 100.0, 100.0)


@asynccontextmanager
async def trading(*rows: tuple[float, float, float, float], **more: Any) -> AsyncIterator[tuple[TradingVenue, Any]]:
    """Yield the venue after its first minute, which was quiet at 100, and ccxt with a key of its account."""
    settings = {"at_ms": START + MINUTE_MS, "facts": {"BTCUSDT": BTC}, **more}
    there = venue({"BTCUSDT": candles(QUIET, *rows)}, **settings)
    async with there, binance_at(there.url, **trader()) as exchange:
        await exchange.load_markets()
        yield there, exchange


async def test_a_market_buy_fills_at_the_last_close_and_pays_its_fee_in_base() -> None:
    async with trading() as (v, exchange):
        order = await exchange.create_order("BTC/USDT", "market", "buy", 2, None, {"clientOrderId": "mine"})
        balance = await exchange.fetch_balance()
    assert (order["status"], order["clientOrderId"], order["average"], order["filled"]) == ("closed", "mine", 100, 2)
    assert order["fee"] == {"cost": 0.002, "currency": "BTC"}
    assert v.book.balances == {"BTC": Holding(D("1.998"), D(0)), "USDT": Holding(D(9_800), D(0))}
    assert (balance["free"]["USDT"], balance["total"]["BTC"]) == (9_800, 1.998)


async def test_a_limit_order_rests_locks_money_and_fills_when_a_candle_touches_it() -> None:
    async with trading((100, 101, 99, 100)) as (v, exchange):
        placed = await exchange.create_order("BTC/USDT", "limit", "buy", 1, 99, {"clientOrderId": "rests"})
        assert (placed["status"], v.book.balances["USDT"]) == ("open", Holding(D(9_901), D(99)))
        assert [order["clientOrderId"] for order in await exchange.fetch_open_orders("BTC/USDT")] == ["rests"]
        await v.advance()
        found = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "rests"})
        trades = await exchange.fetch_my_trades("BTC/USDT")
        orders = await exchange.fetch_orders("BTC/USDT")
    assert (found["status"], found["filled"], found["cost"]) == ("closed", 1, 99)
    assert [(trade["price"], trade["takerOrMaker"], trade["order"]) for trade in trades] == [(99, "maker", found["id"])]
    assert [order["id"] for order in orders] == [found["id"]]
    assert v.book.balances["USDT"] == Holding(D(9_901), D(0))


async def test_an_order_is_cancelled_by_its_client_id_and_frees_its_money() -> None:
    async with trading() as (v, exchange):
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90, {"clientOrderId": "rests"})
        cancelled = await exchange.cancel_order(None, "BTC/USDT", {"clientOrderId": "rests"})
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            await exchange.cancel_order(None, "BTC/USDT", {"clientOrderId": "rests"})
        with pytest.raises(ccxt.OrderNotFound, match="-2013"):
            await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "never sent"})
    assert cancelled["status"] == "canceled"
    assert [order.status for order in v.book.of("rests")] == [Status.CANCELED]
    assert v.book.balances == {"USDT": Holding(D(10_000), D(0))}
