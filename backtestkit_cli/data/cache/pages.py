"""Asking a remote source for spans, page by page, and what each answer says about them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to, interval_ms
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.ports import RemoteSource

_SIDE_BY_SIDE = 16
_SETTLE_MS = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to one request: `covered` is the part of `asked` (both Unix ms) that it settles for good.

    `loose` are closed candles after that, which the venue may still change: they are used, and not kept.
    """

    asked: Span
    candles: Candles
    covered: tuple[Span, ...]
    loose: Candles


def pages_of(spans: Iterable[Span], page_ms: int) -> list[Span]:
    """Return *spans* cut into pieces of at most *page_ms*, each counted from the start of its span."""
    return [(at, min(at + page_ms, end)) for start, end in spans for at in range(start, end, page_ms)]


def page_from(candles: Candles, asked: Span, now_ms: int, length_ms: int) -> Page:
    """Return what *candles* say about *asked*, which was asked at *now_ms*.

    Venues publish late, and may still change what they have published: the last two intervals, or five
    minutes, before now are never settled, nor is what lies between them and the newest candle before.
    """
    start_ms, end_ms = asked
    closed = candles.between(start_ms, min(end_ms, now_ms - length_ms + 1))
    settled_ms = floor_to(now_ms - max(2 * length_ms, _SETTLE_MS), length_ms)
    if end_ms <= settled_ms:
        settled_ms = end_ms
    else:
        settled_ms = min(settled_ms, int(closed.timestamp[-1]) + length_ms if len(closed) else start_ms)
    covered = ((start_ms, settled_ms),) if start_ms < settled_ms else ()
    return Page(asked, closed.between(start_ms, settled_ms), covered, closed.between(max(start_ms, settled_ms), end_ms))


async def fetch_pages(
    remote: RemoteSource,
    series: tuple[str, str],
    spans: Iterable[Span],
    now_ms: Callable[[], int],
    keep: Callable[[Page], Awaitable[None]],
) -> None:
    """Ask *remote* for *spans* of *series* (symbol and interval), several pages at a time, and *keep* each answer.

    The pages go out oldest first and come back in any order. The first failure cancels the others.

    Raises:
        BacktestKitError: what the source or *keep* raised, or a candle that breaks a rule of the door.
    """
    symbol, interval = series
    length_ms = interval_ms(interval)
    wanted = pages_of(spans, remote.page_candles * length_ms)
    left = iter(wanted)

    async def work() -> None:
        for asked in left:
            now = now_ms()
            candles = await remote.fetch(symbol, interval, *asked)
            check(candles, length_ms, f"{remote.name}: {symbol} {interval}", row_word="candle")
            await keep(page_from(candles, asked, min(now, remote.now_ms()), length_ms))

    workers = [asyncio.create_task(work()) for _ in range(min(_SIDE_BY_SIDE, len(wanted)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
