"""Asking a remote source for spans, page by page, and what each answer says about them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.ports import RemoteSource

_SIDE_BY_SIDE = 16
_SETTLE_MS = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to one request: `covered` is the part of `asked` (both Unix ms) that it settles for good."""

    asked: Span
    candles: Candles
    covered: tuple[Span, ...]


def pages_of(spans: Iterable[Span], page_ms: int) -> list[Span]:
    """Return *spans* cut into pieces of at most *page_ms*, each counted from the start of its span."""
    return [(at, min(at + page_ms, end)) for start, end in spans for at in range(start, end, page_ms)]


def page_from(candles: Candles, asked: Span, now_ms: int, length_ms: int) -> Page:
    """Return what *candles* say about *asked*, which was asked at *now_ms*.

    Venues publish with a delay. An answer that reaches into the last two intervals, or five minutes,
    before now settles nothing after its newest candle.
    """
    start_ms, end_ms = asked
    inside = candles.between(start_ms, min(end_ms, now_ms - length_ms + 1))
    if end_ms > now_ms - max(2 * length_ms, _SETTLE_MS):
        end_ms = int(inside.timestamp[-1]) + length_ms if len(inside) else start_ms
    return Page(asked, inside, ((start_ms, end_ms),) if start_ms < end_ms else ())


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
            await keep(page_from(candles, asked, now, length_ms))

    workers = [asyncio.create_task(work()) for _ in range(min(_SIDE_BY_SIDE, len(wanted)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
