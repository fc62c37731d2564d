"""Pages on their way into a series: written now and then while more arrive, and always at the end."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from backtestkit_cli.data.cache.months import months_between
from backtestkit_cli.data.cache.pages import Page
from backtestkit_cli.data.cache.partition import DamagedFileError
from backtestkit_cli.data.cache.series import SeriesFolder, united
from backtestkit_cli.domain.spans import Span, clipped, merged, total_ms
from backtestkit_cli.errors import BacktestKitError

_EVERY_S = 2.0


class Journal:
    """Takes the pages of one series, whose lock the caller holds; use it in `with`, which writes the rest.

    A month is written once all its pages have come, and every two seconds whatever has come so far:
    that much is lost at most when the process is killed, and nothing when it ends in any other way.
    """

    def __init__(
        self, series: SeriesFolder, asked: Iterable[Span], set_aside: Callable[[DamagedFileError], None]
    ) -> None:
        """Expect pages of *asked*; *set_aside* is called, in any thread, with a file there that is damaged."""
        self._series = series
        self._set_aside = set_aside
        self._left_ms: dict[Span, int] = {}
        for start, end in asked:
            for month in months_between(start, end):
                self._left_ms[month] = self._left_ms.get(month, 0) + total_ms(clipped([(start, end)], *month))
        self._pending: dict[Span, list[Page]] = {}
        self._guard = threading.Lock()  # of what is pending
        self._writing = threading.Lock()
        self._written_at = time.monotonic()

    async def keep(self, page: Page) -> None:
        """Take *page*, and write what is due in a thread meanwhile.

        Raises:
            StorageError: something cannot be written.
        """
        months = months_between(*page.asked)
        with self._guard:
            for month in months:
                self._pending.setdefault(month, []).append(page)
                self._left_ms[month] -= total_ms(clipped([page.asked], *month))
        due = [month for month in months if self._left_ms[month] == 0]
        if time.monotonic() - self._written_at >= _EVERY_S:
            self._written_at = time.monotonic()
            due = list(self._pending)
        if due:
            await asyncio.to_thread(self._write, due)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # In the event loop's own thread: nothing that is cancelled comes between the pages and their files.
        try:
            self._write()
        except KeyboardInterrupt:  # Ctrl-C while writing
            self._write()
            raise
        except BacktestKitError:
            if error is None:
                raise

    def _write(self, months: Iterable[Span] | None = None) -> None:
        """Write what is pending of *months*, or all; a page is pending until it is in its file."""
        with self._writing:
            for month in list(self._pending) if months is None else months:
                with self._guard:
                    pages = list(self._pending[month])
                if pages:
                    self._write_month(month, pages)
                    with self._guard:
                        del self._pending[month][: len(pages)]

    def _write_month(self, month: Span, pages: list[Page]) -> None:
        covered = clipped(merged(span for page in pages for span in page.covered), *month)
        candles = united([page.candles for page in pages])
        try:
            self._series.add(candles, covered)
        except DamagedFileError as error:
            self._set_aside(error)
            self._series.add(candles, covered)
