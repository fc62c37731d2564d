"""The broker of ccxt at the loopback exchange, which stands after a quiet minute at 100, and orders for it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import numpy as np

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, Leg, OrderKind, Rejected, Transient, VenueOrder
from backtestkit_cli.exchange.broker.broker import CcxtBroker
from backtestkit_cli.exchange.retrying import Retry
from tests.venue.driver import TradingVenue, venue
from tests.venue.faults import Fault, Faults
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET
from tests.venue.symbols import SymbolFacts

START = 1_735_689_600_000
NOW = START + MINUTE_MS
BTC = SymbolFacts("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))
KEYS = {"BINANCE_API_KEY": LOOPBACK_KEY, "BINANCE_API_SECRET": LOOPBACK_SECRET}
HASTY = Retry(attempts=3, first_wait_seconds=0.01, max_wait_seconds=3, timeout_seconds=0.25)
ORDER, PAIR = "/api/v3/order", "/api/v3/orderList/oco"
QUIET = (100.0, 100.0, 100.0, 100.0)
ID = "0a1b2c3d4e5f-1c2d3e4-e1"

Row = tuple[float, float, float, float]


def minutes(*rows: Row) -> Candles:
    """Return minutes from START on, each given by open, high, low and close."""
    opened, high, low, close = np.array(rows, float).T
    return Candles.frozen(START + MINUTE_MS * np.arange(len(rows)), opened, high, low, close, np.full(len(rows), 10.0))


async def no_sleep(_: float) -> None:
    """Wait for nothing."""


def a_broker(url: str, **more: Any) -> CcxtBroker:
    usual: dict[str, Any] = {"name": "binance", "exchange_id": "binance", "retry": HASTY, "environ": KEYS}
    return CcxtBroker(**{**usual, "url": url, "now_ms": lambda: NOW, "sleep": no_sleep, **more})


@asynccontextmanager
async def trading(
    *rows: Row,
    broker: Mapping[str, Any] | None = None,
    faults: Mapping[str, list[Fault | None]] | None = None,
    **more: Any,
) -> AsyncIterator[tuple[TradingVenue, CcxtBroker]]:
    """Yield the exchange, whose next minutes are *rows*, and a broker; *faults* meet the requests by path in turn."""
    settings = {"at_ms": NOW, "facts": {"BTCUSDT": BTC}, "faults": Faults.scripts(faults or {}), **more}
    candles = settings.pop("candles", {"BTCUSDT": minutes(QUIET, *rows)})
    async with venue(candles, **settings) as there:
        one = a_broker(there.url, **(broker or {}))
        try:
            yield there, one
        finally:
            await one.disconnect()


def an_order(kind: OrderKind = OrderKind.MARKET, leg: Leg = Leg.ENTRY, **more: Any) -> VenueOrder:
    usual = VenueOrder(
        client_id=ID,
        signal_id="0a1b2c3d4e5f-1c2d3e4",
        strategy="s",
        symbol="BTCUSDT",
        leg=leg,
        kind=kind,
        is_buy=leg in {Leg.ENTRY, Leg.AVERAGE},
        quantity=2.0,
        price_expected=100.0,
        at_ms=NOW,
    )
    return usual._replace(**more)


def a_limit(price: float = 90.0, **more: Any) -> VenueOrder:
    return an_order(OrderKind.LIMIT, price_limit=price, **more)


def a_sale(**more: Any) -> VenueOrder:
    return an_order(leg=Leg.CLOSE, **{"client_id": "sale-c1", "quantity": 1.0, **more})


def exits(**more: Any) -> VenueOrder:
    usual = {"client_id": "pos-x1", "quantity": 1.0, "price_stop": 95.0, "price_limit": 110.0}
    return an_order(OrderKind.EXITS, Leg.EXITS, **{**usual, **more})


def confirmed(answer: Answer) -> Confirmed:
    assert isinstance(answer, Confirmed), answer
    return answer


def rejected(answer: Answer) -> Rejected:
    assert isinstance(answer, Rejected), answer
    return answer


def transient(answer: Answer) -> Transient:
    assert isinstance(answer, Transient), answer
    return answer


def gone(answer: Answer) -> Gone:
    assert isinstance(answer, Gone), answer
    return answer


def sent(there: TradingVenue, method: str = "POST") -> list[Mapping[str, str]]:
    """Return the parameters of all requests of *method* that reached the venue."""
    return [received.params for received in there.requests if received.method == method]
