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
from tests.venue.keys import LOOPBACK_KEY, READER_KEY, READER_SECRET
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


async def test_orders_and_trades_come_in_pages() -> None:
    async with trading() as (_, exchange):
        for _ in range(5):
            await exchange.create_order("BTC/USDT", "market", "buy", 1)
        last = await exchange.fetch_my_trades("BTC/USDT", None, 2)
        first = await exchange.fetch_my_trades("BTC/USDT", START, 2)
        middle = await exchange.fetch_my_trades("BTC/USDT", None, 2, {"fromId": 3})
        orders = await exchange.fetch_orders("BTC/USDT", START, 2)
        with pytest.raises(ccxt.BadRequest, match="-1127"):
            await exchange.private_get_mytrades({"symbol": "BTCUSDT", "startTime": 0, "endTime": START})
    pages = [[int(one["id"]) for one in page] for page in (last, first, middle, orders)]
    assert pages == [[4, 5], [1, 2], [3, 4], [1, 2]]


OCO = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "aboveType": "LIMIT_MAKER", "abovePrice": "110",
       "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "95", "belowPrice": "94", "belowTimeInForce": "GTC",
       "aboveClientOrderId": "target", "belowClientOrderId": "stop", "listClientOrderId": "exits"}  # fmt: skip
OLD_OCO = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "price": "110", "stopPrice": "95",
           "limitClientOrderId": "target", "stopClientOrderId": "stop", "listClientOrderId": "exits"}  # fmt: skip


@pytest.mark.parametrize("old", [False, True])
async def test_of_an_oco_list_the_stop_fills_and_the_target_expires(*, old: bool) -> None:
    async with trading((100, 100, 94, 96), deposits={"BTC": 1}) as (v, exchange):
        place = exchange.private_post_order_oco if old else exchange.private_post_orderlist_oco
        placed = await place(OLD_OCO if old else OCO)
        assert [order.client_id for order in v.book.open_orders] == ["target", "stop"]
        await v.advance()
        target = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "target"})
        stop = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "stop"})
        found = await exchange.private_get_orderlist({"origClientOrderId": "exits"})
    assert (placed["listOrderStatus"], found["listOrderStatus"]) == ("EXECUTING", "ALL_DONE")
    assert [(order["clientOrderId"]) for order in found["orders"]] == ["target", "stop"]
    assert (target["status"], stop["status"], stop["average"]) == ("expired", "closed", 95)


async def test_an_oco_list_is_cancelled_whole_by_either_order_or_its_own_id() -> None:
    async with trading(deposits={"BTC": 1}) as (v, exchange):
        for cancel, arguments in (
            (exchange.private_delete_orderlist, [{"symbol": "BTCUSDT", "listClientOrderId": "exits"}]),
            (exchange.cancel_order, [None, "BTC/USDT", {"clientOrderId": "stop"}]),
            (exchange.cancel_all_orders, ["BTC/USDT"]),
        ):
            await exchange.private_post_orderlist_oco(OCO)
            assert len(await exchange.private_get_openorderlist()) == 1
            await cancel(*arguments)
            assert v.book.open_orders == ()
    assert [order.status for order in v.book.orders] == [Status.CANCELED] * 6


@pytest.mark.parametrize(
    ("kind", "price", "params", "expected"),
    [
        ("market", None, {"stopLossPrice": 95}, "STOP_LOSS"),
        ("limit", 94, {"stopLossPrice": 95}, "STOP_LOSS_LIMIT"),
        ("limit", 106, {"takeProfitPrice": 105}, "TAKE_PROFIT_LIMIT"),
        ("limit", 105, {"postOnly": True}, "LIMIT_MAKER"),
    ],
)
async def test_ccxt_places_resting_exits_one_by_one(
    kind: str, price: float | None, params: dict[str, Any], expected: str
) -> None:
    async with trading((100, 106, 94, 101), deposits={"BTC": 1}) as (v, exchange):
        placed = await exchange.create_order("BTC/USDT", kind, "sell", 1, price, params)
        await v.advance()
        found = await exchange.fetch_order(placed["id"], "BTC/USDT")
    assert [order.kind for order in v.book.orders] == [expected]
    assert (placed["status"], found["status"]) == ("open", "closed")


async def test_an_order_is_replaced_and_money_spent_by_cost() -> None:
    async with trading() as (v, exchange):
        placed = await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90)
        edited = await exchange.edit_order(placed["id"], "BTC/USDT", "limit", "buy", 1, 91)
        bought = await exchange.create_market_buy_order_with_cost("BTC/USDT", 250)
    assert [(order.price, order.status) for order in v.book.orders[:2]] == [
        (D(90), Status.CANCELED),
        (D(91), Status.NEW),
    ]
    assert (edited["price"], bought["filled"], bought["cost"]) == (91, 2.5, 250)


