"""One span of one series on its way from what is cached to complete."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from backtestkit_cli.data.cache.journal import Journal
from backtestkit_cli.data.cache.pages import Page, fetch_pages, pages_of
from backtestkit_cli.data.cache.partition import DamagedFileError, gaps_in
from backtestkit_cli.data.cache.series import SeriesFolder, Stored, united
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.spans import Span, merged, total_ms, without
from backtestkit_cli.errors import StorageError
from backtestkit_cli.ports import RemoteSource


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """How far the fetching of one series has come.

    `expected` counts the candles that would fill what was missing, so that `fetched` stays below it where
    the source has gaps; `answered` of `requests` requests are done.
    """

    symbol: str
    interval: str
    fetched: int
    expected: int
    answered: int
    requests: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of progress, after each answered request, and of damaged files, one line each."""

    on_progress: Callable[[FetchProgress], None] | None = None
    on_damage: Callable[[str], None] | None = None


class Filling:
    """Reads and fetches `span` (Unix ms, whole intervals) of one series, and counts what that takes."""

    def __init__(self, series: SeriesFolder, symbol: str, span: Span, watch: Watch) -> None:
        """Fill *series* with candles of what the source calls *symbol*."""
        self.span = span
        self.fetched = 0
        self.requests = 0
        self.unsettled: tuple[Span, ...] = ()
        self.damage: list[str] = []
        self.lost: list[Span] = []
        self._loose: list[Candles] = []
        self._series = series
        self._symbol = symbol
        self._watch = watch
        self._ignored: set[Path] = set()
        self._told = 0

    async def read(self, *, moves: bool) -> Stored:
        """Return what is there of the span; damaged files count as absent, and are moved aside if *moves*.

        Raises:
            DataError: a file is of a newer version, cannot be read, or holds bad candles.
        """
        while True:
            try:
                return await asyncio.to_thread(self._series.read, *self.span, ignored=frozenset(self._ignored))
            except DamagedFileError as error:
                await self._deal_with(error, moves=moves)

    def missing_in(self, stored: Stored) -> tuple[Span, ...]:
        """Return what of the span is neither *stored* nor too near the present to be settled."""
        return without([self.span], (*stored.covered, *self.unsettled))

    async def fill(self, remote: RemoteSource, now_ms: Callable[[], int]) -> None:
        """Fetch what is missing into the series; what another process has fetched meanwhile is not asked again.

        Raises:
            BacktestKitError: the remote failed or a file cannot be written; what was fetched before is kept.
        """
        async with self._series.locked():
            try:
                covered = self._series.covered(*self.span)
                missing = without([self.span], (*covered, *self.unsettled))
                with Journal(self._series, missing, self._set_aside) as journal:
                    await self._fetch(remote, now_ms, missing, journal.keep)
            except DamagedFileError as error:
                self._set_aside(error)
            finally:
                self._tell()

    async def fetch_beside(self, remote: RemoteSource, now_ms: Callable[[], int], stored: Stored) -> Stored:
        """Return *stored* completed by what is missing, which is fetched and kept nowhere."""
        pages: list[Page] = []

        async def keep(page: Page) -> None:
            pages.append(page)

        await self._fetch(remote, now_ms, self.missing_in(stored), keep)
        candles = united([stored.candles, *(page.candles for page in pages)])
        covered = merged((*stored.covered, *(span for page in pages for span in page.covered)))
        return self.completed(Stored(candles, covered, gaps_in(candles, covered, self._series.length_ms)))

    def completed(self, stored: Stored) -> Stored:
        """Return *stored* with the candles that were fetched and are not settled yet."""
        if not any(map(len, self._loose)):
            return stored
        return Stored(united([stored.candles, *self._loose]), stored.covered, stored.gaps)

    async def _fetch(
        self,
        remote: RemoteSource,
        now_ms: Callable[[], int],
        missing: tuple[Span, ...],
        keep: Callable[[Page], Awaitable[None]],
    ) -> None:
        length_ms = self._series.length_ms
        expected = self.fetched + total_ms(missing) // length_ms
        requests = self.requests + len(pages_of(missing, remote.page_candles * length_ms))

        async def count_and_keep(page: Page) -> None:
            self.fetched += len(page.candles) + len(page.loose)
            self._loose.append(page.loose)
            self.requests += 1
            self.unsettled = merged((*self.unsettled, *without([page.asked], page.covered)))
            await keep(page)
            if self._watch.on_progress is not None:
                interval = self._series.interval
                self._watch.on_progress(
                    FetchProgress(self._symbol, interval, self.fetched, expected, self.requests, requests)
                )

        await fetch_pages(remote, (self._symbol, self._series.interval), missing, now_ms, count_and_keep)

    async def _deal_with(self, error: DamagedFileError, *, moves: bool) -> None:
        if moves:
            try:
                async with self._series.locked():
                    self._set_aside(error)
            except StorageError:
                moves = False
        if not moves:
            self._ignored.add(error.file)
            self.damage.append(f"{error}; left where it is")
        self._tell()

    def _set_aside(self, error: DamagedFileError) -> None:
        promised = self._series.promised(error.file)
        target = self._series.set_aside(error.file)
        if target is not None:
            self.lost += promised
            self.damage.append(f"{error}; moved aside to {target.name}")

    def _tell(self) -> None:
        new, self._told = self.damage[self._told :], len(self.damage)
        for message in new:
            if self._watch.on_damage is not None:
                self._watch.on_damage(message)
