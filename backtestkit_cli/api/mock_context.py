"""A stand-in for a run, so that tests can call an author's functions without one."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from backtestkit_cli.api.arguments import instant
from backtestkit_cli.api.context import ambient
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.command import ACCEPTED, CommandResult
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.grid import FREE, price_text, quantity_text
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms, to_datetime, utc_text
from backtestkit_cli.domain.position_view import PositionView
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import ContextError, NotEnoughCandlesError, UnknownNameError
from backtestkit_cli.events.bus import Bus

Minutes: TypeAlias = Candles | Iterable[Sequence[float]]
"""1-minute candles: columns, or rows of `(open time in Unix ms, open, high, low, close, volume)`."""

_HERE = "mock_context"


class RecordedCommand(NamedTuple):
    """A command that the author's code gave, with what it was given by position."""

    name: str
    arguments: tuple[object, ...] = ()


class MockContext:
    """What the author's code sees within `mock_context`; `commands` are those it gave, in order."""

    def __init__(
        self,
        *,
        names: Mapping[str, str],
        when_ms: int,
        candles: Mapping[str, Minutes],
        price: float | Mapping[str, float] | None,
        indicators: Mapping[str, Any],
        answers: Mapping[str, CommandResult],
        position: PositionView | None,
    ) -> None:
        """Check *candles*; nothing else is looked at before it is asked for."""
        self.run_id = names["run_id"]
        self.mode = names["mode"]
        self.strategy = names["strategy"]
        self.exchange = names["exchange"]
        self.frame = names["frame"]
        self.symbol = names["symbol"]
        self.when_ms = when_ms
        self.bus = Bus()
        self.commands: list[RecordedCommand] = []
        self._minutes = {symbol: _checked(symbol, minutes) for symbol, minutes in candles.items()}
        self._price = price
        self._indicators = indicators
        self._answers = answers
        self._position = position

    @property
    def when(self) -> datetime:
        """Return the instant of the context."""
        return to_datetime(self.when_ms)

    def move_to(self, when: datetime | str) -> None:
        """Go on to another instant, a whole minute: what has closed until then is visible."""
        self.when_ms = instant(when, _HERE)

    def candles(self, symbol: str, interval: str, n: int) -> Candles:
        """Return the last *n* candles of *interval* closed before now."""
        _check_count(n)
        length_ms = interval_ms(interval)
        minutes = self._closed_minutes(symbol)
        closed = minutes if length_ms == MINUTE_MS else aggregated(minutes, length_ms, MINUTE_MS)
        if n > len(closed):
            raise NotEnoughCandlesError(
                f"{symbol}: {n} candles of {interval} were asked for at {utc_text(self.when_ms)}, "
                f"{_HERE} was given {len(closed)} closed until then"
            )
        return closed.slice(len(closed) - n, len(closed))

    def average_price(self, symbol: str) -> float:
        """Return the price that was given, or else the VWAP of the newest closed minutes."""
        if isinstance(self._price, Mapping):
            if symbol not in self._price:
                raise UnknownNameError("symbol", symbol, self._price, where=f"{_HERE}(price=…)")
            return float(self._price[symbol])
        if self._price is not None:
            return float(self._price)
        newest = self.candles(symbol, "1m", Settings().avg_price_candles)
        volume = float(newest.volume.sum())
        if volume <= 0:
            return float(newest.close.mean())
        return float(((newest.high + newest.low + newest.close) / 3 * newest.volume).sum()) / volume

    def format_price(self, symbol: str, price: float) -> str:  # noqa: ARG002 - every symbol has the same grid
        """Return *price* with up to eight decimals."""
        return price_text(FREE, price)

    def format_quantity(self, symbol: str, quantity: float) -> str:  # noqa: ARG002
        """Return *quantity* with up to eight decimals, never more than it is."""
        return quantity_text(FREE, quantity)

    def indicator(self, name: str) -> float:
        """Return the value that was given, of several the last; NaN where there is none."""
        values = self._column(name)
        return values.item(len(values) - 1) if len(values) else math.nan

    def indicator_values(self, name: str, n: int) -> Floats:
        """Return the last *n* values that were given; a single value stands for any number."""
        _check_count(n)
        values = self._column(name)
        if np.ndim(self._indicators[name]) == 0:
            values = np.repeat(values, n)
        if n > len(values):
            raise NotEnoughCandlesError(f"{n} values of {name!r} were asked for, {_HERE} was given {len(values)}")
        return values[len(values) - n :]

    def position(self) -> PositionView | None:
        """Return the position that was given."""
        return self._position

    def move_stop(self, price: float) -> CommandResult:
        """Record the command."""
        return self._recorded("move_stop", price)

    def move_take_profit(self, price: float) -> CommandResult:
        """Record the command."""
        return self._recorded("move_take_profit", price)

    def breakeven(self) -> CommandResult:
        """Record the command."""
        return self._recorded("breakeven")

    def average_buy(self, cost: float | None) -> CommandResult:
        """Record the command."""
        return self._recorded("average_buy", cost)

    def partial_close(self, percent: float) -> CommandResult:
        """Record the command."""
        return self._recorded("partial_close", percent)

    def close_position(self, note: str) -> CommandResult:
        """Record the command."""
        return self._recorded("close_position", note)

    def cancel(self) -> CommandResult:
        """Record the command."""
        return self._recorded("cancel")

    def activate(self) -> CommandResult:
        """Record the command."""
        return self._recorded("activate")

    def _recorded(self, name: str, *arguments: object) -> CommandResult:
        """Keep a command and answer it; every command of a context is one line that calls this."""
        self.commands.append(RecordedCommand(name, arguments))
        return self._answers.get(name, ACCEPTED)

    def _closed_minutes(self, symbol: str) -> Candles:
        if symbol not in self._minutes:
            raise UnknownNameError("symbol", symbol, self._minutes, where=f"{_HERE}(candles=…)")
        minutes = self._minutes[symbol]
        return minutes.slice(0, int(np.searchsorted(minutes.timestamp, self.when_ms - MINUTE_MS, side="right")))

    def _column(self, name: str) -> Floats:
        if name not in self._indicators:
            raise UnknownNameError("indicator", name, self._indicators, where=f"{_HERE}(indicators=…)")
        return np.atleast_1d(np.asarray(self._indicators[name], np.float64))


