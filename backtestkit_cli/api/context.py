"""The ambient context: which session and which instant the author's code runs in."""

from contextvars import ContextVar
from datetime import datetime
from typing import Protocol, overload

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.command import CommandResult
from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.domain.position_view import PositionView
from backtestkit_cli.errors import ContextError
from backtestkit_cli.events.bus import Bus


class Context(Protocol):
    """One session at one tick, as the author's code may see it."""

    run_id: str
    mode: str
    strategy: str
    exchange: str
    frame: str
    symbol: str
    when_ms: int
    bus: Bus

    def candles(self, symbol: str, interval: str, n: int) -> Candles:
        """Return the last *n* closed candles before now."""
        ...

    def average_price(self, symbol: str) -> float:
        """Return the VWAP of the last closed 1-minute candles."""
        ...

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it."""
        ...

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the venue takes it, never more."""
        ...

    def indicator(self, name: str) -> float:
        """Return the newest visible value of a column."""
        ...

    def indicator_values(self, name: str, n: int) -> Floats:
        """Return the last *n* visible values of a column, oldest first."""
        ...

    def position(self) -> PositionView | None:
        """Return what is open."""
        ...

    def move_stop(self, price: float) -> CommandResult:
        """Tighten the stop of the open position."""
        ...

    def move_take_profit(self, price: float) -> CommandResult:
        """Move the target of the open position."""
        ...

    def breakeven(self) -> CommandResult:
        """Move the stop of the open position to where nothing is lost."""
        ...

    def average_buy(self, cost: float | None) -> CommandResult:
        """Buy more of the open position."""
        ...

    def partial_close(self, percent: float) -> CommandResult:
        """Sell a part of the open position."""
        ...

    def close_position(self, note: str) -> CommandResult:
        """Sell all that is left of the open position."""
        ...

    def cancel(self) -> CommandResult:
        """Drop the waiting signal."""
        ...

    def activate(self) -> CommandResult:
        """Open the waiting signal now."""
        ...


ambient: ContextVar[Context] = ContextVar("btk_context")


def context() -> Context:
    """Return the ambient context.

    Raises:
        ContextError: called outside a run, for instance while the strategy file is imported.
    """
    try:
        return ambient.get()
    except LookupError:
        raise ContextError(
            "this function works inside a run only: call it from get_signal, a callback or a listener"
        ) from None


def now() -> datetime:
    """Return the tick of the run, an aware datetime in UTC: virtual in a backtest, real in live."""
    return to_datetime(context().when_ms)


def mode() -> str:
    """Return `backtest`, `paper` or `live`."""
    return context().mode


def get_candles(symbol: str, interval: str, n: int) -> Candles:
    """Return exactly the last *n* closed candles of *interval* before now, oldest first.

    The columns (`timestamp`, `open`, … `volume`) are read-only numpy views, nothing is copied; `.rows()`
    gives `Candle` tuples. Any symbol of the exchange may be read.

    Raises:
        NotEnoughCandlesError: fewer have closed since the history begins; declare `warm_up`.
    """
    return context().candles(symbol, interval, n)


def get_average_price(symbol: str) -> float:
    """Return the volume-weighted average price of the last `avg_price_candles` closed 1-minute candles."""
    return context().average_price(symbol)


def format_price(symbol: str, price: float) -> str:
    """Return *price* on the nearest step that the exchange takes, as text."""
    return context().format_price(symbol, price)


def format_quantity(symbol: str, quantity: float) -> str:
    """Return *quantity* (base asset) on the step of the exchange at or below it, as text; it is never rounded up."""
    return context().format_quantity(symbol, quantity)


@overload
def get_indicator(name: str) -> float: ...


@overload
def get_indicator(name: str, n: int) -> Floats: ...


def get_indicator(name: str, n: int | None = None) -> float | Floats:
    """Return the newest value of the column *name* that is visible now, or its last *n* values, oldest first.

    NaN where the indicator has no value yet.
    """
    inside = context()
    return inside.indicator(name) if n is None else inside.indicator_values(name, n)


def position() -> PositionView | None:
    """Return what there is to know of the open position at this tick, None where nothing is open."""
    return context().position()


def move_stop(price: float) -> CommandResult:
    """Move the stop of the open position to *price*: tighter only, and never beyond the price of this tick."""
    return context().move_stop(price)


def move_take_profit(price: float) -> CommandResult:
    """Move the target of the open position to *price*, on the far side of the price of this tick."""
    return context().move_take_profit(price)


def breakeven() -> CommandResult:
    """Move the stop to where the rest of the position ends without loss, costs paid, once the price is beyond that."""
    return context().breakeven()


def average_buy(cost: float | None = None) -> CommandResult:
    """Buy *cost* quote money more of the open position at the price of this tick.

    The default is as much as the first entry cost.
    """
    return context().average_buy(cost)


def partial_close(percent: float) -> CommandResult:
    """Sell *percent* (above 0, at most 100) of what is left of the open position at the price of this tick."""
    return context().partial_close(percent)


def close_position(note: str = "") -> CommandResult:
    """Close the open position at the price of this tick with reason `closed`."""
    return context().close_position(note)


def cancel() -> CommandResult:
    """Drop the waiting signal of this session with reason `user`."""
    return context().cancel()


def activate() -> CommandResult:
    """Open the waiting signal of this session at the price of this tick, without waiting for its entry."""
    return context().activate()
