"""The list of closed trades in a report: one row a trade, the first of them where there are many."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.reports.markdown.text import escaped, span_text, table
from backtestkit_cli.reports.tables import Unit, number_text, price_text

if TYPE_CHECKING:
    import polars as pl

SHOWN_TRADES: Final = 1_000

_TITLES: Final = (
    "Signal",
    "Symbol",
    "Side",
    "Opened (UTC)",
    "Closed (UTC)",
    "Duration",
    "Entries",
    "Entry",
    "Exit",
    "Take profit",
    "Stop loss",
    "Reason",
    "PNL",
    "Net",
    "Worst",
    "Best",
    "Note",
)
_NUMBERS: Final = {6, 7, 8, 9, 10, 12, 13, 14, 15}
_LEGEND: Final = (
    "The entry is the effective price, the levels are those the trade ended with. Worst and best are where its net"
    " result stood at most between opening and exit (MAE and MFE), judged at every minute."
)


def trade_list(trades: "pl.DataFrame", run_id: str) -> list[str]:
    """Return the blocks of the list of *trades* of the run *run_id*, in their order."""
    if not len(trades):
        return ["No position was closed."]
    shown = trades.head(SHOWN_TRADES).iter_rows(named=True)
    listed = table(_TITLES, [_cells(trade) for trade in shown], right=_NUMBERS)
    if len(trades) <= SHOWN_TRADES:
        return [f"{len(trades):,} in all, by closing time. {_LEGEND}", listed]
    text = (
        f"The first {SHOWN_TRADES:,} of {len(trades):,} by closing time. {_LEGEND}"
        f" All of them count above and are in `runs/{run_id}/trades.parquet`."
    )
    return [text, listed]


def _cells(trade: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"`{trade['id']}`",
        escaped(trade["symbol"]),
        trade["side"],
        utc_text(trade["opened_at"]),
        utc_text(trade["closed_at"]),
        span_text(trade["minutes"] * MINUTE_MS),
        f"{trade['entries']:,}",
        price_text(trade["price_effective"]),
        price_text(trade["price_close"]),
        price_text(trade["take_profit"]),
        price_text(trade["stop_loss"]),
        trade["reason"],
        number_text(trade["pnl_pct"], Unit.PERCENT),
        number_text(trade["pnl_cost"], Unit.MONEY),
        number_text(trade["mae_pct"], Unit.PERCENT),
        number_text(trade["mfe_pct"], Unit.PERCENT),
        escaped(trade["note"]),
    )
