"""The ccxt clients of this process: one per venue, key and event loop, whoever asks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar
from weakref import WeakSet

from backtestkit_cli.exchange.building import Account, Exchange, made
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.failures import SHAPE_ERRORS, verdict
from backtestkit_cli.exchange.listings import Listings, listings_of
from backtestkit_cli.exchange.retrying import BarredError, Patience, Pause, Retry, UnansweredError
from backtestkit_cli.exchange.wire import Attempt, attempting

T = TypeVar("T")

IN_FLIGHT = 16
"""How many pages one client asks for at a time; the rate limit is apart from that."""


class _Venue:
    """What all clients of one account share, whatever their event loop: the pause, and the markets once loaded."""

    def __init__(self) -> None:
        self.pause = Pause()
        self.exchange: Exchange | None = None
        self.listings: Listings | None = None


_VENUES: dict[Account, _Venue] = {}
_CLIENTS: dict[asyncio.AbstractEventLoop, dict[Account, "Client"]] = {}


class Client:
    """One ccxt exchange and its limiter, used by all sources of one account in one event loop."""

    def __init__(self, account: Account, venue: _Venue) -> None:
        """Open nothing yet; must be made inside the event loop that uses it."""
        self.exchange = made(account, venue.pause)
        self.slots = asyncio.Semaphore(IN_FLIGHT)
        self.users: WeakSet[object] = WeakSet()
        self._venue = venue
        self._loading = asyncio.Lock()
        self._is_loaded = False

    async def listings(self, asker: "Asker") -> Listings:
        """Return the markets of the venue, which are asked for once per process."""
        # A lock, because ccxt's own sharing of this call cancels it for all when one of them is cancelled.
        async with self._loading:
            if not self._is_loaded:
                if self._venue.exchange is None:
                    await asker.ask(self, self._load, wants_json=False)
                else:
                    self.exchange.set_markets_from_exchange(self._venue.exchange)
                self._is_loaded = True
        return self._venue.listings or {}

    async def _load(self, _: Attempt) -> None:
        loaded = await self.exchange.load_markets(True)
        if not loaded:
            raise UnansweredError("the venue lists no markets")
        self._venue.listings = listings_of(loaded.values(), self.exchange.precisionMode)
        self._venue.exchange = self.exchange

    @property
    def pause(self) -> Pause:
        """Return the time in which nobody may ask."""
        return self._venue.pause


class Asker(NamedTuple):
    """How one source asks: under which name and key, and how patiently."""

    name: str
    credentials: Credentials
    retry: Retry
    now_ms: Callable[[], int]
    on_wait: Callable[[str], None] | None = None

    async def ask(self, client: Client, call: Callable[[Attempt], Awaitable[T]], *, wants_json: bool) -> T:
        """Return what *call* returns, which is one call of ccxt; asked again while there is hope.

        Raises:
            VenueError: the venue refused, or gave no answer within the retries.
            MissingCandlesError: the venue does not know the symbol.
        """
        from ccxt.base.errors import BaseError  # noqa: PLC0415 - importing ccxt takes half a second

        async def once() -> T:
            with attempting(self.retry, self.now_ms, wants_json=wants_json) as attempt:
                try:
                    await client.pause.over(self.retry.max_wait_seconds)
                    return await call(attempt)
                except (UnansweredError, BarredError):
                    raise
                except (BaseError, *SHAPE_ERRORS) as error:
                    said = verdict(error, attempt, self.name, self.credentials, self.now_ms())
                    if said is None:
                        raise
                    raise said from None  # the error of ccxt may hold the key

        patience = Patience(self.name, self.retry, self.now_ms, on_wait=self.on_wait)
        return await patience.asking(once, client.pause)


def client_of(account: Account, user: object) -> Client:
    """Return the client of *account* in the running event loop, made on the first call; *user* must release it."""
    for loop in [loop for loop in list(_CLIENTS) if loop.is_closed()]:
        _CLIENTS.pop(loop, None)  # another thread may be as quick
    clients = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    if account not in clients:
        clients[account] = Client(account, _VENUES.setdefault(account, _Venue()))
    clients[account].users.add(user)
    return clients[account]


async def release(account: Account, user: object) -> None:
    """Close the client of *account* in the running event loop unless somebody but *user* still uses it."""
    clients = _CLIENTS.get(asyncio.get_running_loop(), {})
    client = clients.get(account)
    if client is None:
        return
    client.users.discard(user)
    if not client.users:
        del clients[account]
        await client.exchange.close()


def known_listings(account: Account) -> Listings | None:
    """Return the markets of *account* if this process has loaded them."""
    venue = _VENUES.get(account)
    return venue.listings if venue else None
