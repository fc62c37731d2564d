"""The heatmap on a terminal: symbols × metrics and symbols × months, each cell coloured by how good it is."""

from collections.abc import Sequence

from backtestkit_cli.cli import console
from backtestkit_cli.cli.console import Heading, Painted
from backtestkit_cli.reports.account import account_line
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS
from backtestkit_cli.reports.heat_tables import ON_SCREEN, WHITE, HeatCell, HeatTable, hex_text
from backtestkit_cli.reports.markdown.heatmap import NOTHING_CLOSED, HeatmapData

# The metrics that a narrow terminal keeps longest, first to last; all others go before them.
_KEPT = ("sharpe_ratio", "total_pnl_pct", "trades", "win_rate_pct", "profit_factor", "max_drawdown_pct", "avg_pnl_pct")


def show_heatmap(data: HeatmapData) -> None:
    """Print the heatmap on stdout."""
    if data.is_empty:
        console.out(NOTHING_CLOSED)
        return
    _show(data.metrics, [_rank(place, data.sort_by) for place in range(len(HEAT_COLUMNS))])
    console.out(account_line(data.portfolio, data.balance_quote))
    console.out("")
    _show(data.by_month, [*range(len(data.months), 0, -1), 0])


def _rank(place: int, sort_by: str) -> int:
    """Return what goes first on a narrow terminal: of what is not kept long, the rightmost metric first."""
    key = HEAT_COLUMNS[place].key
    if key == sort_by:
        return 0
    return _KEPT.index(key) + 1 if key in _KEPT else len(_KEPT) + 1 + place


def _show(table: HeatTable, ranks: Sequence[int]) -> None:
    titles = [title.replace(" ", "\n") for title in table.titles]
    headings = [Heading(title, is_number=True, rank=rank) for title, rank in zip(titles, ranks, strict=True)]
    rows = [[name, *map(_cell, cells)] for name, cells in zip(table.names, table.cells, strict=True)]
    console.show_table([Heading("Symbol"), *headings], [rows[:-1], rows[-1:]])


def _cell(cell: HeatCell) -> Painted:
    if not cell.is_defined:
        return Painted(cell.text, "dim")
    if cell.shade is None:
        return Painted(cell.text, "")
    return Painted(cell.text, f"{hex_text(WHITE)} on {hex_text(ON_SCREEN.colour(cell.shade))}")
