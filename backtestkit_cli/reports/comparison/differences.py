"""Where the tables of two runs first differ, to the last bit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtestkit_cli.domain.interval import utc_text

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class TradeDifference:
    """The first trade, by closing time and counted from 1, that is not the same in both runs.

    `column` is the first that differs, and `saved` and `now` are its values; it is empty where only one run has
    the trade, whose id is then the value of that run, None that of the other.
    """

    number: int
    trade: str
    column: str
    saved: object
    now: object

    def __str__(self) -> str:
        place = f"trade {self.number} ({self.trade})"
        if self.column:
            return f"{place}: {self.column} {_text(self.saved)} saved, {_text(self.now)} now"
        return f"{place} is only in the {'run now' if self.saved is None else 'saved run'}"


def first_trade_difference(saved: "pl.DataFrame", now: "pl.DataFrame") -> TradeDifference | None:
    """Return where trades *saved* and *now* first differ, None if all columns of all rows are equal."""
    shared = min(saved.height, now.height)
    first, column = min(
        ((_first_row(saved[name][:shared], now[name][:shared]), name) for name in saved.columns),
        key=lambda one: one[0],
    )
    if first < shared:
        values = saved[column][first], now[column][first]
        return TradeDifference(first + 1, _named(saved, first), column, *values)
    if saved.height == now.height:
        return None
    longer = saved if saved.height > shared else now
    name = longer["id"][shared]
    ids = (name, None) if longer is saved else (None, name)
    return TradeDifference(shared + 1, _named(longer, shared), "", *ids)


def first_candle_difference(saved: "pl.DataFrame", now: "pl.DataFrame", symbol: str) -> int | None:
    """Return the time (Unix ms) of the first candle of *symbol* that is not the same in both tables, None if none."""
    import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who has tables needs it

    left, right = (table.filter(pl.col("symbol") == symbol).drop("symbol") for table in (saved, now))
    shared = min(left.height, right.height)
    first = min(_first_row(left[name][:shared], right[name][:shared]) for name in left.columns)
    times = [int(table["timestamp"][first]) for table in (left, right) if first < table.height]
    return min(times, default=None)


def _first_row(left: "pl.Series", right: "pl.Series") -> int:
    """Return the first row in which *left* and *right*, of one length, differ; that length if in none."""
    rows = _bits(left).ne_missing(_bits(right)).arg_true()
    return len(left) if rows.is_empty() else int(rows[0])


def _bits(column: "pl.Series") -> "pl.Series":
    """Return numbers by their bits, so that 0.0 is not -0.0; tables hold no NaN but what stands for null."""
    import polars as pl  # noqa: PLC0415 - see above

    return pl.Series(column.to_numpy().view("int64")) if column.dtype == pl.Float64 else column


def _named(table: "pl.DataFrame", row: int) -> str:
    strategy, symbol = table["strategy"][row], table["symbol"][row]
    return f"{strategy} on {symbol}, opened {utc_text(table['opened_at'][row])}"


def _text(value: object) -> str:
    return "null" if value is None else repr(value)
