"""Fill model `vwap`: the engine polls an average price and books every exit at its level."""

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.order import EntryTouch
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.policies.fills.model import PriceColumns, Touch
from backtestkit_cli.policies.fills.search import first_outside, first_wick


class VwapFills:
    """Exits are judged by the average price; entries open when the wick of the newest candle reaches them."""

    name = FillModelName.VWAP
    time_first = True
    flat_at_exit_tick = False

    def prices(self, columns: PriceColumns) -> Floats:
        """Return the VWAP of each row."""
        return columns.average_price

    def reach(self, columns: PriceColumns) -> tuple[Floats, Floats]:
        """Return the VWAP of each row, twice: one price is all there is."""
        return columns.average_price, columns.average_price

    def first_exit(
        self, columns: PriceColumns, side: Side, take_profit: float, stop_loss: float, start: int, stop: int
    ) -> Touch | None:
        """Return the first row whose price stands at or beyond a level; one price cannot reach both."""
        price = columns.average_price
        low, high = (stop_loss, take_profit) if side.sign > 0 else (take_profit, stop_loss)
        row = first_outside(price, price, low, high, start, stop)
        if row is None:
            return None
        is_profit = (price[row] >= high) == (side.sign > 0)
        if is_profit:
            return Touch(row, CloseReason.TAKE_PROFIT, take_profit)
        return Touch(row, CloseReason.STOP_LOSS, stop_loss)

    def first_entry(
        self, columns: PriceColumns, side: Side, price_open: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return where the wick reaches the entry; a wick that reaches the stop as well rejects it."""
        row = first_wick(columns.candles, side, price_open, start, stop)
        if row is None:
            return None
        is_rejected = first_wick(columns.candles, side, stop_loss, row, row + 1) is not None
        return EntryTouch(row, None if is_rejected else price_open)

    def first_stop_entry(
        self, columns: PriceColumns, side: Side, price: float, stop_loss: float, start: int, stop: int
    ) -> EntryTouch | None:
        """Return where the wick breaks out to *price*; one that reaches the stop, then or before, rejects it."""
        low, high, is_long = columns.candles.low, columns.candles.high, side.sign > 0
        floor, ceiling = (stop_loss, price) if is_long else (price, stop_loss)
        row = first_outside(low, high, floor, ceiling, start, stop)
        if row is None:
            return None
        is_rejected = (low.item(row) <= stop_loss) if is_long else (high.item(row) >= stop_loss)
        return EntryTouch(row, None if is_rejected else price)
