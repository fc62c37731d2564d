"""The exchange for tests: `async with venue(candles, at_ms=…) as v`; its clock, book and faults are at hand."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.clocks import SetClock
from tests.venue.exchange import Exchange
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_KEYS, LOOPBACK_SECRET, Key, Keys
from tests.venue.market import VenueMarket
from tests.venue.matching.account import Holding
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Order, Trade
from tests.venue.matching.terms import Terms
from tests.venue.server import Venue
from tests.venue.symbols import SymbolFacts
from tests.venue.tapes import held
from tests.venue.trading import Trading

DEPOSITS = {"USDT": "10000"}


class BookView(NamedTuple):
    """Orders (oldest first), trades and balances as plain values."""

    orders: tuple[Order, ...]
    trades: tuple[Trade, ...]
    balances: dict[str, Holding]

    @property
    def open_orders(self) -> tuple[Order, ...]:
        return tuple(order for order in self.orders if order.is_open)

    def of(self, client_id: str) -> list[Order]:
        """Return every order that was ever taken with this client id: more than one was sent twice."""
        return [order for order in self.orders if order.client_id == client_id]


class TradingVenue(Venue):
    """A venue with an account; everything `Venue` has, and orders."""

    def __init__(
        self,
        market: VenueMarket,
        *,
        deposits: Mapping[str, Decimal | str | int] | None = None,
        terms: Terms | None = None,
        keys: Mapping[str, Key] = LOOPBACK_KEYS,
        checks_time: bool = True,
        **more: Any,
    ) -> None:
        self.exchange = Exchange(market, DEPOSITS if deposits is None else deposits, terms)
        self.keys = Keys(market, keys, checks_time=checks_time)
        super().__init__(market, endpoints=Trading(self.exchange, self.keys).endpoints, **more)

    @property
    def matcher(self) -> Matcher:
        return self.exchange.matcher

    @property
    def book(self) -> BookView:
        """Return what the account holds as of the last call or `advance`."""
        matcher = self.matcher
        return BookView(tuple(matcher.book.orders.values()), tuple(matcher.book.trades), matcher.holdings)

    def halt(self, symbol: str) -> None:
        """Take *symbol* out of trading, as when it is delisted."""
        self.matcher.halt(symbol)
        self.market.restate(self.matcher.facts[symbol])

    async def start(self) -> None:
        await self.exchange.catch_up()
        await super().start()

    async def advance(self, by_ms: int = MINUTE_MS, *, to_ms: int | None = None) -> int:
        """Move the market's clock, which must be one that stands by itself; return its time."""
        clock = self.market.now_ms
        if not isinstance(clock, SetClock):
            raise TypeError("expected a clock that stands until it is moved, found one that goes by itself")
        clock.move_to(clock.at_ms + by_ms if to_ms is None else to_ms)
        await self.exchange.catch_up()
        return clock.at_ms


def venue(
    candles: Mapping[str, Candles],
    *,
    at_ms: int = 0,
    now_ms: Callable[[], int] | None = None,
    facts: Mapping[str, SymbolFacts] | None = None,
    lag_ms: int = 0,
    **more: Any,
) -> TradingVenue:
    """Return an exchange over 1m *candles* by symbol; its clock stands *at_ms*, or is *now_ms*.

    *more* are the arguments of `TradingVenue` and `Venue`.
    """
    clock = SetClock(at_ms) if now_ms is None else now_ms
    return TradingVenue(VenueMarket(held(candles), now_ms=clock, lag_ms=lag_ms, facts=facts), **more)


def trader() -> dict[str, Any]:
    """Return the settings with which ccxt trades at the venue."""
    return {"apiKey": LOOPBACK_KEY, "secret": LOOPBACK_SECRET}
