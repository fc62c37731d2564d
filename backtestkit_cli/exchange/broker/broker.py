"""The broker of a venue that ccxt knows: one account, the spot market."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.venue import (
    Answer,
    Balance,
    Confirmed,
    Gone,
    OrderKind,
    OrderState,
    Rejected,
    RestingOrder,
    Transient,
    VenueOrder,
    VenueRules,
)
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.exchange.broker.admission import refusal
from backtestkit_cli.exchange.broker.catalogue import MARKET, Catalogue
from backtestkit_cli.exchange.broker.exits import RestingExits
from backtestkit_cli.exchange.broker.fills import Fills
from backtestkit_cli.exchange.broker.order_facts import resting_order
from backtestkit_cli.exchange.broker.permissions import Permissions, permissions_of
from backtestkit_cli.exchange.broker.refusals import Duplicate, Failed
from backtestkit_cli.exchange.broker.singles import SingleOrders
from backtestkit_cli.exchange.broker.traded import VENUES, Traded
from backtestkit_cli.exchange.broker.venue_calls import VenueCalls
from backtestkit_cli.exchange.building import RECEIVE_WINDOW_MS, Account
from backtestkit_cli.exchange.clients import Asker
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.ids import checked_exchange_id
from backtestkit_cli.exchange.retrying import Retry

_CLOCK_AHEAD_S = 1.0
"""How far ahead of the venue's clock a request may be dated, and then it is good for that much longer."""
_FILLED_SLACK = 1 + 1e-9
_NO_RETRY_SETTINGS = Retry()


