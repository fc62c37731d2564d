"""Candles from a class of the author's: its answers put together, checked, and its mistakes named."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from backtestkit_cli.data.foreign.raw import Row, candles_of
from backtestkit_cli.data.foreign.rows import Rows
from backtestkit_cli.data.local import plain_cache_name
from backtestkit_cli.domain.candle import COLUMNS, Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import floor_to, interval_ms, to_datetime
from backtestkit_cli.engine.failures import one_line
from backtestkit_cli.engine.publishing import AUTHORS_FAILURES
from backtestkit_cli.errors import BadCandleError, ConfigError, DataError, StrategyError, VenueError

PAGE_CANDLES = 1000

_COLUMN_SET = set(COLUMNS)
_EXPECTED = "a list of candles, each a mapping or timestamp, open, high, low, close, volume, or a frame of them"


class UserSource:
    """An instance of the author's as a candle source.

    Its methods are called where the run is, one at a time: a sync one that waits makes everything wait. Only
    a symbol that the run does not list, and a strategy reads all the same, is asked for in another thread.
    """

    is_synthetic = False

    def __init__(
        self,
        name: str,
        theirs: Any,  # noqa: ANN401 - a duck
        *,
        now_ms: Callable[[], int],
        where: str = "",
    ) -> None:
        """Serve *theirs*, an instance or a class made without arguments, under *name*.

        Args:
            name: How reports call the source.
            theirs: Has been checked when it was registered.
            now_ms: Returns real time in Unix milliseconds: candles that are not closed are dropped.
            where: The place of registration.

        Raises:
            StrategyError: the class cannot be made, or its `page_candles` is no count.
        """
        self.name = name
        self._now_ms = now_ms
        place = f"{where}: exchange {name!r}" if where else f"exchange {name!r}"
        self._theirs = _made(theirs, place) if isinstance(theirs, type) else theirs
        page: object = getattr(self._theirs, "page_candles", PAGE_CANDLES)
        if not isinstance(page, int) or page < 1:
            raise StrategyError(f"{place}: expected page_candles to be a whole number above 0, found {page!r}")
        self.page_candles = page

    def now_ms(self) -> int:
        """Return real time in Unix milliseconds."""
        return self._now_ms()

    def cache_name(self, symbol: str) -> str:
        """Return `BTCUSDT` for `BTC/USDT`; any other two symbols have different names."""
        return plain_cache_name(symbol)

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the closed candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`.

        `get_candles` is asked on from the last candle it gave up to the end; an answer that adds nothing is a gap.

        Raises:
            DataError: a method failed; the message names it, and where it failed.
        """
        length_ms = interval_ms(interval)
        first_ms = -(-start_ms // length_ms) * length_ms
        end_ms = min(end_ms, floor_to(self._now_ms(), length_ms))
        parts = []
        at_ms = first_ms
        while at_ms < end_ms:
            part = await self._page(symbol, interval, at_ms, end_ms)
            if len(part):
                parts.append(part)
                at_ms = int(part.timestamp[-1]) + length_ms
            else:  # a class may answer for just the time that was asked for, and there was a gap
                at_ms += self.page_candles * length_ms
        return Candles.joined(parts)

    async def _page(self, symbol: str, interval: str, at_ms: int, end_ms: int) -> Candles:
        """Return what one answer adds to the candles before *at_ms*."""
        length_ms = interval_ms(interval)
        limit = min(self.page_candles, -(-(end_ms - at_ms) // length_ms))
        answer = await self._call("get_candles", symbol, interval, to_datetime(at_ms), limit)
        where = f"exchange {self.name!r}: get_candles: {symbol} {interval}"
        candles = answer if isinstance(answer, Candles) else candles_of(self._rows(answer, where), Rows(where))
        inside = (candles.timestamp >= at_ms) & (candles.timestamp < end_ms)
        kept = candles.chosen(inside)
        if len(kept):
            check(kept, length_ms, where, first_row=int(np.argmax(inside)) + 1)
        if hasattr(self._theirs, "on_candles"):
            await self._call("on_candles", symbol, interval, to_datetime(at_ms), limit, kept)
        return kept

    def _rows(self, answer: Any, where: str) -> list[Row]:  # noqa: ANN401 - whatever the author returned
        try:
            return _rows(answer)
        except _NoCandlesError as error:
            raise BadCandleError(f"{where}: expected {_EXPECTED}, found {error}") from None
        except AUTHORS_FAILURES as error:  # of a generator, say
            raise self._failure("get_candles", error) from error

    async def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the author returns
        """Return what *method* answers, awaited if need be; its failure names exchange, method and place."""
        try:
            answer = getattr(self._theirs, method)(*arguments)
            return await answer if inspect.isawaitable(answer) else answer
        except (DataError, VenueError):
            raise
        except AUTHORS_FAILURES as error:
            raise self._failure(method, error) from error

    def _failure(self, method: str, error: BaseException) -> DataError:
        return DataError(f"exchange {self.name!r}: {method} failed: {one_line(error)}")

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the author writes it."""
        return self._written("format_price", symbol, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the author writes it."""
        return self._written("format_quantity", symbol, quantity)

    def _written(self, method: str, symbol: str, number: float) -> str:
        try:
            return str(getattr(self._theirs, method)(symbol, number))
        except (DataError, VenueError):
            raise
        except AUTHORS_FAILURES as error:
            raise self._failure(method, error) from error

    async def close(self) -> None:
        """Call `close` of the author's, sync or async, if there is one."""
        if hasattr(self._theirs, "close"):
            await self._call("close")


def _made(theirs: type, place: str) -> object:
    try:
        return theirs()
    except (ConfigError, DataError, StrategyError, VenueError):
        raise
    except AUTHORS_FAILURES as error:
        raise StrategyError(f"{place}: {theirs.__name__}() failed: {one_line(error)}") from error


class _NoCandlesError(Exception):
    """An answer, or a part of it, cannot be read as candles; the text says what it is instead."""


def _rows(answer: Any) -> list[Row]:  # noqa: ANN401
    """Return *answer* as rows in our order of columns."""
    columns = answer.keys() if isinstance(answer, Mapping) else getattr(answer, "columns", None)
    if columns is not None:
        theirs = _names(columns)
        found = [list(answer[theirs[name]]) for name in COLUMNS]
        if len({len(column) for column in found}) > 1:
            raise _NoCandlesError("columns of unequal length")
        return list(zip(*found, strict=True))
    return [_row(entry) for entry in _entries(answer)]


def _row(entry: Any) -> Row:  # noqa: ANN401
    if isinstance(entry, Mapping):
        if not entry.keys() >= _COLUMN_SET:
            theirs = _names(entry)
            return [entry[theirs[name]] for name in COLUMNS]
        return [entry[name] for name in COLUMNS]
    row = list(_entries(entry))
    if len(row) != len(COLUMNS):
        raise _NoCandlesError(f"one with {len(row)} values")
    return row


def _entries(value: Any) -> Iterable[Any]:  # noqa: ANN401
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise _NoCandlesError("None" if value is None else f"{type(value).__name__} {value!r}"[:60])
    return value


def _names(columns: Iterable[Any]) -> dict[str, Any]:
    """Return our names of columns to theirs, which may be written in any case."""
    theirs = {str(column).lower(): column for column in columns}
    for name in COLUMNS:
        if name not in theirs:
            raise _NoCandlesError(f"no {name} among {', '.join(map(str, theirs.values())) or 'nothing'}")
    return theirs
