"""Fill model `candle`: orders rest at the exchange and fill inside the minute."""

import math

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.order import EntryTouch
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.policies.fills.model import PriceColumns, Touch
from backtestkit_cli.policies.fills.search import first_outside, first_wick


class CandleFills:
    """Exits and entries fill where the candle's high or low reaches them; doubt is decided against us."""

    name = FillModelName.CANDLE
    time_first = False
    flat_at_exit_tick = True

    def prices(self, columns: PriceColumns) -> Floats:
        """Return the close of each row."""
        return columns.candles.close

    def reach(self, columns: PriceColumns) -> tuple[Floats, Floats]:
        """Return low and high of each row."""
        return columns.candles.low, columns.candles.high

    def first_exit(
        self, columns: PriceColumns, side: Side, take_profit: float, stop_loss: float, start: int, stop: int
    ) -> Touch | None:
        """Return the first candle that touches a level; a candle that touches both is a stop.

        A stop that the candle opened beyond fills at that open, a target never better than its level.
        """
        low, high, is_long = columns.candles.low, columns.candles.high, side.sign > 0
        floor, ceiling = (stop_loss, take_profit) if is_long else (take_profit, stop_loss)
        row = first_outside(low, high, floor, ceiling, start, stop)
        if row is None:
            return None
        if (low.item(row) <= stop_loss) if is_long else (high.item(row) >= stop_loss):
            worse = min if is_long else max
            return Touch(row, CloseReason.STOP_LOSS, worse(stop_loss, columns.candles.open.item(row)))
        return Touch(row, CloseReason.TAKE_PROFIT, take_profit)

    def first_entry(
        self, columns: PriceColumns, side: Side, price_open: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return the first candle that touches the entry; one that reaches the stop too has passed the entry first."""
        row = first_wick(columns.candles, side, price_open, start, stop)
        if row is None:
            return None
        is_stopped = first_wick(columns.candles, side, stop_loss, row, row + 1) is not None
        return EntryTouch(row, price_open, stopped_at=stop_loss if is_stopped else None)

    def first_stop_entry(
        self, columns: PriceColumns, side: Side, price: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return the first candle that breaks out to *price*; one that opened beyond it fills at that open.

        Nothing says in which order a candle went through entry and stop, so one that reaches both is stopped,
        at the price of `first_exit`.
        """
        low, high, is_long = columns.candles.low, columns.candles.high, side.sign > 0
        floor, ceiling = (-math.inf, price) if is_long else (price, math.inf)
        row = first_outside(low, high, floor, ceiling, start, stop)
        if row is None:
            return None
        dearer, worse = (max, min) if is_long else (min, max)
        opened = columns.candles.open.item(row)
        is_stopped = (low.item(row) <= stop_loss) if is_long else (high.item(row) >= stop_loss)
        return EntryTouch(row, dearer(price, opened), worse(stop_loss, opened) if is_stopped else None)
