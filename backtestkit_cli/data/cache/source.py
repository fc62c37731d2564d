"""A source behind the cache: what is there is read, what is missing is fetched once and kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backtestkit_cli.data.cache.filling import FetchProgress, Filling, Watch
from backtestkit_cli.data.cache.folder import CacheFolder
from backtestkit_cli.data.cache.partition import gaps_in
from backtestkit_cli.data.cache.series import Stored
from backtestkit_cli.data.local import LocalSource, plain_cache_name
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to, interval_ms, utc_text
from backtestkit_cli.domain.spans import Span, total_ms, without
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, suggestion
from backtestkit_cli.ports import RemoteSource

_ATTEMPTS = 3


class VenueRules(Protocol):
    """What a source says of its venue without asking it."""

    def cache_name(self, symbol: str) -> str:
        """Return the one name that all spellings of *symbol* share in the cache."""
        ...

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it."""
        ...

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the venue takes it."""
        ...


class PlainRules(LocalSource):
    """Rules of a venue that nobody asked: up to eight decimals, and symbols without their slash."""

    def cache_name(self, symbol: str) -> str:
        """Return `BTCUSDT` for `BTC/USDT`."""
        return plain_cache_name(symbol)


@dataclass(frozen=True, slots=True)
class Warmed:
    """What warming one span came to: candles there before, candles fetched, and what the source does not have.

    `span`, `gaps` and `unsettled` are half-open, in Unix ms; `missing` counts the candles that would fill
    the gaps. `unsettled` is so near the present that the source may still add to it: it is asked again.
    """

    symbol: str
    interval: str
    span: Span
    before: int
    fetched: int
    missing: int
    gaps: tuple[Span, ...]
    unsettled: tuple[Span, ...]
    requests: int


class CachedSource:
    """Candles of a remote source through the cache, or of the cache alone.

    A covered span is never asked for again. Candles of a longer interval are made from minutes where the
    whole span is cached as minutes and not as itself; else it is fetched and kept as itself.
    """

    def __init__(  # noqa: PLR0913 - each is one choice of a run
        self,
        remote: RemoteSource | None,
        folder: CacheFolder,
        name: str,
        *,
        now_ms: Callable[[], int],
        writes: bool = True,
        rules: VenueRules | None = None,
        on_progress: Callable[[FetchProgress], None] | None = None,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        """Keep candles under the exchange *name* in *folder*.

        Args:
            remote: asked for what is missing; None means offline, where that is an error.
            folder: the cache.
            name: the exchange, as reports and the cache call it.
            now_ms: returns real time in Unix ms; a candle that is not closed is neither asked for nor kept.
            writes: False reads what is there, fetches the rest, and changes nothing on disk.
            rules: the venue's ways while offline; a remote knows its own.
            on_progress: told after each answered request.
            on_damage: told of each file found damaged and where it is now, in one line.
        """
        self._name = name
        self._remote = remote
        self._rules: VenueRules = remote or rules or PlainRules()
        self._folder = folder
        self._now_ms = now_ms
        self._writes = writes
        self._mends = writes and remote is not None  # what nobody can fetch anew is left where it is
        self._watch = Watch(on_progress, on_damage)

    @property
    def name(self) -> str:
        """Return the name of the exchange."""
        return self._name

    @property
    def is_synthetic(self) -> bool:
        """Say whether the remote makes its candles up."""
        return self._remote is not None and self._remote.is_synthetic

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the closed candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`.

        Raises:
            MissingCandlesError: offline, a part of the span is not in the cache; or the remote has no such symbol.
            StorageError: what was fetched cannot be written.
            BacktestKitError: what else the remote raises; what was fetched before is kept.
        """
        filling = self._filling(symbol, interval, self._span(interval, start_ms, end_ms))
        _, stored = await self._complete(filling, symbol, interval)
        await self._restore(filling, symbol, interval)
        return stored.candles

    async def warm(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Warmed:
        """Fetch what the cache does not have of the closed candles of a span, and say what that came to.

        Raises:
            BacktestKitError: as `fetch` does; what was fetched before is kept.
        """
        filling = self._filling(symbol, interval, self._span(interval, start_ms, end_ms))
        before, stored = await self._complete(filling, symbol, interval)
        await self._restore(filling, symbol, interval)
        return Warmed(
            symbol=symbol,
            interval=interval,
            span=filling.span,
            before=before,
            fetched=filling.fetched,
            missing=total_ms(stored.gaps) // interval_ms(interval),
            gaps=stored.gaps,
            unsettled=filling.unsettled,
            requests=filling.requests,
        )

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it; see `CandleSource.format_price`."""
        return self._rules.format_price(symbol, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the venue takes it; see `CandleSource.format_quantity`."""
        return self._rules.format_quantity(symbol, quantity)

    async def close(self) -> None:
        """Let go of the remote's connections."""
        if self._remote is not None:
            await self._remote.close()

    def _span(self, interval: str, start_ms: int, end_ms: int) -> Span:
        """Return the whole intervals that open in the span and are closed by now; empty where there are none.

        Raises:
            MissingCandlesError: the span lies in the future.
        """
        length_ms = interval_ms(interval)
        now_ms = self._now_ms()
        if now_ms < start_ms < end_ms:
            span = f"{utc_text(start_ms)} – {utc_text(end_ms)}"  # noqa: RUF001 - an en dash is meant
            raise MissingCandlesError(f"{self._name}: {span} lies in the future, it is {utc_text(now_ms)} now")
        start, end = (-(-at // length_ms) * length_ms for at in (max(start_ms, 0), end_ms))
        return start, max(start, min(end, floor_to(now_ms, length_ms)))

    def _filling(self, symbol: str, interval: str, span: Span) -> Filling:
        series = self._folder.series(self._name, self._rules.cache_name(symbol), interval)
        return Filling(series, symbol, span, self._watch)

    async def _complete(self, filling: Filling, symbol: str, interval: str) -> tuple[int, Stored]:
        """Return how many candles of the span were there before, and all there are now."""
        before = None
        for _ in range(_ATTEMPTS):  # more than one where a file turns out to be damaged on the way
            stored = await filling.read(moves=self._mends)
            before = len(stored.candles) if before is None else before
            missing = filling.missing_in(stored)
            if not missing:
                return before, filling.completed(stored)
            made = await self._made_of_minutes(symbol, interval, filling.span)
            if made is not None:
                return len(made.candles), made
            if self._remote is None:
                raise MissingCandlesError(self._absent(symbol, interval, missing, filling.damage))
            if not self._writes:
                return before, await filling.fetch_beside(self._remote, self._now_ms, stored)
            await filling.fill(self._remote, self._now_ms)
        raise BadCandleError(f"{self._name}: {symbol} {interval}: the cache does not keep what is written to it")

    async def _restore(self, filling: Filling, symbol: str, interval: str) -> None:
        """Fetch what else a damaged file held: who needs it later may be offline."""
        for span in without(filling.lost, [filling.span]):
            await self._complete(self._filling(symbol, interval, self._span(interval, *span)), symbol, interval)

    async def _made_of_minutes(self, symbol: str, interval: str, span: Span) -> Stored | None:
        length_ms = interval_ms(interval)
        if length_ms == MINUTE_MS:
            return None
        minutes = await self._filling(symbol, "1m", span).read(moves=self._mends)
        if without([span], minutes.covered):
            return None
        candles = aggregated(_enclosed(minutes.candles, span), length_ms, MINUTE_MS)
        return Stored(candles, (span,), gaps_in(candles, [span], length_ms))

    def _absent(self, symbol: str, interval: str, missing: tuple[Span, ...], damage: list[str]) -> str:
        """Return what to say offline of spans that are not in the cache."""
        names = self._folder.symbols(self._name)
        name = self._rules.cache_name(symbol)
        hint = suggestion(name, names) if names and name not in names else ""
        start, end = missing[0]
        others = len(missing) - 1
        more = f" and {others:,} more span{'' if others == 1 else 's'}" if others else ""
        count = total_ms(missing) // interval_ms(interval)
        damaged = f" ({'; '.join(damage)})" if damage else ""
        return (
            f"{self._name}: {symbol}: {count:,} {interval} candles are not in the cache, offline: {utc_text(start)} –"  # noqa: RUF001
            f" {utc_text(end)}{more}{damaged}; `btk cache warm` without --offline fetches them{hint}"
        )


def _enclosed(candles: Candles, span: Span) -> Candles:
    """Return the minutes *candles* between two made-up ones around *span*.

    `aggregated` makes no candle that the first or last minute may cut. The whole of the span is known
    here, so that minutes missing at its ends cut nothing.
    """
    times = np.concatenate(([span[0] - MINUTE_MS], candles.timestamp, [span[1]]))
    prices = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return Candles.frozen(times, *(np.concatenate(([1.0], column, [1.0])) for column in prices))
