"""What goes wrong around an order, and what ccxt makes of it; a bot must find out from the venue what is true."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.ccxt_client import binance_at, ccxt
from tests.venue.driver import TradingVenue, trader
from tests.venue.faults import (
    CUT_BODY,
    CUT_JSON,
    RESET,
    Breakage,
    Fault,
    Faults,
    StaleAnswer,
    banned,
    html_page,
    late,
    lost_before,
    rejected,
    server_error,
    stall,
    taken_late,
    too_many_requests,
)
from tests.venue.matching.orders import Status
from tests.venue.outside import (
    CANCELLED_OUTSIDE,
    MEDDLINGS,
    ON_THE_WIRE,
    PARTIAL_FILL,
    RESTING_FILL,
    SOLD_OUTSIDE,
)
from tests.venue.test_trading import START, trading
from tests.venue.trading import ACCOUNT, OPEN_ORDERS, ORDER

POST, GET = f"POST {ORDER}", f"GET {ORDER}"
BY_ID = (None, "BTC/USDT", {"clientOrderId": "mine"})


@asynccontextmanager
async def troubled(*faults: Fault | None, call: str = POST, **more: Any) -> AsyncIterator[tuple[TradingVenue, Any]]:
    async with trading(faults=Faults.scripts({call: faults}), **more) as (v, exchange):
        yield v, exchange


async def buy(exchange: Any) -> Any:
    return await exchange.create_order("BTC/USDT", "market", "buy", 1, None, {"clientOrderId": "mine"})


@pytest.mark.parametrize(
    ("fault", "error", "taken"),
    [
        pytest.param(RESET, ccxt.ExchangeNotAvailable, True, id="answer lost"),
        pytest.param(CUT_BODY, ccxt.ExchangeError, True, id="answer cut midway"),
        pytest.param(stall(), ccxt.RequestTimeout, True, id="answer too late"),
        pytest.param(lost_before(), ccxt.ExchangeNotAvailable, False, id="request lost"),
        pytest.param(lost_before(Breakage.STALL), ccxt.RequestTimeout, False, id="request lost in silence"),
        pytest.param(too_many_requests(), ccxt.DDoSProtection, False, id="429"),
        pytest.param(banned(), ccxt.DDoSProtection, False, id="418"),
        pytest.param(server_error(), ccxt.OperationFailed, False, id="500"),
        pytest.param(html_page(), ccxt.ExchangeNotAvailable, False, id="503 HTML"),
        pytest.param(rejected(), ccxt.InsufficientFunds, False, id="rejected"),
    ],
)
async def test_an_order_is_taken_or_not_whatever_its_answer_was(
    fault: Fault, error: type[Exception], *, taken: bool
) -> None:
    async with troubled(fault) as (v, exchange):
        exchange.timeout = 200 if error is ccxt.RequestTimeout else 5_000
        with pytest.raises(error):
            await buy(exchange)
        exchange.timeout = 5_000
        assert len(v.book.of("mine")) == taken
        if taken:
            assert (await exchange.fetch_order(*BY_ID))["status"] == "closed"
        else:
            with pytest.raises(ccxt.OrderNotFound):
                await exchange.fetch_order(*BY_ID)
    assert v.faults.happened == {fault.name: 1}


async def test_an_answer_with_half_its_json_is_an_order_without_an_id_to_ccxt() -> None:
    async with troubled(CUT_JSON) as (v, exchange):
        assert (await buy(exchange))["id"] is None
    assert [order.status for order in v.book.of("mine")] == [Status.FILLED]


async def test_an_order_taken_late_is_there_only_after_a_while() -> None:
    async with troubled(taken_late(1_500)) as (v, exchange):
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await buy(exchange)
        await v.advance(1_499)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.fetch_order(*BY_ID)
        await v.advance(1)
        found = await exchange.fetch_order(*BY_ID)
    assert (found["status"], found["timestamp"]) == ("closed", START + MINUTE_MS + 1_500)


async def test_an_order_sent_again_while_the_first_is_on_its_way_is_taken_twice() -> None:
    """A client id is refused only while its order is open: this is what a bot must not do."""
    async with troubled(taken_late(1_500)) as (v, exchange):
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await buy(exchange)
        await buy(exchange)
        await v.advance(1_500)
    assert [order.status for order in v.book.of("mine")] == [Status.FILLED, Status.FILLED]


async def test_a_market_order_may_be_filled_in_part() -> None:
    async with troubled(PARTIAL_FILL) as (_, exchange):
        order, whole = await buy(exchange), await buy(exchange)
    assert (order["status"], order["filled"], order["remaining"]) == ("expired", 0.5, 0.5)
    assert whole["filled"] == 1


async def test_others_cancel_fill_and_sell_behind_the_bots_back() -> None:
    script = [CANCELLED_OUTSIDE, RESTING_FILL, SOLD_OUTSIDE]
    async with troubled(*script, deposits={"USDT": 1_000, "BTC": 2}) as (v, exchange):
        for client_id, side, price in [("a", "buy", 90), ("b", "buy", 91), ("c", "sell", 110)]:
            await exchange.create_order("BTC/USDT", "limit", side, 1, price, {"clientOrderId": client_id})
        seen = {one["clientOrderId"]: one for one in await exchange.fetch_orders("BTC/USDT")}
    assert [seen[name]["status"] for name in "abc"] == ["canceled", "open", "canceled"]
    assert seen["b"]["filled"] == 0.5
    assert v.book.balances["BTC"].total < Decimal("0.00001")


async def test_answers_may_be_old() -> None:
    async with troubled(None, StaleAnswer(), call=f"GET {ACCOUNT}") as (v, exchange):
        before = await exchange.fetch_balance()
        await buy(exchange)
        stale, fresh = await exchange.fetch_balance(), await exchange.fetch_balance()
    assert (before["USDT"]["free"], stale["USDT"]["free"], fresh["USDT"]["free"]) == (10_000, 10_000, 9_900)
    assert v.faults.happened == {"stale": 1}


async def test_candles_may_be_old() -> None:
    async with troubled(late(1), call="GET /api/v3/klines") as (_, exchange):
        rows = [await exchange.fetch_ohlcv("BTC/USDT", "1m"), await exchange.fetch_ohlcv("BTC/USDT", "1m")]
    assert [len(one) for one in rows] == [0, 1]


async def test_a_cancel_whose_answer_got_lost_has_cancelled() -> None:
    async with troubled(RESET, RESET, call=f"DELETE {ORDER}") as (v, exchange):
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90, {"clientOrderId": "mine"})
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.cancel_order(*BY_ID)
        assert (await exchange.fetch_order(*BY_ID))["status"] == "canceled"
    assert v.book.balances["USDT"].locked == 0


async def test_under_random_faults_every_order_is_there_once_or_not_at_all() -> None:
    """Each is asked for by its id until the venue says what became of it, and never sent again."""
    faults = Faults.random(5, 0.3, (*ON_THE_WIRE, *MEDDLINGS), paths=(ORDER, OPEN_ORDERS, ACCOUNT))
    async with trading(faults=faults, deposits={"USDT": 100_000}) as (v, exchange):
        for number in range(60):
            with suppress(ccxt.BaseError):
                await exchange.create_order("BTC/USDT", "market", "buy", 1, None, {"clientOrderId": f"n{number}"})
        await v.advance()
        for number in range(60):
            assert len(v.book.of(f"n{number}")) <= 1
            assert await is_known(exchange, f"n{number}") == bool(v.book.of(f"n{number}"))
    assert len(faults.happened) >= 8


async def is_known(exchange: Any, client_id: str) -> bool:
    while True:
        try:
            found = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": client_id})
        except ccxt.OrderNotFound:
            return False
        except ccxt.BaseError:
            continue
        if found["id"] is not None:
            return True


async def test_two_clients_share_one_account() -> None:
    async with troubled() as (v, exchange), binance_at(v.url, **trader()) as other:
        await exchange.create_order("BTC/USDT", "limit", "buy", 1, 90, {"clientOrderId": "mine"})
        await other.cancel_order(*BY_ID)
        assert (await exchange.fetch_order(*BY_ID))["status"] == "canceled"
