"""Candles and number formats of any exchange that ccxt knows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Unpack
from urllib.parse import urlsplit

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.grid import price_text, quantity_text
from backtestkit_cli.domain.interval import floor_to, interval_ms, utc_text
from backtestkit_cli.errors import ConfigError, DataError, MissingCandlesError, UnknownNameError
from backtestkit_cli.exchange import symbols
from backtestkit_cli.exchange.building import Account, exchange_class
from backtestkit_cli.exchange.clients import Asker, Client, client_of, known_listings, release
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.history import History, Memory, edged
from backtestkit_cli.exchange.ids import checked_exchange_id
from backtestkit_cli.exchange.intervals import Timeframe, serving
from backtestkit_cli.exchange.listening import Opened, streaming_exchange, streams
from backtestkit_cli.exchange.listings import Listing, Listings, load, save
from backtestkit_cli.exchange.page_sizes import page_size
from backtestkit_cli.exchange.pages import Table, candles_of
from backtestkit_cli.exchange.retrying import Retry
from backtestkit_cli.exchange.stream import CandleStream, StreamOptions
from backtestkit_cli.exchange.venue_clock import ClockReading, read_clock

_NO_RETRY_SETTINGS = Retry()


class CcxtSource:
    """A venue of ccxt; all sources of one venue, market, URL and key share a client and its rate limit.

    Nothing is opened before the first fetch. An interval that the venue lacks is made of a shorter one.
    """

    is_synthetic = False

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        name: str,
        exchange_id: str,
        market: str = "spot",
        url: str | None = None,
        retry: Retry = _NO_RETRY_SETTINGS,
        environ: Mapping[str, str],
        now_ms: Callable[[], int],
        markets_file: Path | None = None,
        writes: bool = True,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Serve *exchange_id* under *name*, with the credentials that *environ* holds for *name*, if any.

        *url* leads all requests to another scheme and host (`http://127.0.0.1:8700`), paths are kept.
        *markets_file* is written once the markets are loaded, unless not *writes*, and read by formats as long
        as they are not. *on_wait* hears, in one line, of each wait after which something is asked again.

        Raises:
            ConfigError: the exchange or the market is unknown, or *url* is none.
        """
        if market not in symbols.MARKET_KINDS:
            raise UnknownNameError("market", market, symbols.MARKET_KINDS, where=name)
        if url is not None and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
            raise ConfigError(f"{name}: expected a URL such as http://127.0.0.1:8700, found {url!r}")
        credentials = Credentials.of(name, environ)
        self.name = name
        self._account = Account(checked_exchange_id(exchange_id), market, url, credentials)
        self._asker = Asker(name, credentials, retry, now_ms, on_wait)
        self._now_ms = now_ms
        self._behind_ms = 0
        self._markets_file = markets_file
        self._is_saved = not writes
        self._memories: dict[tuple[str, str], Memory] = {}
        self._listings_read: Listings | None = None
        self._resolved: dict[str, Listing] = {}

    @property
    def page_candles(self) -> int:
        """Return how many candles one request brings; asking for it imports ccxt.

        An interval that is made of a shorter one takes as many requests more as it is longer.
        """
        return page_size(exchange_class(self._account.exchange_id), self._account.market)

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`.

        Raises:
            MissingCandlesError: also when all of the span is in the future.
        """
        length_ms = interval_ms(interval)
        now_ms = self._now_ms()
        asked = f"{self.name} {symbol} {interval}, {utc_text(start_ms)} to {utc_text(end_ms)}"
        if now_ms < start_ms < end_ms:
            raise MissingCandlesError(f"{asked}: the span is in the future, it is {utc_text(now_ms)} now")
        first_ms = -(-start_ms // length_ms) * length_ms
        stop_ms = min(-(-end_ms // length_ms) * length_ms, floor_to(now_ms, length_ms))
        if first_ms >= stop_ms:
            return Candles.empty()
        client = client_of(self._account, self)
        listing = symbols.resolve(symbol, await self._listings(client), self._account.market, self.name)
        timeframe = serving(interval, client.exchange.timeframes or {}, self.name)
        history = self._history(client, listing, timeframe)
        table, closed_ms = await history.read(first_ms, stop_ms)
        if closed_ms < stop_ms:
            self._behind_ms = max(self._behind_ms, now_ms - closed_ms)
        candles = candles_of(table)
        check(candles, timeframe.length_ms, asked)
        if timeframe.length_ms == length_ms:
            return candles
        # By the venue's clock, which may be behind ours.
        now_ms = now_ms if closed_ms == stop_ms else closed_ms
        return _made_of(table, (first_ms, floor_to(closed_ms, length_ms)), length_ms, timeframe.length_ms, now_ms)

    def now_ms(self) -> int:
        """Return the present: ours, less what the venue's clock was seen to be behind it."""
        return self._now_ms() - self._behind_ms

    async def listings_of(self, symbols_asked: Iterable[str]) -> dict[str, Listing]:
        """Return the market that each symbol means; the venue is asked for its markets once per process.

        Raises:
            MissingCandlesError: the venue has no such symbol.
            VenueError: it refused, or was not reached.
        """
        listings = await self._listings(client_of(self._account, self))
        return {one: symbols.resolve(one, listings, self._account.market, self.name) for one in symbols_asked}

    async def read_clock(self) -> ClockReading:
        """Return the venue's clock beside ours; see `venue_clock.read_clock`."""
        return await read_clock(client_of(self._account, self), self._asker)

    async def clock_skew_ms(self) -> float:
        """Return the venue's time minus ours.

        Raises:
            VenueError: the venue refused, was not reached within the retries, or does not tell its time.
        """
        return (await self.read_clock()).skew_ms

    def stream(self, rng: Random, **options: Unpack[StreamOptions]) -> CandleStream | None:
        """Return a stream of closed candles, or None where ccxt.pro, which this imports, has none of the venue.

        It must be closed before the source is. *rng* makes the waits between connections differ.
        """
        if not streams(self._account.exchange_id):
            return None
        return CandleStream(self.name, self._open_stream, now_ms=self._now_ms, rng=rng, **options)

    async def _open_stream(self, asked: Sequence[str]) -> Opened:
        markets = {symbol: listing.symbol for symbol, listing in (await self.listings_of(asked)).items()}
        client = client_of(self._account, self)
        exchange = streaming_exchange(self._account, client.pause)
        exchange.set_markets_from_exchange(client.exchange)
        return Opened(exchange, markets, self._asker.retry, self._now_ms)

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* on the nearest step of the venue; the markets must have been loaded once, by any run."""
        return price_text(self._listing(symbol).grid, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* on the step of the venue at or below it; see `format_price`."""
        return quantity_text(self._listing(symbol).grid, quantity)

    def cache_name(self, symbol: str) -> str:
        """Return the name that *symbol* shares with its other spellings; see `symbols.cache_name`."""
        return symbols.cache_name(symbol, self._account.market)

    async def close(self) -> None:
        """Close the client of the running event loop once no other source uses it."""
        await release(self._account, self)

    async def _listings(self, client: Client) -> Listings:
        listings = await client.listings(self._asker)
        if self._markets_file and not self._is_saved:
            save(self._markets_file, listings)
            self._is_saved = True
        return listings

    def _history(self, client: Client, listing: Listing, timeframe: Timeframe) -> History:
        memory = self._memories.setdefault((listing.symbol, timeframe.name), Memory())
        return History(client, self._asker, listing.symbol, timeframe, self.page_candles, memory)

    def _listing(self, symbol: str) -> Listing:
        if symbol not in self._resolved:
            self._resolved[symbol] = symbols.resolve(symbol, self._known(), self._account.market, self.name)
        return self._resolved[symbol]

    def _known(self) -> Listings:
        listings = known_listings(self._account) or self._listings_read
        if listings is None:
            file = self._markets_file
            if file is None or not file.is_file():
                where = f"expected them in {file}; " if file else ""
                raise DataError(f"{self.name}: its markets are not known yet: {where}fetch candles from it once")
            listings = self._listings_read = load(file)
        return listings


def _made_of(table: Table, span: tuple[int, int], length_ms: int, part_ms: int, now_ms: int) -> Candles:
    """Return the candles of *length_ms* within *span* from the parts in *table*.

    The newest candle is made of all its parts or not at all, since one may still come.
    """
    start_ms, end_ms = span
    is_settled = end_ms + length_ms <= now_ms
    return aggregated(candles_of(edged(table, start_ms, end_ms if is_settled else None, part_ms)), length_ms, part_ms)
