"""Making exchanges of ccxt: the one place that imports it, and the types it lacks."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.retrying import Pause
from backtestkit_cli.exchange.wire import Watched

# What `fetchMarkets` of ccxt calls the parts of a venue, by the market that is wanted.
_PARTS = {
    "spot": {"spot"},
    "margin": {"spot", "margin"},
    "swap": {"swap", "linear", "inverse", "contract"},
    "future": {"swap", "future", "linear", "inverse", "contract"},
}


RECEIVE_WINDOW_MS = 5_000
"""How long after it was signed a private request is good, where the venue lets that be said."""
_RECEIVE_WINDOW = "recvWindow"


class Account(NamedTuple):
    """What makes two clients the same: the venue, where it is, who asks, and how long what is asked is good."""

    exchange_id: str
    market: str
    url: str | None
    credentials: Credentials
    receive_window_ms: int = RECEIVE_WINDOW_MS


class Exchange(Protocol):
    """What is used of an exchange of ccxt."""

    has: dict[str, object]
    options: dict[str, object]
    urls: dict[str, object]
    features: Mapping[str, object] | None
    timeframes: Mapping[str, object] | None
    logger: logging.Logger
    pause: Pause
    timeout_on_exit: int
    precisionMode: int  # noqa: N815 - the name that ccxt gave it

    async def load_markets(self, reload: bool) -> Mapping[str, Mapping[str, Any]]:  # noqa: FBT001
        """Ask for the markets."""
        ...

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> Sequence[Sequence[Any]]:
        """Ask for candles: rows of time, open, high, low, close and volume, any of which may be None."""
        ...

    async def fetch_time(self) -> int | None:
        """Ask for the venue's clock, Unix milliseconds."""
        ...

    def set_markets_from_exchange(self, other: "Exchange") -> None:
        """Take over the markets that *other* has loaded."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def exchange_class(exchange_id: str) -> type[Exchange]:
    """Return the class that ccxt has for *exchange_id*; this imports ccxt, which takes half a second."""
    import ccxt.async_support as ccxt  # noqa: PLC0415

    return cast("type[Exchange]", getattr(ccxt, exchange_id))


def streaming_class(exchange_id: str) -> type[Exchange] | None:
    """Return the class of ccxt.pro for *exchange_id*, None where it has none; this imports ccxt.pro."""
    import ccxt.pro as ccxt  # noqa: PLC0415

    return cast("type[Exchange]", getattr(ccxt, exchange_id)) if exchange_id in ccxt.exchanges else None


def made(account: Account, pause: Pause, kind: type[Exchange] | None = None) -> Exchange:
    """Return an exchange that asks for nothing but candles and the markets of *account*.

    *kind* is its class where that is not the one that ccxt has for requests.
    """
    key = account.credentials
    watched: Any = type("Client", (Watched, kind or exchange_class(account.exchange_id)), {})
    exchange: Exchange = watched(
        {
            "apiKey": key.api_key,
            "secret": key.secret,
            "password": key.password,
            "enableRateLimit": True,
            "options": {"defaultType": account.market, "fetchCurrencies": False, "fetchMargins": False},
        }
    )
    exchange.pause = pause
    if _RECEIVE_WINDOW in exchange.options:
        exchange.options[_RECEIVE_WINDOW] = account.receive_window_ms
    exchange.has["fetchCurrencies"] = False
    exchange.logger = logging.getLogger(f"{__name__}.quiet")  # at DEBUG, ccxt's own would write down the key
    exchange.logger.setLevel(logging.WARNING)
    _ask_for_part(exchange.options.get("fetchMarkets"), _PARTS[account.market])
    if account.url:
        exchange.urls["api"] = _led_to(account.url, exchange.urls["api"])
        if not account.url.startswith("https"):
            exchange.timeout_on_exit = 0  # the quarter of a second is for TLS to say goodbye
    return exchange


def _ask_for_part(options: object, wanted: set[str]) -> None:
    """Have `fetchMarkets` leave out what is not *wanted*, where its *options* tell parts to choose from."""
    if not isinstance(options, dict):
        return
    types = options.get("types")
    if isinstance(types, list):
        options["types"] = [part for part in types if part in wanted] or types
    elif isinstance(types, dict) and wanted & types.keys():
        options["types"] = {part: asked if part in wanted else False for part, asked in types.items()}


def _led_to(url: str, urls: object) -> object:
    """Return the *urls* of ccxt, a text or mappings of them, with the scheme and host of *url* and their own paths."""
    if isinstance(urls, dict):
        return {name: _led_to(url, one) for name, one in urls.items()}
    if not isinstance(urls, str):
        return urls
    target = url.rstrip("/")
    if urls.startswith("ws"):
        target = target.replace("http", "ws", 1)
    return target + urlsplit(urls).path
