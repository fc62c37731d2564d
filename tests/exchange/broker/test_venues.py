"""Each venue that is traded at: every request about an order carries our id; asked of ccxt itself, without a wire."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from backtestkit_cli.exchange.broker.traded import VENUES, ExitForm, traded
from backtestkit_cli.exchange.building import exchange_class
from backtestkit_cli.exchange.listings import listings_of
from tests.exchange.broker.brokers import ID

OURS = {"clientOrderId": ID}
MARKET = {
    "id": "BTCUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT",
    "type": "spot", "spot": True, "active": True, "precision": {"amount": 0.00001, "price": 0.01},
    "info": {"orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"], "ocoAllowed": True},
}  # fmt: skip


class SentError(Exception):
    """Carries a request instead of sending it."""


def an_exchange(exchange_id: str) -> Any:
    kind: Any = exchange_class(exchange_id)
    exchange = kind({"apiKey": "key", "secret": "secret", "enableRateLimit": False})
    exchange.set_markets([exchange.safe_market_structure(MARKET)])

    async def fetch(url: str, method: str = "GET", headers: object = None, body: object = None) -> None:
        raise SentError(f"{method} {url} {body}")

    exchange.fetch = fetch
    return exchange


@pytest.mark.parametrize("exchange_id", VENUES)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda one: one.create_order("BTC/USDT", "market", "buy", 1, None, OURS), id="market"),
        pytest.param(lambda one: one.create_order("BTC/USDT", "limit", "buy", 1, 90, OURS), id="limit"),
        pytest.param(lambda one: one.fetch_order(None, "BTC/USDT", OURS), id="check"),
        pytest.param(lambda one: one.cancel_order(None, "BTC/USDT", OURS), id="cancel"),
    ],
)
async def test_every_request_about_an_order_carries_our_id(
    exchange_id: str, call: Callable[[Any], Awaitable[object]]
) -> None:
    with pytest.raises(SentError, match=ID):
        await call(an_exchange(exchange_id))


@pytest.mark.parametrize(
    ("exchange_id", "form"),
    [
        ("binance", ExitForm.PAIR),
        ("binanceus", ExitForm.STOP),
        ("mexc", ExitForm.NONE),
    ],
)
def test_exits_rest_as_far_as_the_venue_has_them(exchange_id: str, form: ExitForm) -> None:
    exchange = an_exchange(exchange_id)
    listing = listings_of([exchange.market("BTC/USDT")], exchange.precisionMode)["BTC/USDT"]
    assert traded(listing, exchange_id, exchange).exit_form is form
