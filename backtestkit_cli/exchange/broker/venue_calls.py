"""What is used of an exchange of ccxt to trade, and how it is asked: one attempt, and an answer instead of an error."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar, cast

from backtestkit_cli.domain.venue import Transient
from backtestkit_cli.errors import BacktestKitError, VenueError
from backtestkit_cli.exchange.broker.refusals import Failed, failure
from backtestkit_cli.exchange.building import Account, Exchange
from backtestkit_cli.exchange.clients import Asker, Client, client_of, release
from backtestkit_cli.exchange.failures import SHAPE_ERRORS
from backtestkit_cli.exchange.listings import Listings
from backtestkit_cli.exchange.retrying import BarredError
from backtestkit_cli.exchange.wire import attempting

T = TypeVar("T")
Raw = Mapping[str, Any]
"""A structure of ccxt."""

_BEFORE_READING_AGAIN_S = 0.2


class TradingExchange(Exchange, Protocol):
    """What is used of an exchange of ccxt beside candles and markets."""

    def market(self, symbol: str) -> Raw:
        """Return a market that has been loaded."""
        ...

    async def create_order(
        self, symbol: str, kind: str, side: str, amount: float, price: float | None, params: Raw
    ) -> Raw:
        """Send an order."""
        ...

    async def fetch_order(self, venue_id: str | None, symbol: str, params: Raw) -> Raw:
        """Ask where an order stands."""
        ...

    async def cancel_order(self, venue_id: str | None, symbol: str, params: Raw) -> Raw:
        """Take an order back."""
        ...

    async def fetch_open_orders(self, symbol: str) -> Sequence[Raw]:
        """Ask for the open orders of a symbol."""
        ...

    async def fetch_order_trades(self, venue_id: str, symbol: str) -> Sequence[Raw]:
        """Ask for the trades of one order."""
        ...

    async def fetch_my_trades(self, symbol: str) -> Sequence[Raw]:
        """Ask for the newest own trades of a symbol."""
        ...

    async def fetch_ticker(self, symbol: str) -> Raw:
        """Ask for prices."""
        ...

    async def fetch_balance(self) -> Raw:
        """Ask for the assets of the account."""
        ...

    async def load_time_difference(self) -> int:
        """Ask for the time of the venue, by which requests are dated from then on."""
        ...

    async def private_post_orderlist_oco(self, params: Raw) -> object:
        """Send a pair of which one cancels the other; Binance."""
        ...

    async def private_delete_orderlist(self, params: Raw) -> object:
        """Take a pair back; Binance."""
        ...

    async def private_get_account(self) -> object:
        """Ask for the account, as the venue writes it; Binance."""
        ...

    async def sapi_get_account_apirestrictions(self) -> object:
        """Ask what the key may do, as the venue writes it; Binance."""
        ...


class VenueCalls:
    """Asks one account of a venue; every call is one attempt, but that reading is tried twice.

    While the venue wants no requests nobody waits: the answer says for how long.
    """

    def __init__(self, account: Account, asker: Asker, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Open nothing yet; *asker* says how long one request may take, and how often the markets are asked for."""
        self._account = account
        self._asker = asker
        self._at_once = replace(asker.retry, max_wait_seconds=0.0)
        self._sleep = sleep
        self._is_misdated = False

    async def listings(self) -> Listings:
        """Return the markets of the venue, asked for once per process.

        Raises:
            VenueError: the venue refused, or was not reached within the retries.
        """
        return await self._client().listings(self._asker)

    @property
    def exchange(self) -> TradingExchange:
        """Return the exchange of the running event loop."""
        return _trading(self._client())

    async def send(self, call: Callable[[TradingExchange], Awaitable[T]]) -> T | Failed:
        """Return what *call* returns, which places an order: an answer that was lost may have arrived."""
        return await self._once(call, places=True)

    async def change(self, call: Callable[[TradingExchange], Awaitable[T]]) -> T | Failed:
        """Return what *call* returns, which changes an order that is there; asked once."""
        return await self._once(call, places=False)

    async def read(self, call: Callable[[TradingExchange], Awaitable[T]]) -> T | Failed:
        """Return what *call* returns, which changes nothing; asked again once where there was no answer."""
        answer = await self._once(call, places=False)
        if isinstance(answer, Transient) and answer.retry_after_s is None:
            await self._sleep(_BEFORE_READING_AGAIN_S)
            answer = await self._once(call, places=False)
        return answer

    async def demand(self, call: Callable[[TradingExchange], Awaitable[T]]) -> T:
        """Return what *call* returns, which changes nothing and is no matter of an order.

        Raises:
            VenueError: the venue refused, or was not reached.
        """
        await self.listings()
        answer = await self.read(call)
        if isinstance(answer, Failed):
            raise VenueError(f"{self._asker.name}: {answer.reason}")
        return answer

    async def disconnect(self) -> None:
        """Close the client of the running event loop once nobody else uses it."""
        await release(self._account, self)

    async def _once(self, call: Callable[[TradingExchange], Awaitable[T]], *, places: bool) -> T | Failed:
        client = self._client()
        try:
            await client.listings(self._asker)
        except BacktestKitError as error:
            return Transient(str(error), may_have_arrived=False)
        answer = await self._attempted(client, call, places=places)
        if self._is_misdated:
            self._is_misdated = False
            # Where the venue does not tell its time, requests stay dated as they are.
            await self._attempted(client, lambda exchange: exchange.load_time_difference(), places=False)
        if isinstance(answer, Transient) and answer.retry_after_s is not None:
            client.pause.extend(answer.retry_after_s)
        return answer

    async def _attempted(
        self, client: Client, call: Callable[[TradingExchange], Awaitable[T]], *, places: bool
    ) -> T | Failed:
        from ccxt.base.errors import BaseError, InvalidNonce  # noqa: PLC0415 - importing ccxt takes half a second

        with attempting(self._at_once, self._asker.now_ms, wants_json=True) as attempt:
            try:
                await client.pause.over(self._at_once.max_wait_seconds)
                return await call(_trading(client))
            except BarredError:
                reason = "the venue wants no requests for now"
                return Transient(reason, may_have_arrived=False, retry_after_s=client.pause.left_seconds)
            except (BaseError, *SHAPE_ERRORS) as error:
                said = failure(error, attempt, self._asker.credentials, self._asker.now_ms(), places=places)
                if said is None:
                    raise
                self._is_misdated = isinstance(error, InvalidNonce)
                return said

    def _client(self) -> Client:
        return client_of(self._account, self)


def _trading(client: Client) -> TradingExchange:
    return cast("TradingExchange", client.exchange)
