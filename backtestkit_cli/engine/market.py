"""The candles of one symbol as the engine reads them: by row, and cut at a tick."""

import math
from bisect import bisect_right
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms, utc_text
from backtestkit_cli.errors import ContextError, NotEnoughCandlesError


class Series:
    """Contiguous candles of one interval; `start_ms` is the open time of the first."""

    __slots__ = ("candles", "interval", "length_ms", "size", "start_ms")

    def __init__(self, interval: str, candles: Candles) -> None:
        """Keep *candles*, which are not empty unless too few closed."""
        self.interval = interval
        self.candles = candles
        self.length_ms = interval_ms(interval)
        self.size = len(candles)
        self.start_ms = int(candles.timestamp[0]) if len(candles) else 0

    def closed_at(self, when_ms: int) -> int:
        """Return how many candles have closed at *when_ms*; it is also where a view must stop."""
        closed = (when_ms - self.start_ms) // self.length_ms
        return closed if 0 <= closed <= self.size else 0 if closed < 0 else self.size

    def close_ms(self, row: int) -> int:
        """Return when the candle of *row* closes."""
        return self.start_ms + (row + 1) * self.length_ms

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


class GappySeries(Series):
    """Candles of one interval with some missing inside: rows are counted, time is looked up."""

    __slots__ = ("_opens",)

    def __init__(self, interval: str, candles: Candles) -> None:
        """Keep *candles*."""
        super().__init__(interval, candles)
        self._opens: list[int] = candles.timestamp.tolist()

    def closed_at(self, when_ms: int) -> int:
        """Return how many candles have closed at *when_ms*."""
        return bisect_right(self._opens, when_ms - self.length_ms)

    def close_ms(self, row: int) -> int:
        """Return when the candle of *row* closes."""
        return self._opens[row] + self.length_ms


def series_of(interval: str, candles: Candles) -> Series:
    """Return *candles* as what finds rows fastest: by arithmetic where none is missing."""
    steps = max(len(candles) - 1, 0)
    span_ms = int(candles.timestamp[-1] - candles.timestamp[0]) if steps else 0
    return (Series if span_ms == steps * interval_ms(interval) else GappySeries)(interval, candles)


class Market:
    """One symbol: 1-minute candles and what is derived from them when first asked for.

    Rows are candle indices; row `k` stands for the tick at which candle `k` is the newest closed one. Where
    minutes are missing (`gaps: skip`) there is no tick: time goes on with the next row.
    """

    def __init__(self, symbol: str, candles: Candles, avg_price_candles: int) -> None:
        """Take 1-minute *candles*, at least one."""
        self.symbol = symbol
        self.candles = candles
        self._avg_price_candles = avg_price_candles
        self._minutes = series_of("1m", candles)
        self._series = {"1m": self._minutes}

    @cached_property
    def ticks(self) -> memoryview:
        """Return the tick of each row, in Unix ms."""
        ticks: Any = self.candles.timestamp + MINUTE_MS
        return memoryview(ticks)

    def row_at(self, when_ms: int) -> int:
        """Return the row of the newest candle closed at *when_ms*, -1 before the first."""
        return self._minutes.closed_at(when_ms) - 1

    def last_row(self, end_ms: int) -> int:
        """Return the row at which a frame that ends at *end_ms* ends."""
        return self.row_at(end_ms)

    def holds(self, _row: int) -> bool:
        """Return True: all candles of a replay are there."""
        return True

    def is_behind(self, _row: int) -> bool:
        """Return False: no replay is late."""
        return False

    def row_from(self, when_ms: int) -> int:
        """Return the row of the first tick at or after *when_ms*; after the last tick, the number of rows."""
        closed = self._minutes.closed_at(when_ms)
        return closed - 1 if closed and self._minutes.close_ms(closed - 1) == when_ms else closed

    def time_of(self, row: int) -> int:
        """Return the tick of *row*."""
        return self._minutes.close_ms(row)

    def each_minute(self, column: Floats, start_ms: int, end_ms: int) -> Floats:
        """Return *column*, a value a row, at each minute of `[start_ms, end_ms)`; a missing one has that before it."""
        first, last = self.row_at(start_ms), self.row_at(end_ms - MINUTE_MS)
        count = (end_ms - start_ms) // MINUTE_MS
        if last - first + 1 == count:
            return column[first : last + 1]
        minutes = np.arange(start_ms, end_ms, MINUTE_MS)
        return column[np.searchsorted(self.candles.timestamp, minutes - MINUTE_MS, side="right") - 1]

    def series(self, interval: str) -> Series:
        """Return the candles of *interval*, aggregated from minutes once."""
        found = self._series.get(interval)
        if found is None:
            found = self._series[interval] = series_of(
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
        price = rolling_average_price(self.candles, self._avg_price_candles)
        price.flags.writeable = False
        return price


def rolling_average_price(candles: Candles, n: int) -> Floats:
    """Return the average price of the last *n* candles at each row, as `Market.average_price` has it."""
    typical = (candles.high + candles.low + candles.close) / 3 * candles.volume
    money, volume, closes = (_rolling_sum(c, n) for c in (typical, candles.volume, candles.close))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(volume > 0, money / volume, closes / n)


def newest_average_price(candles: Candles, n: int) -> float:
    """Return the last of `rolling_average_price`, to the last bit: in plain numbers a tenth of the time.

    Added one by one, for `sum` of newer versions of Python rounds otherwise.
    """
    newest = candles.slice(max(0, len(candles) - n), len(candles))
    if len(newest) < n:
        return math.nan
    high, low, close, volume = (getattr(newest, name).tolist() for name in ("high", "low", "close", "volume"))
    traded = reduce(add, volume)
    if not traded > 0:
        return float(reduce(add, close) / n)
    money = reduce(add, [(h + lo + c) / 3 * v for h, lo, c, v in zip(high, low, close, volume, strict=True)])
    return float(money / traded)


def _rolling_sum(column: Floats, n: int) -> Floats:
    total = np.full(len(column), np.nan)
    if len(column) >= n:
        stop = len(column) - n + 1
        window = column[:stop].copy()
        for shift in range(1, n):
            window += column[shift : shift + stop]
        total[n - 1 :] = window
    return total
