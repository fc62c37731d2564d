"""The public endpoints: everything that needs no key."""

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from tests.venue.calls import EXCHANGE_INFO, KLINES, Call, Endpoints, Refusal
from tests.venue.klines import klines, known_symbol, number
from tests.venue.market import VenueMarket
from tests.venue.symbols import listed
from tests.venue.tapes import merged
from tests.venue.weights import Weights


class MarketData:
    """What anybody may ask of a market."""

    def __init__(self, market: VenueMarket, weights: Weights) -> None:
        self._market = market
        self._weights = weights

    @property
    def endpoints(self) -> Endpoints:
        return {
            ("GET", "/api/v3/ping"): self._ping,
            ("GET", "/api/v3/time"): self._time,
            ("GET", EXCHANGE_INFO): self._exchange_info,
            ("GET", KLINES): self._klines,
            ("GET", "/api/v3/ticker/price"): self._price,
            ("GET", "/api/v3/ticker/24hr"): self._day,
            ("GET", "/api/v3/depth"): self._depth,
            ("GET", "/api/v3/aggTrades"): self._trades,
        }

    async def _ping(self, _: Call) -> object:
        return {}

    async def _time(self, _: Call) -> object:
        return {"serverTime": self._market.server_ms}

    async def _exchange_info(self, call: Call) -> object:
        symbols = [known_symbol(self._market, call.params)] if "symbol" in call.params else self._market.symbols
        return {
            "timezone": "UTC",
            "serverTime": self._market.server_ms,
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": self._weights.per_minute,
                }
            ],
            "exchangeFilters": [],
            "symbols": [listed(await self._market.facts(symbol)) for symbol in symbols],
        }

    async def _klines(self, call: Call) -> object:
        return await klines(self._market, call)

    async def _price(self, call: Call) -> object:
        symbol = known_symbol(self._market, call.params)
        newest = await self._minutes(symbol, None, 1)
        return {"symbol": symbol, "price": number(newest[-1].close)}

    async def _day(self, call: Call) -> object:
        """Answer with the last 24 hours as one candle; bid and ask are the last price."""
        symbol, now_ms = known_symbol(self._market, call.params), self._market.now_ms()
        minutes = await self._minutes(symbol, now_ms - DAY_MS, DAY_MS // MINUTE_MS + 1)
        day = merged(minutes, now_ms + 1)[0]  # no candle is that long: all go into one
        last = number(day.close)
        return {
            "symbol": symbol,
            "priceChange": number(day.close - day.open),
            "priceChangePercent": f"{(day.close / day.open - 1) * 100:.3f}",
            "lastPrice": last,
            "bidPrice": last,
            "bidQty": "1.00000000",
            "askPrice": last,
            "askQty": "1.00000000",
            "openPrice": number(day.open),
            "highPrice": number(day.high),
            "lowPrice": number(day.low),
            "volume": number(day.volume),
            "quoteVolume": f"{day.volume * day.close:.8f}",
            "openTime": now_ms - DAY_MS,
            "closeTime": now_ms,
            "count": len(minutes),
        }

    async def _depth(self, call: Call) -> object:
        """Answer with one bid a step below the last price, and one ask at it."""
        symbol = known_symbol(self._market, call.params)
        last, step = (await self._minutes(symbol, None, 1))[-1].close, (await self._market.facts(symbol)).price_step
        bid, ask = number(last - float(step)), number(last)
        return {"lastUpdateId": self._market.server_ms, "bids": [[bid, "10.0"]], "asks": [[ask, "10.0"]]}

    async def _trades(self, call: Call) -> object:
        """Answer with the closes of the last minutes, as if each were one trade."""
        minutes = await self._minutes(known_symbol(self._market, call.params), None, int(call.params.get("limit", 500)))
        return [
            {"a": at, "p": number(one.close), "q": number(one.volume), "f": at, "l": at, "T": one.timestamp,
             "m": one.close < one.open, "M": True}
            for at, one in ((one.timestamp // MINUTE_MS, one) for one in minutes)
        ]  # fmt: skip

    async def _minutes(self, symbol: str, start_ms: int | None, limit: int) -> Candles:
        minutes = await self._market.candles(symbol, MINUTE_MS, start_ms, None, limit)
        if len(minutes) == 0:
            raise Refusal(-1121, "Invalid symbol.")  # as before its listing
        return minutes
