"""The exchange for tests: `async with venue(candles, at_ms=…) as v`; its clock, book and faults are at hand."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.calls import Call, Refusal
from tests.venue.clocks import SetClock
from tests.venue.control import Control
from tests.venue.exchange import Exchange
from tests.venue.faults import Fault, Meddling, StaleAnswer, TakenLate
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_KEYS, LOOPBACK_SECRET, Key, Keys
from tests.venue.market import VenueMarket
from tests.venue.matching.account import Holding
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Order, Trade
from tests.venue.matching.terms import Terms
from tests.venue.server import Venue
from tests.venue.sockets import Sockets
from tests.venue.symbols import SymbolFacts
from tests.venue.tapes import held
from tests.venue.trading import Trading

_MOST_ANSWERS = 256
_PUSH_S = 0.02
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
        self._trading = Trading(self.exchange, self.keys)
        self._last_answers: dict[object, tuple[int, object]] = {}
        self.sockets = Sockets(self.exchange, self.keys)
        self.control = Control(self)
        super().__init__(market, endpoints=self._trading.endpoints, **more)

    @property
    def matcher(self) -> Matcher:
        return self.exchange.matcher

    @property
    def now_ms(self) -> int:
        return self.market.now_ms()

    @property
    def book(self) -> BookView:
        """Return what the account holds as of the last call or `advance`."""
        matcher = self.matcher
        return BookView(tuple(matcher.book.orders.values()), tuple(matcher.book.trades), matcher.holdings)

    def halt(self, symbol: str) -> None:
        """Take *symbol* out of trading, as when it is delisted."""
        self.matcher.halt(symbol)
        self.market.restate(self.matcher.facts[symbol])

    def set_skew(self, ms: int) -> None:
        """Let the clock that clients see be ahead of the market's, or behind it."""
        self.market.skew_ms = ms

    async def catch_up(self) -> None:
        """Let everything happen that is due."""
        await self.exchange.catch_up()

    async def start(self) -> None:
        await self.exchange.catch_up()
        await super().start()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        self._following.cancel()
        (ended,) = await asyncio.gather(self._following, return_exceptions=True)
        if isinstance(ended, Exception):
            self._failures.append(ended)
        await self.sockets.close()
        await super().stop()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(("/ws", "/stream")):
            return await self._listened(request)
        if request.path.startswith("/control/"):
            return await self._controlled(request)
        return await super()._receive(request)

    async def _listened(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self.sockets.serve(request)
        except Exception as error:
            if not isinstance(error, ConnectionError):
                self._failures.append(error)
            raise

    async def _controlled(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except ConnectionResetError:  # who asked was killed
            return web.Response(status=400)
        try:
            answer = await self.control.answer(request.path.rpartition("/")[2], orjson.loads(body) if body else {})
        except (KeyError, TypeError, ValueError) as error:
            return web.Response(status=400, text=f"{type(error).__name__}: {error}")
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    async def _follow(self) -> None:
        """Let a clock that goes by itself take the market, and those who listen to it, along."""
        while not isinstance(self.market.now_ms, SetClock):
            await asyncio.sleep(_PUSH_S)
            await self.exchange.catch_up()
            await self.sockets.push()

    async def _served(self, call: Call, fault: Fault | None) -> tuple[int, object, Fault | None]:
        match fault:
            case TakenLate():
                taken = await self._take_late(call, fault)
                return (503, {}, fault) if taken else await super()._served(call, None)
            case Meddling():
                return await self._meddled(call, fault)
            case StaleAnswer() if (asked := _question(call)) in self._last_answers:
                return *self._last_answers[asked], fault
        served = await super()._served(call, fault)
        if call.method == "GET" and served[0] == 200:
            self._last_answers[_question(call)] = served[:2]
            if len(self._last_answers) > _MOST_ANSWERS:
                del self._last_answers[next(iter(self._last_answers))]
        return served

    async def _take_late(self, call: Call, fault: TakenLate) -> bool:
        with suppress(Refusal):
            return await self._trading.take_late(call, fault.delay_ms)
        return False

    async def _meddled(self, call: Call, fault: Meddling) -> tuple[int, object, Fault | None]:
        symbol = call.params.get("symbol", "")
        if symbol not in self.matcher.facts:
            return await super()._served(call, None)
        happened = [fault.before(self.matcher, symbol)] if fault.before else []
        status, payload, _ = await super()._served(call, None)
        happened += [fault.after(self.matcher, symbol)] if fault.after else []
        return status, payload, fault if all(happened) else None

    async def advance(self, by_ms: int = MINUTE_MS, *, to_ms: int | None = None) -> int:
        """Move the market's clock, which must be one that stands by itself; return its time."""
        clock = self.market.now_ms
        if not isinstance(clock, SetClock):
            raise TypeError("expected a clock that stands until it is moved, found one that goes by itself")
        clock.move_to(clock.at_ms + by_ms if to_ms is None else to_ms)
        await self.exchange.catch_up()
        await self.sockets.push()
        return clock.at_ms


def _question(call: Call) -> object:
    varying = {"timestamp", "signature", "recvWindow"}
    return call.method, call.path, frozenset(item for item in call.params.items() if item[0] not in varying)


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
