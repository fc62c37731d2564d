"""What each symbol won in each month, and how strongly to colour it."""

from typing import Any

from backtestkit_cli.analytics.heat import HeatRow
from backtestkit_cli.reports.heat_tables import HeatCell, HeatTable
from backtestkit_cli.reports.markdown.heatmap import get_data
from backtestkit_cli.reports.saved.record import RunRecord


def months_data(record: RunRecord) -> dict[str, Any]:
    """Return `titles` (months `2025-05`, UTC, and their total) and `rows`, as the heatmap has and colours them.

    A row has its `name`, the sums `pnl_pct`, null where no trade closed, and `shades` from -1 (worst) to 1 (best).
    The last one is of all symbols together; without trades there are no rows.
    """
    data = get_data(record)
    table = data.by_month
    return {"titles": table.titles, "rows": [] if data.is_empty else _rows(table, (*data.rows, data.pooled))}


def _rows(table: HeatTable, rows: tuple[HeatRow, ...]) -> list[dict[str, Any]]:
    return [_row(*parts) for parts in zip(table.names, table.cells, rows, strict=True)]


def _row(name: str, cells: tuple[HeatCell, ...], row: HeatRow) -> dict[str, Any]:
    sums = [*row.month_pnl_pct, row.figures.total_pnl_pct]
    return {"name": name, "pnl_pct": sums, "shades": [cell.shade for cell in cells]}