@pytest.mark.parametrize(
    ("order", "error", "word"),
    [
        pytest.param(("limit", "buy", 1_000, 99), ccxt.InsufficientFunds, "insufficient", id="no money"),
        pytest.param(("market", "sell", 1, None), ccxt.InsufficientFunds, "insufficient", id="no coins"),
        pytest.param(("limit", "buy", 0.01, 99), ccxt.BadRequest, "NOTIONAL", id="too little"),
        pytest.param(("limit", "buy", 1, 99, {"clientOrderId": "open"}), ccxt.InvalidOrder, "Duplicate", id="twice"),
        pytest.param(
            ("limit", "buy", 1, 101, {"postOnly": True}), ccxt.OrderImmediatelyFillable, "take", id="no maker"
        ),
        pytest.param(
            ("market", "sell", 1, None, {"stopLossPrice": 101}),
            ccxt.OrderImmediatelyFillable,
            "trigger",
            id="late stop",
        ),
    ],
)
async def test_ccxt_knows_what_a_refusal_means(order: tuple[Any, ...], error: type[Exception], word: str) -> None:
    async with trading() as (v, exchange):
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90, {"clientOrderId": "open"})
        with pytest.raises(error, match=word):
            await exchange.create_order("BTC/USDT", *order)
    assert [placed.client_id for placed in v.book.orders] == ["open"]


async def test_a_halted_symbol_takes_no_orders_and_drops_those_it_had() -> None:
    async with trading() as (v, exchange):
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90)
        v.halt("BTCUSDT")
        markets = await exchange.load_markets(True)
        with pytest.raises(ccxt.MarketClosed, match="Market is closed"):
            await exchange.create_order("BTC/USDT", "market", "buy", 1)
        with pytest.raises(ccxt.BadSymbol, match="-1121"):
            await exchange.private_post_order({"symbol": "NOSUCH", "side": "BUY", "type": "MARKET", "quantity": 1})
    assert markets["BTC/USDT"]["active"] is False
    assert [order.status for order in v.book.orders] == [Status.EXPIRED]


@pytest.mark.parametrize(
    ("credentials", "error", "code"),
    [
        ({"apiKey": "unknown", "secret": "x"}, ccxt.AuthenticationError, "-2015"),
        ({"apiKey": "not a key", "secret": "x"}, ccxt.AuthenticationError, "-2014"),
        ({"apiKey": LOOPBACK_KEY, "secret": "wrong"}, ccxt.AuthenticationError, "-1022"),
    ],
)
async def test_wrong_keys_are_refused(credentials: dict[str, Any], error: type[Exception], code: str) -> None:
    async with trading() as (v, _), binance_at(v.url, **credentials) as stranger:
        with pytest.raises(error, match=code):
            await stranger.fetch_balance()


async def test_a_key_that_may_only_read_places_no_order() -> None:
    async with trading() as (v, _), binance_at(v.url, apiKey=READER_KEY, secret=READER_SECRET) as reader:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": 1}
        with pytest.raises(ccxt.AuthenticationError, match="-2015"):
            await reader.private_post_order(order)
        rights = await reader.sapi_get_account_apirestrictions()
        account = await reader.private_get_account()
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):  # ccxt believes in a ban once the key was good
            await reader.private_post_order(order)
    assert (rights["enableSpotAndMarginTrading"], rights["enableReading"], account["canTrade"]) == (False, True, False)
    assert v.book.orders == ()


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_is_hours_off_is_refused_until_the_client_adjusts(hours: int) -> None:
    async with trading() as (v, exchange):
        v.market.skew_ms = hours * 3_600_000
        with pytest.raises(ccxt.InvalidNonce, match="-1021"):
            await exchange.fetch_balance()
        assert await exchange.fetch_time() == START + MINUTE_MS + v.market.skew_ms
        await exchange.load_time_difference()
        assert (await exchange.fetch_balance())["USDT"]["total"] == 10_000


async def test_depth_and_public_trades_are_of_the_present() -> None:
    async with trading((100, 104, 99, 103)) as (v, exchange):
        await v.advance()
        book = await exchange.fetch_order_book("BTC/USDT")
        trades = await exchange.fetch_trades("BTC/USDT")
        ticker = await exchange.fetch_ticker("BTC/USDT")
    assert book["bids"][0][0] == book["asks"][0][0] - 0.01 == ticker["last"] - 0.01 == 102.99
    assert [trade["price"] for trade in trades][-1] == 103
