"""One connection of ccxt.pro: what it hears, and why it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, NamedTuple, Protocol, cast

from backtestkit_cli.exchange.building import Account, Exchange, made, streaming_class
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.failures import SHAPE_ERRORS
from backtestkit_cli.exchange.retrying import Pause, Retry
from backtestkit_cli.exchange.wire import attempting

INTERVAL = "1m"
_KEPT_CANDLES = 10
_PATIENCE_SECONDS = 5.0


class LostError(Exception):
    """The connection is of no more use; its text says why. Never leaves this folder."""


class StreamingExchange(Exchange, Protocol):
    """What is used of an exchange of ccxt.pro besides its requests; `ohlcvs` has rows by symbol and interval."""

    markets: Mapping[str, Mapping[str, Any]]
    ohlcvs: Mapping[str, Mapping[str, Sequence[Sequence[Any]]]]
    on_heard: Callable[[object], None]
    on_garbled: Callable[[Exception], None]
    dialling: set[asyncio.Task[Any]]

    async def watch_ohlcv(self, symbol: str, timeframe: str) -> object:
        """Subscribe to the candles of one market, and return once there is news of them."""
        ...

    async def watch_ohlcv_for_symbols(self, pairs: Sequence[Sequence[str]]) -> object:
        """Subscribe to the candles of pairs of market and interval, and return once there is news of one of them."""
        ...


class Heard:
    """Goes before a class of ccxt.pro in the bases of an exchange: tells of every message, and ends what it starts."""

    on_heard: Callable[[object], None]
    on_garbled: Callable[[Exception], None]
    dialling: set[asyncio.Task[Any]]

    def handle_message(self, client: object, message: object) -> None:
        """Let ccxt take *message* in; what it cannot take must not stop it from receiving, unseen by anybody."""
        try:
            super().handle_message(client, message)  # type: ignore[misc]
        except SHAPE_ERRORS as error:
            self.on_garbled(error)
        else:
            self.on_heard(message)

    def client(self, url: str) -> object:
        """Return the connection to *url*, whose dialling can be given up."""
        client: Any = super().client(url)  # type: ignore[misc]
        if "open" not in vars(client):
            client.open = self._noted(client.open)
        return client

    def _noted(self, dial: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def noted(*arguments: object) -> None:
            task = asyncio.current_task()
            if task is not None:
                self.dialling.add(task)
                task.add_done_callback(self.dialling.discard)
            await dial(*arguments)

        return noted


def streams(exchange_id: str) -> bool:
    """Say whether ccxt.pro has a stream of candles of *exchange_id*; this imports it."""
    kind = streaming_class(exchange_id)
    if kind is None:
        return False
    has = kind().has
    return bool(has.get("watchOHLCV") or has.get("watchOHLCVForSymbols"))


def streaming_exchange(account: Account, pause: Pause) -> StreamingExchange:
    """Return an exchange that listens where *account* is, without its key: candles are for everybody."""
    kind: Any = streaming_class(account.exchange_id)
    public = account._replace(credentials=Credentials(account.credentials.prefix))
    exchange: Any = made(public, pause, cast("type[Exchange]", type("Stream", (Heard, kind), {})))
    exchange.options["OHLCVLimit"] = _KEPT_CANDLES
    exchange.dialling = set()
    return cast("StreamingExchange", exchange)


class Timing(NamedTuple):
    """How patient a stream is, in seconds: before it connects again, and with a connection that says nothing."""

    first_wait_seconds: float = 0.5
    max_wait_seconds: float = 60.0
    stall_seconds: float = 60.0

    def wait_seconds(self, failures: int, rng: Random) -> float:
        """Return how long to wait after so many *failures* in a row, the first being 1: doubled, and not in step."""
        longest = min(self.first_wait_seconds * 2.0 ** min(failures - 1, 30), self.max_wait_seconds)
        return longest * rng.uniform(0.5, 1.0)


class Opened(NamedTuple):
    """An exchange that is ready to listen, how it calls each of the symbols that were asked for, and how it asks."""

    exchange: StreamingExchange
    markets: Mapping[str, str]
    retry: Retry
    now_ms: Callable[[], int]


def watching(opened: Opened) -> list[asyncio.Task[None]]:
    """Subscribe to all candles in the background: tasks that go on for ever, and raise once the connection fails."""
    exchange, symbols = opened.exchange, sorted(set(opened.markets.values()))
    if exchange.has.get("watchOHLCVForSymbols"):
        pairs = [[symbol, INTERVAL] for symbol in symbols]
        watches: list[Callable[[], Awaitable[object]]] = [partial(exchange.watch_ohlcv_for_symbols, pairs)]
    else:
        watches = [partial(exchange.watch_ohlcv, symbol, INTERVAL) for symbol in symbols]
    return [asyncio.create_task(_for_ever(watch, opened)) for watch in watches]


async def _for_ever(watch: Callable[[], Awaitable[object]], opened: Opened) -> None:
    with attempting(opened.retry, opened.now_ms, wants_json=False):  # some venues are asked where to connect
        while True:
            await watch()


async def hung_up(exchange: StreamingExchange) -> None:
    """Close *exchange*, and give up what it still dials."""
    dialling = list(exchange.dialling)
    await given_up(dialling)
    with suppress(TimeoutError):
        await asyncio.wait_for(exchange.close(), _PATIENCE_SECONDS)


async def given_up(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel *tasks* and wait until they are gone, whatever they end with."""
    all_of_them = list(tasks)
    for task in all_of_them:
        task.cancel()
    await asyncio.gather(*all_of_them, return_exceptions=True)
