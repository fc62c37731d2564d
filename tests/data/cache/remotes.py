"""A venue in memory that counts what it is asked, and what tests of the cache share."""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backtestkit_cli.data.cache.folder import CacheFolder
from backtestkit_cli.data.cache.source import CachedSource
from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.spans import Span, merged, total_ms
from backtestkit_cli.errors import MissingCandlesError, VenueError
from tests.data.candle_files import START, a_market, without

NOW = START + 10_000 * 24 * 60 * MINUTE_MS  # long after every candle
MONTH_END = 1_738_368_000_000  # 2025-02-01 00:00


class Venue(LocalSource):
    """Serves candles by (symbol, interval); every request is noted, in memory and in a file that processes share."""

    name = "venue"
    is_synthetic = False

    def __init__(
        self,
        candles: Mapping[tuple[str, str], Candles],
        *,
        page: int = 100,
        delay_s: float = 0.0,
        log: Path | None = None,
        fails_after: int | None = None,
    ) -> None:
        self.candles = dict(candles)
        self.asked: list[tuple[str, str, int, int]] = []
        self.during: Callable[[], None] | None = None
        self.clock_ms = 2**62  # whoever asks has the earlier clock
        self._page = page
        self._delay_s = delay_s
        self._log = log
        self._fails_after = fails_after

    @property
    def page_candles(self) -> int:
        return self._page

    def now_ms(self) -> int:
        return self.clock_ms

    def cache_name(self, symbol: str) -> str:
        return symbol.replace("/", "")

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        assert 0 < (end_ms - start_ms) // interval_ms(interval) <= self._page
        if self._fails_after is not None and len(self.asked) >= self._fails_after:
            raise VenueError("venue: gone")
        self.asked.append((symbol, interval, start_ms, end_ms))
        if self._log is not None:
            with self._log.open("a") as log:
                os.write(log.fileno(), f"{symbol} {interval} {start_ms} {end_ms}\n".encode())
        await asyncio.sleep(self._delay_s)
        if self.during is not None:
            self.during()
        held = self.candles.get((self.cache_name(symbol), interval))
        if held is None:
            raise MissingCandlesError(f"venue: no {interval} candles of {symbol!r}")
        first, last = np.searchsorted(held.timestamp, [start_ms, end_ms]).tolist()
        return held.slice(first, last)

    def spans(self) -> list[Span]:
        return [(start, end) for _, _, start, end in self.asked]


def gappy(count: int, *, start: int = START, seed: int = 1, missing: float = 0.1) -> Candles:
    """Return a market of *count* minutes of which some are missing, alone and in a row."""
    draws = np.random.default_rng(seed)
    rows = np.flatnonzero(draws.random(count) < missing / 2)
    more = {int(row + step) for row in rows for step in range(int(draws.integers(1, 4))) if row + step < count}
    return without(a_market(count, start=start, seed=seed), *sorted(more))


def a_venue(candles: Candles | None = None, *, symbol: str = "BTCUSDT", page: int = 100) -> Venue:
    return Venue({(symbol, "1m"): a_market(3000) if candles is None else candles}, page=page)


def cached(root: Path, venue: Venue | None, *, now: int = NOW, writes: bool = True, **watch: Any) -> CachedSource:
    return CachedSource(venue, CacheFolder(root), "venue", now_ms=lambda: now, writes=writes, **watch)


def tree(root: Path) -> dict[str, bytes]:
    """Return all files below *root* by name, but for the locks."""
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def no_minute_twice(spans: list[Span]) -> bool:
    return total_ms(merged(spans)) == total_ms(spans)


def minutes(count: int) -> int:
    return count * MINUTE_MS
