"""Pages that are on their way to disk when something ends the fetch."""

from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.data.cache.journal import Journal
from backtestkit_cli.data.cache.pages import Page
from backtestkit_cli.data.cache.series import SeriesFolder
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.errors import StorageError
from tests.data.cache.remotes import MONTH_END, minutes
from tests.data.candle_files import a_market, bytes_of

FROM = MONTH_END - minutes(50)
SPAN = (FROM, FROM + minutes(100))  # half of it in each of two months
PAGE = Page(SPAN, a_market(100, start=FROM), (SPAN,), Candles.empty())


def failing(series: SeriesFolder, monkeypatch: pytest.MonkeyPatch, *errors: BaseException) -> None:
    """Let the first writes into *series* fail."""
    left, add = list(errors), SeriesFolder.add

    def broken(self: SeriesFolder, *arguments: Any, **options: Any) -> None:
        if left:
            raise left.pop(0)
        add(self, *arguments, **options)

    monkeypatch.setattr(SeriesFolder, "add", broken)


async def kept(series: SeriesFolder, asked: Span) -> None:
    async with series.locked():
        with Journal(series, [asked], lambda _: None) as journal:
            await journal.keep(PAGE)


@pytest.fixture
def series(tmp_path: Path) -> SeriesFolder:
    return SeriesFolder(tmp_path / "1m", "1m")


async def test_ctrl_c_while_writing_loses_nothing(series: SeriesFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(series, monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await kept(series, asked=(FROM, SPAN[1] + minutes(1)))  # more is to come, so that only the end writes
    assert bytes_of(series.read(*SPAN).candles) == bytes_of(PAGE.candles)


async def test_what_could_not_be_written_is_written_at_the_end(
    series: SeriesFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(series, monkeypatch, StorageError("full"))
    with pytest.raises(StorageError, match="full"):
        await kept(series, asked=SPAN)
    assert bytes_of(series.read(*SPAN).candles) == bytes_of(PAGE.candles)
