"""The market of the venue: what of each symbol is known at the venue's present."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from backtestkit_cli.domain.candle import Candles
from tests.venue.symbols import SymbolFacts, facts_of
from tests.venue.tapes import Tape, merged

_SAMPLE = 1_000
_FOREVER_MS = 2**53
_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")


def real_now_ms() -> int:
    return time.time_ns() // 1_000_000


def clock_from(at_ms: int, speed: float = 1.0) -> Callable[[], int]:
    """Return a clock that shows *at_ms* now and goes on *speed* times as fast as real time."""
    began_ms = real_now_ms()
    return lambda: at_ms + int((real_now_ms() - began_ms) * speed)


class VenueMarket:
    """Candles by symbol and interval up to the present, the candle of the present among them.

    `now_ms` is the venue's clock and may be replaced at any time; candles come to light `lag_ms` after it.
    """

    def __init__(
        self,
        tapes: Mapping[str, Tape],
        *,
        now_ms: Callable[[], int] = real_now_ms,
        lag_ms: int = 0,
        facts: Mapping[str, SymbolFacts] | None = None,
    ) -> None:
        """Serve *tapes* by symbol; the *facts* of a symbol that are not given are found from its candles."""
        self.now_ms = now_ms
        self.lag_ms = lag_ms
        self.skew_ms = 0
        """By how much the clock that clients see is ahead of the market's."""
        self._tapes = tapes
        self._facts = dict(facts or {})

    @property
    def server_ms(self) -> int:
        """Return the time the venue says it is."""
        return self.now_ms() + self.skew_ms

    @property
    def symbols(self) -> list[str]:
        return list(self._tapes)

    async def facts(self, symbol: str) -> SymbolFacts:
        if symbol not in self._facts:
            tape = self._tapes[symbol]
            self._facts[symbol] = facts_of(symbol, await tape.candles(tape.finest_ms, 0, _FOREVER_MS, _SAMPLE))
        return self._facts[symbol]

    def restate(self, facts: SymbolFacts) -> None:
        """Let *facts* be those of their symbol from now on."""
        self._facts[facts.symbol] = facts

    async def ended(self, symbol: str, start_ms: int, limit: int) -> tuple[Candles, int]:
        """Return the shortest candles there are that open from *start_ms* on and have ended, and their length."""
        tape = self._tapes[symbol]
        stop_ms = self.now_ms() - tape.finest_ms + 1
        return await tape.candles(tape.finest_ms, start_ms, stop_ms, limit), tape.finest_ms

    async def newest_ended(self, symbol: str) -> Candles:
        """Return the last of them, or none."""
        tape = self._tapes[symbol]
        return await tape.candles(tape.finest_ms, None, self.now_ms() - tape.finest_ms + 1, 1)

    async def candles(
        self, symbol: str, length_ms: int, start_ms: int | None, last_ms: int | None, limit: int
    ) -> Candles:
        """Return the first *limit* candles that open in `[start_ms, last_ms]`; without a start the last ones.

        A candle that has not ended is what it has become so far.
        """
        tape, known_ms = self._tapes[symbol], self.now_ms() - self.lag_ms
        end_ms = known_ms + 1 if last_ms is None else min(last_ms, known_ms) + 1
        shown = await tape.candles(length_ms, start_ms, end_ms, limit)
        if len(shown) == 0 or shown[-1].timestamp + length_ms <= known_ms:
            return shown
        whole = shown.slice(len(shown) - 1, len(shown))
        parts = await tape.candles(tape.finest_ms, shown[-1].timestamp, known_ms + 1, length_ms // tape.finest_ms)
        forming = _so_far(parts, tape.finest_ms, known_ms) if len(parts) else _so_far(whole, length_ms, known_ms)
        return _joined(shown.slice(0, len(shown) - 1), merged(forming, length_ms))


def _so_far(candles: Candles, length_ms: int, known_ms: int) -> Candles:
    """Return *candles* of which the last has come only as far as its share of time, on a straight line."""
    last = candles[-1]
    share = min((known_ms - last.timestamp) / length_ms, 1.0)
    if share == 1:
        return candles
    close = round(last.open + (last.close - last.open) * share, 8)
    highest, lowest = max(last.open, close), min(last.open, close)
    row = (last.timestamp, last.open, highest, lowest, close, round(last.volume * share, 8))
    return _joined(candles.slice(0, len(candles) - 1), Candles.frozen(*(np.array([value]) for value in row)))


def _joined(first: Candles, second: Candles) -> Candles:
    return Candles.frozen(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in _COLUMNS))
