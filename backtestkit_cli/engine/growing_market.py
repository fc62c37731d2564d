"""A market whose candles are still to come: a window of history with room for more, written minute by minute."""

import numpy as np

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import NUMBERS, Candles, Floats
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.engine.market import Market, Series, newest_average_price, rolling_average_price, series_of


class GrowingMarket(Market):
    """One symbol on a clock that does not wait.

    The window holds the history it began with and `room` minutes more. Rows that are not there yet have their time,
    as if no minute were going to be missing, and no prices. A window that is full, or in which a minute was left out,
    is over: whoever lives on it goes on with its `successor`.

    All that there is of the minutes before `known_ms` is known. `last_ms` is the tick of the last candle there will
    ever be, where that is known as well.
    """

    def __init__(
        self,
        symbol: str,
        history: Candles,
        avg_price_candles: int,
        room: int,
        *,
        known_ms: int,
        last_ms: int | None = None,
    ) -> None:
        """Begin with *history*, all there is before *known_ms*."""
        self.known_ms = known_ms
        self._last_ms = last_ms
        self._filled = len(history)
        self._room = room
        size = self._filled + room + 1
        times = np.empty(size, np.int64)
        times[: self._filled] = history.timestamp
        times[self._filled :] = known_ms + MINUTE_MS * np.arange(room + 1)
        self._columns: dict[str, Floats] = {}
        for name in NUMBERS:
            column = np.full(size, np.nan)
            column[: self._filled] = getattr(history, name)
            self._columns[name] = column
        views = {name: _read_only(column) for name, column in self._columns.items()}
        super().__init__(symbol, Candles(_read_only(times), **views), avg_price_candles)
        self._averages = np.full(size, np.nan)
        self._averages[: self._filled] = rolling_average_price(history, avg_price_candles)
        self.average_price = _read_only(self._averages)
        self.is_over = False
        self._renew()

    @property
    def filled(self) -> int:
        """Return how many candles there are."""
        return self._filled

    def last_row(self, end_ms: int) -> int:
        """Return the row of the newest candle closed at *end_ms*, as far as one can tell beforehand."""
        if self._last_ms is not None:
            end_ms = min(end_ms, self._last_ms)
        if end_ms <= self.known_ms:
            return self.row_at(end_ms)
        return self._filled - 1 + (end_ms - self.known_ms) // MINUTE_MS

    def holds(self, row: int) -> bool:
        """Say whether the candle of *row* is there."""
        return row < self._filled

    def is_behind(self, row: int) -> bool:
        """Say whether whoever is at *row* has the next one before it already."""
        return row + 1 < self._filled

    def append(self, candles: Candles) -> int:
        """Add as many of *candles*, those of each minute from `known_ms` on, as there is room for; return how many.

        The window is over once not all of them fit.
        """
        count = min(len(candles), len(self._averages) - 1 - self._filled)
        start, stop = self._filled, self._filled + count
        for name, column in self._columns.items():
            column[start:stop] = getattr(candles, name)[:count]
        for row in range(start, stop):
            first = max(0, row + 1 - self._avg_price_candles)
            self._averages[row] = newest_average_price(self.candles.slice(first, row + 1), self._avg_price_candles)
        self._filled = stop
        self.known_ms += count * MINUTE_MS
        self.is_over = count < len(candles)
        self._renew()
        return count

    def successor(self, following: Candles, keep: int | None, known_ms: int) -> "GrowingMarket":
        """Return the window that goes on after this one with *following*, all there is of the minutes up to *known_ms*.

        It keeps the last *keep* candles, or all.
        """
        self.is_over = True
        past = self.known_candles
        if keep is not None:
            past = past.slice(max(0, len(past) - keep), len(past))
        history = Candles.joined([past, following]) if len(following) else past
        names = self.symbol, history, self._avg_price_candles, self._room
        return GrowingMarket(*names, known_ms=known_ms, last_ms=self._last_ms)

    @property
    def known_candles(self) -> Candles:
        """Return the candles that are there."""
        return self._known

    def _renew(self) -> None:
        """Let what is derived from the candles be derived again."""
        self._known = self.candles.slice(0, self._filled)
        self._minutes = series_of("1m", self._known)
        self._series = {"1m": self._minutes}

    def series(self, interval: str) -> Series:
        """Return the candles of *interval* that are known now."""
        found = self._series.get(interval)
        if found is None:
            length_ms = interval_ms(interval)
            found = self._series[interval] = series_of(interval, aggregated(self.known_candles, length_ms, MINUTE_MS))
        return found


def _read_only(column: np.ndarray) -> np.ndarray:
    view = column[:]
    view.flags.writeable = False
    return view
