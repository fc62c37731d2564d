"""The heatmap: every symbol with all its figures, and what it won in each month."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from backtestkit_cli.analytics.account_figures import AccountFigures, account_figures
from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.analytics.heat import Figure, HeatRow, heat_of, ranked
from backtestkit_cli.reports.account import daily_curve
from backtestkit_cli.reports.figure_columns import ACCOUNT_COLUMNS
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS, heat_column
from backtestkit_cli.reports.heat_tables import POOLED, HeatTable, metrics_table, months_table
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import document, escaped, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import Unit, number_text

SHARPE: Final = "sharpe_ratio"
NOTHING_CLOSED: Final = "No position was closed: there is nothing to compare."

_LEGEND = (
    "PNL is net of fees and slippage, in percent of the money put into a trade, and adds up without compounding."
    " Sharpe is average ÷ deviation (n-1) per trade, annualised by √365; max drawdown is the largest fall of the summed"
    f" PNL from its peak. {POOLED} takes all trades as one list: its Sharpe is no mean of those above. Net and costs"
    " (fees and slippage) are in quote money; exposure is the share of the time with an open position."
    " N/A: not defined for these trades."
)
_ACCOUNT_LEGEND = (
    "From the equity at each midnight UTC and at the end, days without trades included. The balance is that of the"
    " portfolio, or without one the least that could have paid for every entry."
)
_MONTHS_LEGEND = (
    "Total PNL of the trades that closed in each month UTC, the midnight that ends it included; N/A: none did."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapData:
    """The numbers of a heatmap of one strategy, or of all with `strategy` None.

    `rows` are sorted by `sort_by`, the best first. `months` are the columns of `HeatRow.month_pnl_pct`. `failed` has
    the error of each symbol that did not reach the end of the frame. `balance_quote` is what `portfolio` began with.
    """

    strategy: str | None
    sort_by: str
    months: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    pooled: HeatRow
    portfolio: AccountFigures
    balance_quote: Figure
    failed: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        """Say whether no position was closed."""
        return not self.pooled.figures.trades

    @property
    def metrics(self) -> HeatTable:
        """Return symbols × metrics as people see them."""
        return metrics_table(self.rows, self.pooled, self.failed)

    @property
    def by_month(self) -> HeatTable:
        """Return symbols × months as people see them."""
        return months_table(self.months, self.rows, self.pooled, self.failed)


def get_data(record: RunRecord, strategy: str | None = None, *, sort_by: str = SHARPE) -> HeatmapData:
    """Return the numbers that the report shows, of *strategy* or of all together.

    Raises:
        UnknownNameError: there is no metric *sort_by* among `HEAT_COLUMNS`.
    """
    column = heat_column(sort_by)
    sessions = record.sessions_of(strategy)
    heat = heat_of(
        record.trades_of(strategy),
        sessions=Counter(session.symbol for session in sessions),
        start_ms=record.facts.start_ms,
        end_ms=record.facts.end_ms,
    )
    curve = daily_curve(record, strategy)
    return HeatmapData(
        strategy=strategy,
        sort_by=sort_by,
        months=heat.months,
        rows=ranked(heat.rows, sort_by, is_less_better=column.is_less_better),
        pooled=heat.pooled,
        portfolio=account_figures(curve),
        balance_quote=finite(curve.balance_quote),
        failed={session.symbol: session.error for session in sessions if session.error is not None},
    )


def get_report(record: RunRecord, strategy: str, *, sort_by: str = SHARPE) -> str | None:
    """Return the report of *strategy*, None where no position was closed.

    Raises:
        UnknownNameError: the run has no such strategy, or there is no such metric.
    """
    data = get_data(record, strategy, sort_by=sort_by)
    blocks = head(record, strategy, "Heatmap")
    if data.is_empty:
        return None
    return document(
        [
            blocks,
            ["## Symbols", _sorting(data), _table(data.metrics), _LEGEND],
            ["## Portfolio", _portfolio(data), _ACCOUNT_LEGEND],
            ["## Months", _table(data.by_month), _MONTHS_LEGEND],
        ]
    )


def get_document(record: RunRecord, strategy: str | None = None, *, sort_by: str = SHARPE) -> dict[str, Any]:
    """Return the numbers of `get_data` as plain values ready for JSON, symbols in their order.

    Raises:
        UnknownNameError: there is no such metric.
    """
    data = get_data(record, strategy, sort_by=sort_by)
    return {
        "run_id": record.run_id,
        "strategy": data.strategy,
        "frame": {"name": record.facts.frame, "start": record.facts.start_ms, "end": record.facts.end_ms},
        "is_synthetic": record.facts.is_synthetic,
        "sort_by": data.sort_by,
        "months": data.months,
        "symbols": [
            {"symbol": row.symbol, "error": data.failed.get(row.symbol or ""), **_plain(row)} for row in data.rows
        ],
        "pooled": {"symbols": len(data.rows), **_plain(data.pooled)},
        "portfolio": {"balance_quote": data.balance_quote, **asdict(data.portfolio)},
    }


def _plain(row: HeatRow) -> dict[str, Any]:
    return {
        **{column.key: row.metric(column.key) for column in HEAT_COLUMNS},
        "month_pnl_pct": row.month_pnl_pct,
    }


def _sorting(data: HeatmapData) -> str:
    column = heat_column(data.sort_by)
    order = "lowest" if column.is_less_better else "highest"
    return f"{len(data.rows):,} in all, by {column.title}, the {order} first; where it is not defined last."


def _portfolio(data: HeatmapData) -> str:
    titles = ("Symbols", "Trades", "Total PNL", "Balance", *(title for _, title, _ in ACCOUNT_COLUMNS))
    figures = data.pooled.figures
    cells = [
        *(number_text(len(data.rows), Unit.COUNT), number_text(figures.trades, Unit.COUNT)),
        *(number_text(figures.total_pnl_pct, Unit.PERCENT), number_text(data.balance_quote, Unit.MONEY)),
        *(number_text(getattr(data.portfolio, key), unit) for key, _, unit in ACCOUNT_COLUMNS),
    ]
    return table(titles, [cells], right=set(range(len(titles))))


def _table(heat: HeatTable) -> str:
    rows = [[escaped(name), *(cell.text for cell in cells)] for name, cells in zip(heat.names, heat.cells, strict=True)]
    rows[-1] = [f"**{text}**" for text in rows[-1]]
    return table(("Symbol", *heat.titles), rows, right=set(range(1, len(heat.titles) + 1)))