@contextmanager
def mock_context(  # noqa: PLR0913 - one keyword a part, most are left out
    symbol: str = "BTCUSDT",
    when: datetime | str = "2025-01-01",
    *,
    mode: str = "backtest",
    strategy: str = "mock",
    exchange: str = "mock",
    frame: str = "mock",
    run_id: str = "mock",
    candles: Mapping[str, Minutes] | None = None,
    price: float | Mapping[str, float] | None = None,
    indicators: Mapping[str, Any] | None = None,
    answers: Mapping[str, CommandResult] | None = None,
    position: PositionView | None = None,
) -> Iterator[MockContext]:
    """Let the functions that need a run work within the block, as if *symbol* stood at *when*.

    Blocks may lie within each other; after each, however it ends, the context before it holds again.

    Args:
        symbol: What `context().symbol` says.
        when: The instant, a datetime or ISO 8601 text and a whole minute; UTC where nothing else is said.
        mode: What `mode()` returns.
        strategy: The name of the strategy.
        exchange: The name of the exchange.
        frame: The name of the frame.
        run_id: The id of the run.
        candles: 1-minute candles by symbol; only those closed at *when* are seen, in every interval.
        price: What `get_average_price` returns, for all symbols or by symbol; left out, it is the VWAP of the candles.
        indicators: What `get_indicator` returns, a value or an array by name.
        answers: What commands answer, by name, where that is not a plain yes.
        position: What `position` returns.

    Raises:
        BadCandleError: a candle breaks a rule that candles of a run must keep.
        ConfigError: *when* is no instant.
    """
    names = {
        "run_id": run_id,
        "mode": mode,
        "strategy": strategy,
        "exchange": exchange,
        "frame": frame,
        "symbol": symbol,
    }
    context = MockContext(
        names=names,
        when_ms=instant(when, _HERE),
        candles=candles or {},
        price=price,
        indicators=indicators or {},
        answers=answers or {},
        position=position,
    )
    token = ambient.set(context)
    try:
        yield context
    finally:
        ambient.reset(token)


def _check_count(n: object) -> None:
    if not isinstance(n, int) or n < 1:
        raise ContextError(f"the number of candles must be a whole number of at least 1, was {n!r}")


def _checked(symbol: str, minutes: Minutes) -> Candles:
    """Return *minutes* as columns that keep the rules of the door."""
    if not isinstance(minutes, Candles):
        rows = list(minutes)
        table = np.array(rows, np.float64) if rows else np.empty((0, 6))
        if table.ndim != 2 or table.shape[1] != 6:
            raise ContextError(f"{_HERE}: {symbol}: expected rows of time, open, high, low, close and volume")
        minutes = Candles.frozen(table[:, 0].astype(np.int64), *table[:, 1:].T)
    check(minutes, MINUTE_MS, f"{_HERE}: {symbol}")
    return minutes
