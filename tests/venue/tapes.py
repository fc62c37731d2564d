"""The life of one symbol: all the candles there will ever be, of any interval; the market says until when."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from backtestkit_cli.data.demo import END_MS, FIRST_MS, DemoMarket
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.ports import CandleSource
from tests.venue.files import candle_files, read_candles

DEMO_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LINKUSDT", "LTCUSDT")


class Tape(Protocol):
    """The candles of one symbol, whole ones only."""

    @property
    def finest_ms(self) -> int:
        """Return the length of the shortest candles there are."""
        ...

    async def candles(self, length_ms: int, start_ms: int | None, end_ms: int, limit: int) -> Candles:
        """Return the first *limit* candles that open in `[start_ms, end_ms)`; without a start the last ones."""
        ...


class HeldTape:
    """Candles in memory or in files, by interval; an interval that is missing is merged from the next shorter one.

    Nothing is checked: a venue may have bad candles.
    """

    def __init__(self, given: Mapping[str, Candles | Path]) -> None:
        self._given = {interval_ms(interval): candles for interval, candles in given.items()}
        self._whole: dict[int, Candles] = {}
        self.finest_ms = min(self._given)

    async def candles(self, length_ms: int, start_ms: int | None, end_ms: int, limit: int) -> Candles:
        if length_ms not in self._whole:
            self._whole[length_ms] = self._make(length_ms)
        whole = self._whole[length_ms]
        stop = int(np.searchsorted(whole.timestamp, end_ms))
        if start_ms is None:
            return whole.slice(max(stop - limit, 0), stop)
        first = int(np.searchsorted(whole.timestamp, start_ms))
        return whole.slice(first, min(first + limit, stop))

    def _make(self, length_ms: int) -> Candles:
        length_there_ms = max((there_ms for there_ms in self._given if length_ms % there_ms == 0), default=None)
        if length_there_ms is None:
            return Candles.empty()
        given = self._given[length_there_ms]
        whole = read_candles(given) if isinstance(given, Path) else given
        return whole if length_there_ms == length_ms else merged(whole, length_ms)


class SourceTape:
    """The minutes of a source that has no gaps between *first_ms* and *end_ms*."""

    finest_ms = MINUTE_MS

    def __init__(self, source: CandleSource, symbol: str, first_ms: int, end_ms: int) -> None:
        self._source = source
        self._symbol = symbol
        self._first_ms = first_ms
        self._end_ms = end_ms

    async def candles(self, length_ms: int, start_ms: int | None, end_ms: int, limit: int) -> Candles:
        first_ms, stop_ms = self._first_ms, min(_ceil(end_ms, length_ms), self._end_ms)
        if start_ms is None:
            first_ms = max(first_ms, stop_ms - limit * length_ms)
        else:
            first_ms = max(first_ms, _ceil(start_ms, length_ms))
            stop_ms = min(stop_ms, first_ms + limit * length_ms)
        return merged(await self._source.fetch(self._symbol, "1m", first_ms, stop_ms), length_ms)


def held(candles: Mapping[str, Candles], interval: str = "1m") -> dict[str, Tape]:
    """Return tapes of *candles* by symbol, all of *interval*."""
    return {symbol: HeldTape({interval: those}) for symbol, those in candles.items()}


def tapes_in(path: Path) -> dict[str, Tape]:
    """Return a tape for each symbol in a file or folder of candles, which is read when first asked for."""
    return {symbol: HeldTape(files) for symbol, files in candle_files(path).items()}


def demo_tapes(symbols: Iterable[str] = DEMO_SYMBOLS, seed: int = 7) -> dict[str, Tape]:
    """Return tapes with the very candles of btk's own demo market."""
    source = DemoMarket(seed)
    return {symbol: SourceTape(source, symbol, FIRST_MS, END_MS) for symbol in symbols}


def merged(candles: Candles, length_ms: int) -> Candles:
    """Return candles of *length_ms* from shorter ones that may have gaps.

    Unlike btk's own aggregation it keeps a first and a last candle that are not whole: on the day
    a symbol is listed, Binance's candle of the day starts in its middle.
    """
    if len(candles) == 0:
        return candles
    opens = candles.timestamp // length_ms
    rows = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    lasts = np.append(rows[1:], len(candles)) - 1
    return Candles.frozen(
        opens[rows] * length_ms,
        candles.open[rows],
        np.maximum.reduceat(candles.high, rows),
        np.minimum.reduceat(candles.low, rows),
        candles.close[lasts],
        np.add.reduceat(candles.volume, rows),
    )


def _ceil(at_ms: int, length_ms: int) -> int:
    return -(-at_ms // length_ms) * length_ms