class CcxtBroker:
    """The `Broker` of a venue of ccxt; it shares client, markets and rate limit with the candles of the account.

    Each call is one attempt; only reading is tried twice. What is sent has the client id of the order, and is on the
    grid of the venue. Nothing is opened before the first call.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        name: str,
        exchange_id: str,
        market: str = MARKET,
        url: str | None = None,
        retry: Retry = _NO_RETRY_SETTINGS,
        environ: Mapping[str, str],
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        receive_window_ms: int = RECEIVE_WINDOW_MS,
    ) -> None:
        """Trade at *exchange_id* with the credentials that *environ* holds for *name*; see `CcxtSource`.

        Of *retry* the timeout holds for every request, the rest for asking for markets and balances.

        Raises:
            ConfigError: the exchange is unknown or none of `VENUES`, or *market* is not spot.
        """
        if checked_exchange_id(exchange_id) not in VENUES:
            known = f"{', '.join(VENUES)} only, where orders can be found by an id of ours"
            raise ConfigError(f"{name}: live trades at {known}, found {exchange_id!r}")
        if market != MARKET:
            raise ConfigError(f"{name}: live trades the {MARKET} market only, found market {market!r}")
        self._name = name
        self._credentials = Credentials.of(name, environ)
        self._exchange_id = exchange_id
        self._window_ms = receive_window_ms
        account = Account(self._exchange_id, market, url, self._credentials, receive_window_ms)
        self._calls = VenueCalls(account, Asker(name, self._credentials, retry, now_ms), sleep)
        fills = Fills(self._calls)
        self._catalogue = Catalogue(name, self._exchange_id, self._calls)
        self._singles = SingleOrders(self._calls, fills, sleep)
        self._exits = RestingExits(self._calls, fills)

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return self._name

    @property
    def arrival_window_s(self) -> float:
        """Return for how many seconds an order without an answer may still arrive."""
        return self._window_ms / 1000 + _CLOCK_AHEAD_S

    def demand_keys(self) -> None:
        """Make sure that there are keys at all; asks nobody.

        Raises:
            ConfigError: they are not set; the message names the variables.
        """
        if not (self._credentials.api_key and self._credentials.secret):
            raise ConfigError(f"{self._name}: {self._credentials.complaint}")

    async def permissions(self) -> Permissions:
        """Return what the keys may do, as far as the venue tells.

        Raises:
            VenueError: the venue refused the keys, or was not reached.
        """
        return await permissions_of(self._exchange_id, self._calls)

    async def rules(self, symbol: str) -> VenueRules:
        """Return what may be done with *symbol*.

        Raises:
            VenueError: the venue does not have it or does not trade it now, refused, or was not reached.
        """
        return (await self._catalogue.demand(symbol)).rules

    async def open(self, order: VenueOrder) -> Answer:
        """Send an order that enters a position or adds to it."""
        return await self._place(order)

    async def close(self, order: VenueOrder) -> Answer:
        """Send an order that reduces a position."""
        return await self._place(order)

    async def amend(self, resting: VenueOrder, wanted: VenueOrder) -> Answer:
        """Put *wanted* in the place of *resting*; see `Broker.amend`. What is refused beforehand leaves *resting*."""
        found = await self._admitted(wanted)
        if not isinstance(found, Traded):
            return found
        if found.is_same(resting, wanted):
            before = await self._check(resting, found)
            if isinstance(before, Confirmed) and before.state is OrderState.RESTING:
                return before._replace(client_id=resting.client_id)
        else:
            before = await self._cancel(resting, found)
        return _obstacle(before, resting, wanted) or await self._send(wanted, found)

    async def check(self, order: VenueOrder) -> Answer:
        """Return where *order* stands, by its client id."""
        found = await self._catalogue.find(order.symbol)
        return await self._check(order, found) if isinstance(found, Traded) else _untold(found)

    async def cancel(self, order: VenueOrder) -> Answer:
        """Take *order* back; the answer is where it then stands."""
        found = await self._catalogue.find(order.symbol)
        return await self._cancel(order, found) if isinstance(found, Traded) else _untold(found)

    async def balances(self) -> Mapping[str, Balance]:
        """Return every asset of the account that is not empty.

        Raises:
            VenueError: the venue refused, or was not reached.
        """
        answer = await self._calls.demand(lambda venue: venue.fetch_balance())
        free, used = answer.get("free") or {}, answer.get("used") or {}
        found = {asset: Balance(float(free.get(asset) or 0), float(used.get(asset) or 0)) for asset in {*free, *used}}
        return {asset: found[asset] for asset in sorted(found) if found[asset].total > 0}

    async def resting(self, symbol: str) -> Sequence[RestingOrder] | Transient:
        """Return the open orders of *symbol* at the venue, also those of others."""
        found = await self._catalogue.find(symbol)
        if not isinstance(found, Traded):
            return Transient(found.reason, may_have_arrived=False)
        answer = await self._calls.read(lambda venue: venue.fetch_open_orders(found.symbol))
        if isinstance(answer, Failed):
            return Transient(answer.reason, may_have_arrived=False)
        return [resting_order(order, symbol) for order in answer]

    async def candle_closed(self, symbol: str, candles: Candles) -> None:
        """Do nothing: the venue has candles of its own."""

    async def disconnect(self) -> None:
        """Close the client of the running event loop once no source uses it either."""
        await self._calls.disconnect()

    async def _place(self, order: VenueOrder) -> Answer:
        found = await self._admitted(order)
        return await self._send(order, found) if isinstance(found, Traded) else found

    async def _admitted(self, order: VenueOrder) -> Traded | Answer:
        """Return the market of *order*, or why it need not be sent."""
        found = await self._catalogue.find(order.symbol)
        return (refusal(order, found) or found) if isinstance(found, Traded) else found

    async def _send(self, order: VenueOrder, found: Traded) -> Answer:
        answer = await self._orders(order).place(order, found)
        if not isinstance(answer, Duplicate):
            return answer
        there = await self._check(order, found)
        return answer if isinstance(there, Gone) else there

    async def _check(self, order: VenueOrder, found: Traded) -> Answer:
        return _untold(await self._orders(order).check(order, found))

    async def _cancel(self, order: VenueOrder, found: Traded) -> Answer:
        return _untold(await self._orders(order).cancel(order, found))

    def _orders(self, order: VenueOrder) -> SingleOrders | RestingExits:
        return self._exits if order.kind is OrderKind.EXITS else self._singles


def _untold(answer: Answer) -> Answer:
    """Return the *answer* to a question about an order: one that the venue will not hear tells nothing of it."""
    return Transient(answer.reason, may_have_arrived=True) if isinstance(answer, Rejected) else answer


def _obstacle(before: Answer, resting: VenueOrder, wanted: VenueOrder) -> Answer | None:
    """Return why *wanted* may not be sent in the place of *resting*, which stands as *before* says; None if it may."""
    match before:
        case Transient(reason):
            return before._replace(reason=f"the order before it stays: {reason}", may_have_arrived=False)
        case Confirmed(state=OrderState.RESTING):
            return Transient("the order before it still rests", may_have_arrived=False)
        case Confirmed() if _leaves_no_room(before, resting, wanted):
            return Gone(f"{resting.client_id} was filled meanwhile")
    return None


def _leaves_no_room(before: Confirmed, resting: VenueOrder, wanted: VenueOrder) -> bool:
    """Say whether *wanted* does not allow for what was filled of *resting*."""
    if before.fill is None:
        return before.state is not OrderState.CANCELLED
    return before.fill.quantity + wanted.quantity > resting.quantity * _FILLED_SLACK
