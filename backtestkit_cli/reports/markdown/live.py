"""The report of a run under way: what a strategy did on all its symbols, and what its closed positions come to."""

from typing import Final

from backtestkit_cli.analytics.live_figures import LiveRow, LiveStatistics, live_statistics
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.reports.figure_columns import TRADE, figure_lines
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import Summary, document, escaped, latest, span_text, summary_table, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text, price_text

_TITLES: Final = (
    "Timestamp (UTC)",
    "Action",
    "Symbol",
    "Signal ID",
    "Position",
    "Note",
    "Current price",
    "Open price",
    "Take profit",
    "Stop loss",
    "PNL (net)",
    "Close reason",
    "Duration",
)
_FIGURES: Final = (
    *("avg_pnl_pct", "total_pnl_pct", "best_pnl_pct", "worst_pnl_pct", "std_dev_pct", "sharpe_ratio"),
    *("sharpe_annualized", "certainty_ratio", "profit_factor", "expectancy_pct", "max_drawdown_pct"),
    *("longest_win_streak", "longest_loss_streak"),
)
_LEGEND: Final = (
    "PNL is net of fees and slippage, in percent of the money put into a trade; certainty ratio is average win ÷"
    " |average loss|. Prices are before slippage: the open price is the effective entry, of a waiting signal the"
    " price it waits for."
)


def is_live(record: RunRecord) -> bool:
    """Say whether *record* is of a run that follows the market: such a run writes this report by itself."""
    return record.facts.mode != "backtest"


def get_data(record: RunRecord, strategy: str | None = None) -> LiveStatistics:
    """Return the numbers that the report shows, of *strategy* or of all; of a backtest as well."""
    return live_statistics(row for row in record.event_rows(strategy=strategy) if row["strategy"])


def get_report(record: RunRecord, strategy: str) -> str | None:
    """Return the report of *strategy* over all symbols, None where nothing has happened yet.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Live")
    data = get_data(record, strategy)
    if not data.rows:
        return None
    shown, text = latest(data.rows, record.run_id)
    events = table(_TITLES, [_cells(row) for row in shown], right={6, 7, 8, 9, 10, 12})
    return document([blocks, ["## Results", summary_table(summary(data)), _LEGEND], ["## Events", text, events]])


def summary(data: LiveStatistics) -> Summary:
    """Return the figures of the closed positions."""
    figures = data.figures
    rate = number_text(figures.win_rate_pct, Unit.SHARE)
    rows = [
        ("Total events", f"{data.total_events:,}"),
        ("Closed", f"{figures.trades:,}"),
        ("Win rate", f"{rate} ({figures.wins:,}W / {figures.losses:,}L)" if figures.trades else rate),
        *figure_lines(figures, TRADE, *_FIGURES),
        ("Average duration", _duration(figures.avg_minutes)),
    ]
    return Summary(("Figure", "Value"), rows)


def _cells(row: LiveRow) -> tuple[str, ...]:
    return (
        utc_text(row.timestamp),
        row.action,
        escaped(row.symbol),
        f"`{row.signal_id}`" if row.signal_id else "",
        escaped(row.position or ""),
        escaped(row.note),
        _price(row.price_current),
        _price(row.price_open),
        _price(row.take_profit),
        _price(row.stop_loss),
        "" if row.close_reason is None or row.minutes is None else number_text(row.pnl_pct, Unit.PERCENT),
        row.close_reason or "",
        "" if row.minutes is None else _duration(row.minutes),
    )


def _price(price: float | None) -> str:
    return "" if price is None else price_text(price)


def _duration(minutes: float | None) -> str:
    return NOT_AVAILABLE if minutes is None else span_text(round(minutes * MINUTE_MS))
