"""What a fill model decides: the price of a tick, and when and where entries and exits fill.

Rows are candle indices: row `k` stands for the tick at which candle `k` is the newest closed one.
"""

from typing import NamedTuple, Protocol

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.order import EntryTouch
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.domain.signal import CloseReason, Side


class Touch(NamedTuple):
    """The first row at which an exit level fills, and what is booked."""

    row: int
    reason: CloseReason
    price: float


class PriceColumns(Protocol):
    """The columns a fill model reads, all of one length."""

    @property
    def candles(self) -> Candles:
        """Return the closed 1-minute candles, contiguous."""
        ...

    @property
    def average_price(self) -> Floats:
        """Return the VWAP known at each row; NaN where fewer candles exist than it needs."""
        ...


class FillModel(Protocol):
    """One way to turn candles into fills."""

    name: FillModelName
    time_first: bool
    """Whether at a tick a time limit is judged before the prices that reach a level or an entry."""
    flat_at_exit_tick: bool
    """Whether a stop or target happens inside the minute, so that the tick may bring a new signal."""

    def prices(self, columns: PriceColumns) -> Floats:
        """Return `price(when)` for each row."""
        ...

    def reach(self, columns: PriceColumns) -> tuple[Floats, Floats]:
        """Return the lowest and the highest price of each row that a level of an open position is tested with."""
        ...

    def first_exit(
        self, columns: PriceColumns, side: Side, take_profit: float, stop_loss: float, start: int, stop: int
    ) -> Touch | None:
        """Return the first fill of target or stop in rows `[start, stop)`."""
        ...

    def first_entry(
        self, columns: PriceColumns, side: Side, price_open: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return the first row in `[start, stop)` where the limit *price_open* opens or is rejected."""
        ...

    def first_stop_entry(
        self, columns: PriceColumns, side: Side, price: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return the first row in `[start, stop)` where a breakout through *price* opens or is rejected."""
        ...
