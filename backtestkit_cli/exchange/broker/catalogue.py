"""The symbols of a venue as they are traded, by whatever name they are asked for."""

from backtestkit_cli.domain.venue import RefusalKind, Rejected, Transient
from backtestkit_cli.errors import MissingCandlesError, VenueError, suggestion
from backtestkit_cli.exchange import symbols
from backtestkit_cli.exchange.broker.traded import Traded, traded
from backtestkit_cli.exchange.broker.venue_calls import VenueCalls
from backtestkit_cli.exchange.listings import Listings

MARKET = "spot"
"""The one market that is traded."""


class Catalogue:
    """Finds symbols among the markets of a venue, which are asked for once."""

    def __init__(self, name: str, exchange_id: str, calls: VenueCalls) -> None:
        """Ask by *calls*; messages call the venue *name*."""
        self._name = name
        self._exchange_id = exchange_id
        self._calls = calls
        self._known: dict[str, Traded] = {}

    async def demand(self, symbol: str) -> Traded:
        """Return *symbol*, which must be traded at present.

        Raises:
            VenueError: the venue does not have it or does not trade it, refused, or was not reached.
        """
        try:
            found = await self._find(symbol)
        except MissingCandlesError as error:
            raise VenueError(str(error)) from error
        if not found.listing.active:
            others = _active_pairs(await self._calls.listings())
            near = suggestion(found.listing.pair, others)
            raise VenueError(f"{self._name}: {found.symbol} is not traded at present (delisted or halted){near}")
        return found

    async def find(self, symbol: str) -> Traded | Transient | Rejected:
        """Return *symbol*, or the answer to whatever was asked of it."""
        try:
            return await self._find(symbol)
        except MissingCandlesError as error:
            return Rejected(RefusalKind.SYMBOL, str(error))
        except VenueError as error:
            return Transient(str(error), may_have_arrived=False)

    async def _find(self, symbol: str) -> Traded:
        if symbol not in self._known:
            listing = symbols.resolve(symbol, await self._calls.listings(), MARKET, self._name)
            if listing.kind != MARKET:
                raise MissingCandlesError(f"{self._name}: {listing.symbol} is no {MARKET} market: {listing.kind}")
            self._known[symbol] = traded(listing, self._exchange_id, self._calls.exchange)
        return self._known[symbol]


def _active_pairs(listings: Listings) -> set[str]:
    return {one.pair for one in listings.values() if one.active and one.kind == MARKET}
