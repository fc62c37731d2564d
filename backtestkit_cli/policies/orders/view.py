"""What a waiting order sees, made of the market and the fill model in force."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.order import EntryTouch
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.policies.fills.model import FillModel, PriceColumns


class TimedColumns(PriceColumns, Protocol):
    """Price columns that know when their rows are."""

    def row_from(self, when_ms: int) -> int:
        """Return the row of the first tick at or after *when_ms*."""
        ...


@dataclass(frozen=True, slots=True)
class CutColumns:
    """Price columns up to a row, which is all that an order of the author's own may see at its tick."""

    columns: TimedColumns
    rows: int

    @property
    def candles(self) -> Candles:
        """Return the closed 1-minute candles."""
        return self.columns.candles.slice(0, self.rows)

    @property
    def average_price(self) -> Floats:
        """Return the VWAP of each row."""
        return self.columns.average_price[: self.rows]

    def row_from(self, when_ms: int) -> int:
        """Return the row of the first tick at or after *when_ms*."""
        return self.columns.row_from(when_ms)


# A NamedTuple because every look at a waiting signal makes one.
class EntryView(NamedTuple):
    """An `EntryMarket` of one signal, which appeared at `scheduled_at_ms`."""

    columns: TimedColumns
    model: FillModel
    side: Side
    take_profit: float
    stop_loss: float
    scheduled_at_ms: int

    @property
    def sign(self) -> int:
        """Return +1 for a long, -1 for a short."""
        return self.side.sign

    @property
    def scheduled_row(self) -> int:
        """Return the row at which the signal appeared."""
        return self.columns.row_from(self.scheduled_at_ms)

    @property
    def candles(self) -> Candles:
        """Return the closed 1-minute candles."""
        return self.columns.candles

    @property
    def prices(self) -> Floats:
        """Return `price(when)` for each row."""
        return self.model.prices(self.columns)

    def first_limit(self, price: float, start: int, stop: int) -> EntryTouch | None:
        """Return what the fill model says of a resting limit."""
        return self.model.first_entry(self.columns, self.side, price, self.stop_loss, start, stop)

    def first_stop(self, price: float, start: int, stop: int) -> EntryTouch | None:
        """Return what the fill model says of a breakout."""
        return self.model.first_stop_entry(self.columns, self.side, price, self.stop_loss, start, stop)
