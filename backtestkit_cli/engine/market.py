"""The candles of one symbol as the engine reads them: by row, and cut at a tick."""

from functools import cached_property

import numpy as np

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms, utc_text
from backtestkit_cli.errors import ContextError, NotEnoughCandlesError


class Series:
    """Contiguous candles of one interval; `start_ms` is the open time of the first."""

    __slots__ = ("candles", "interval", "length_ms", "size", "start_ms")

    def __init__(self, interval: str, candles: Candles) -> None:
        """Keep *candles*, which are contiguous and not empty unless too few closed."""
        self.interval = interval
        self.candles = candles
        self.length_ms = interval_ms(interval)
        self.size = len(candles)
        self.start_ms = int(candles.timestamp[0]) if len(candles) else 0

    def closed_at(self, when_ms: int) -> int:
        """Return how many candles have closed at *when_ms*; it is also where a view must stop."""
        closed = (when_ms - self.start_ms) // self.length_ms
        return closed if 0 <= closed <= self.size else 0 if closed < 0 else self.size

    def last(self, n: object, when_ms: int, symbol: str) -> slice:
        """Return the rows of the last *n* candles closed at *when_ms*.

        Raises:
            NotEnoughCandlesError: fewer have closed.
        """
        if not isinstance(n, int) or n < 1:
            raise ContextError(f"the number of candles must be a whole number of at least 1, was {n!r}")
        closed = self.closed_at(when_ms)
        if n > closed:
            raise NotEnoughCandlesError(
                f"{symbol}: {n} candles of {self.interval} were asked for at {utc_text(when_ms)}, "
                f"{closed} have closed since the history begins; declare warm_up={{{self.interval!r}: {n}}}"
            )
        return slice(closed - n, closed)


class Market:
    """One symbol: contiguous 1-minute candles and what is derived from them when first asked for.

    Rows are candle indices; row `k` stands for the tick at which candle `k` is the newest closed one.
    """

    def __init__(self, symbol: str, candles: Candles, avg_price_candles: int) -> None:
        """Take contiguous 1-minute *candles*, at least one."""
        self.symbol = symbol
        self.candles = candles
        self._avg_price_candles = avg_price_candles
        self._first_tick_ms = int(candles.timestamp[0]) + MINUTE_MS
        self._series = {"1m": Series("1m", candles)}

    def row_at(self, when_ms: int) -> int:
        """Return the row of the tick *when_ms*, which need not be in the history."""
        return (when_ms - self._first_tick_ms) // MINUTE_MS

    def time_of(self, row: int) -> int:
        """Return the tick of *row*."""
        return self._first_tick_ms + row * MINUTE_MS

    def series(self, interval: str) -> Series:
        """Return the candles of *interval*, aggregated from minutes once."""
        found = self._series.get(interval)
        if found is None:
            found = self._series[interval] = Series(
                interval, aggregated(self.candles, interval_ms(interval), MINUTE_MS)
            )
        return found

    def visible(self, interval: str, n: int, when_ms: int) -> Candles:
        """Return the last *n* candles of *interval* that are closed at *when_ms*, as views."""
        series = self.series(interval)
        rows = series.last(n, when_ms, self.symbol)
        return series.candles.slice(rows.start, rows.stop)

    @cached_property
    def average_price(self) -> Floats:
        """Return the VWAP of each row: `Σ (high+low+close)/3·volume ÷ Σ volume` over the newest candles.

        Where the volume is 0 it is their mean close, and NaN where too few candles exist. Sums run over
        the same terms in the same order for every row, so that a longer history changes no bit of it.
        """
        candles, n = self.candles, self._avg_price_candles
        typical = (candles.high + candles.low + candles.close) / 3 * candles.volume
        money, volume, closes = (_rolling_sum(c, n) for c in (typical, candles.volume, candles.close))
        with np.errstate(invalid="ignore", divide="ignore"):
            price = np.where(volume > 0, money / volume, closes / n)
        price.flags.writeable = False
        return price


def _rolling_sum(column: Floats, n: int) -> Floats:
    total = np.full(len(column), np.nan)
    if len(column) >= n:
        stop = len(column) - n + 1
        window = column[:stop].copy()
        for shift in range(1, n):
            window += column[shift : shift + stop]
        total[n - 1 :] = window
    return total
