"""Closed candles of the present as the venue pushes them, through whatever happens to the connection."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, TypeAlias, TypedDict

from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from backtestkit_cli.errors import BacktestKitError, BadCandleError
from backtestkit_cli.exchange.closing import ClosedCandles, words_of
from backtestkit_cli.exchange.failures import one_line
from backtestkit_cli.exchange.listening import (
    INTERVAL,
    LostError,
    Opened,
    Timing,
    given_up,
    hung_up,
    watching,
)
from backtestkit_cli.exchange.pages import candles_of, tabled

OnCandle: TypeAlias = Callable[[str, int, float, float, float, float, float], None]
"""Takes symbol, time the candle opened (Unix ms), open, high, low, close and volume."""
OnState: TypeAlias = Callable[[bool, str], None]
"""Takes whether the stream is up from now on, and why."""

_USUAL = Timing()


class StreamOptions(TypedDict, total=False):
    """What may be said of a stream: see `CandleStream`."""

    on_state: OnState | None
    timing: Timing
    sleep: Callable[[float], Awaitable[object]]


class CandleStream:
    """Pushes each closed 1m candle once, as soon as the venue has it; what it misses has to be asked for.

    It connects again by itself, as long as it takes. A connection is up from its first candle on; it is down when
    it breaks, says nothing for too long, or brings a candle that breaks the rules of the door.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Sequence[str]], Awaitable[Opened]],
        *,
        now_ms: Callable[[], int],
        rng: Random,
        on_state: OnState | None = None,
        timing: Timing = _USUAL,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Listen to the venue *name* over what *connect* opens for symbols; *rng* makes waits differ."""
        self.connected = False
        self.last_message_ms: int | None = None
        self._name = name
        self._connect = connect
        self._now_ms = now_ms
        self._rng = rng
        self._on_state = on_state
        self._timing = timing
        self._sleep = sleep
        self._told: tuple[bool, str] | None = None
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, symbols: Sequence[str], on_candle: OnCandle) -> None:
        """Listen in the background; *on_candle* hears of the candles that close from now on, in *symbols*' spelling.

        Raises:
            RuntimeError: it was started before.
        """
        if self._task is not None:
            raise RuntimeError(f"{self._name}: the stream was started before")
        since_ms = floor_to(self._now_ms(), MINUTE_MS)
        self._closed = {symbol: ClosedCandles(since_ms) for symbol in dict.fromkeys(symbols)}
        self._on_candle = on_candle
        self._task = asyncio.create_task(self._run(), name=f"candles of {self._name}")

    async def close(self) -> None:
        """Stop listening, and wait until nothing of it is left; an error of `on_candle` itself comes up here."""
        task, self._task = self._task, None
        self.connected = False
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        try:
            while True:
                reason = await self._listened()
                self._failures += 1
                self._tell(is_up=False, reason=reason)
                await self._sleep(self._timing.wait_seconds(self._failures, self._rng))
        except Exception as error:
            self._tell(is_up=False, reason=f"stopped by {type(error).__name__}")
            raise

    async def _listened(self) -> str:
        """Connect, push candles, and return why that ended."""
        try:
            opened = await self._connect(list(self._closed))
        except BacktestKitError as error:
            return str(error)
        try:
            return await self._heard_out(opened)
        finally:
            await hung_up(opened.exchange)

    async def _heard_out(self, opened: Opened) -> str:
        self._opened_ms, self.last_message_ms = self._now_ms(), None
        self._news, self._garbled = asyncio.Event(), ""
        for closed in self._closed.values():
            closed.connect()
        exchange = opened.exchange
        exchange.on_heard = partial(self._take_note, _symbols_by_id(opened))
        exchange.on_garbled = self._complain
        pushing = asyncio.create_task(self._push(opened))
        tasks = [pushing, asyncio.create_task(self._stalled()), *watching(opened)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await given_up(tasks)
        if pushing in ended:
            _raise_what_is_a_bug(pushing)
        reason = " and ".join(dict.fromkeys(_reason(task) for task in ended))
        self._tell(is_up=False, reason=reason)  # to hang up takes a while
        return reason

    def _take_note(self, symbols_by_id: Mapping[str, Sequence[str]], message: object) -> None:
        self.last_message_ms = self._now_ms()
        for word in words_of(message):
            for symbol in symbols_by_id.get(word.market_id.upper(), ()):
                self._closed[symbol].hear(word.open_ms, is_closed=word.is_closed)
        self._news.set()

    def _complain(self, error: Exception) -> None:
        self._garbled = f"a message of an unknown shape, {type(error).__name__}: {one_line(str(error))}"
        self._news.set()

    async def _push(self, opened: Opened) -> None:
        """Hand out what is closed whenever there is news; outside of ccxt, whose receiving nobody may disturb."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._garbled:
                raise LostError(self._garbled)
            for symbol, market in opened.markets.items():
                rows = list(opened.exchange.ohlcvs.get(market, {}).get(INTERVAL, ()))
                if rows:
                    self._tell(is_up=True, reason="candles arrive")
                self._hand_out(symbol, self._closed[symbol].take(rows))

    def _hand_out(self, symbol: str, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            try:
                candles = candles_of(tabled([row]))
            except ValueError as error:
                raise LostError(f"{symbol}: {error}, found {row!r}") from None
            check(candles, MINUTE_MS, f"{self._name} {symbol} {INTERVAL}, streamed")
            self._failures = 0
            self._on_candle(symbol, *candles[0])

    async def _stalled(self) -> None:
        """Return only by raising: the venue has said nothing for too long."""
        limit_seconds = self._timing.stall_seconds
        while True:
            await self._sleep(limit_seconds / 4)
            silent_ms = self._now_ms() - (self.last_message_ms or self._opened_ms)
            if silent_ms >= limit_seconds * 1000:
                raise LostError(f"nothing was heard for {silent_ms / 1000:,.0f} s")

    def _tell(self, *, is_up: bool, reason: str) -> None:
        self.connected = is_up
        before, self._told = self._told, (is_up, reason)
        if self._on_state is not None and (before is None or before[0] != is_up):
            self._on_state(is_up, reason)


def _symbols_by_id(opened: Opened) -> dict[str, list[str]]:
    """Return what each market is called here, by the venue's own name of it in capitals."""
    by_id: dict[str, list[str]] = {}
    for symbol, market in opened.markets.items():
        by_id.setdefault(str(opened.exchange.markets[market].get("id")).upper(), []).append(symbol)
    return by_id


def _raise_what_is_a_bug(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, LostError | BadCandleError):
        raise error


def _reason(task: asyncio.Future[None]) -> str:
    """Return why *task* ended, in one line."""
    error = None if task.cancelled() else task.exception()
    if error is None:
        return "the connection was closed"
    if isinstance(error, LostError | BadCandleError):
        return str(error)
    return f"{type(error).__name__}: {one_line(str(error))}"
