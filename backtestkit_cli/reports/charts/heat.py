"""The heatmaps as pictures: symbols × metrics and symbols × months, a coloured cell with its figure for each."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from backtestkit_cli.reports.account import account_line
from backtestkit_cli.reports.charts.canvas import (
    FAINT,
    NO_FIGURE,
    SMALL_LETTER_IN,
    drawable,
    heading,
    own_look,
    picture,
)
from backtestkit_cli.reports.heat_columns import heat_column
from backtestkit_cli.reports.heat_tables import ON_PAPER, HeatCell, HeatTable, hex_text
from backtestkit_cli.reports.markdown.heatmap import NOTHING_CLOSED, SHARPE, HeatmapData, get_data
from backtestkit_cli.reports.saved.record import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_SYMBOLS: Final = 300
SHOWN_MONTHS: Final = 120
"""A larger picture nobody can look at; the files beside it have all."""

_ROW_IN, _LETTER_IN, _LINE_IN, _EDGE_IN = 0.27, 0.079, 0.2, 0.2
_ABOVE_LINES_IN, _BELOW_LINES_IN = 0.58, 0.45
_PLAIN: Final = "#ffffff"


def metrics_chart(record: RunRecord, chart_format: str, strategy: str | None = None, *, sort_by: str = SHARPE) -> bytes:
    """Return the picture of symbols × metrics of *strategy*, or of all together.

    Raises:
        UnknownNameError: there is no metric *sort_by*.
    """
    data = get_data(record, strategy, sort_by=sort_by)
    note = (
        f"By {heat_column(sort_by).title}, the best first. Blue is better, orange worse, each metric by itself;"
        " N/A is not defined."
    )
    lines = (account_line(data.portfolio, data.balance_quote), note)
    return _chart(record, data, data.metrics, chart_format, "Heatmap", lines)


def months_chart(record: RunRecord, chart_format: str, strategy: str | None = None, *, sort_by: str = SHARPE) -> bytes:
    """Return the picture of symbols × months of *strategy*, or of all together.

    Raises:
        UnknownNameError: there is no metric *sort_by*.
    """
    data = get_data(record, strategy, sort_by=sort_by)
    table = data.by_month
    note = "Sum of the trades that closed in each month UTC. Blue is won, orange lost; N/A is without trades."
    hidden = len(data.months) - SHOWN_MONTHS
    if hidden > 0:
        table = HeatTable(table.titles[hidden:], table.names, tuple(row[hidden:] for row in table.cells))
        note += f" The last {SHOWN_MONTHS} of {len(data.months)} months."
    return _chart(record, data, table, chart_format, "Total PNL by month", (note,))


def _chart(
    record: RunRecord, data: HeatmapData, table: HeatTable, chart_format: str, title: str, notes: Sequence[str]
) -> bytes:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and only who draws has it

    with own_look():
        symbols = len(table.names) - 1
        if symbols > SHOWN_SYMBOLS:
            table = _shortened(table)
            notes = (*notes, f"The first {SHOWN_SYMBOLS} of {symbols:,} symbols.")
        title, *lines = *heading(record, title, data.strategy), *([NOTHING_CLOSED] if data.is_empty else notes)
        top = _ABOVE_LINES_IN + _LINE_IN * len(lines) + _BELOW_LINES_IN
        names = [drawable(name, 28) for name in table.names]
        edges = list(accumulate(_widths(table), initial=_EDGE_IN + _LETTER_IN * max(map(len, names)) + 0.12))
        width = _EDGE_IN + SMALL_LETTER_IN * max(1.8 * len(title), *map(len, lines))
        height = top
        if not data.is_empty:
            width, height = max(width, edges[-1]), top + _ROW_IN * (len(names) + 0.35)
        figure = Figure(figsize=(width + _EDGE_IN, height + _EDGE_IN))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width + _EDGE_IN), ylim=(height + _EDGE_IN, 0))
        axes.set_axis_off()
        axes.text(_EDGE_IN, 0.3, title, size=13, weight="bold", va="center")
        for number, line in enumerate(lines):
            axes.text(_EDGE_IN, _ABOVE_LINES_IN + _LINE_IN * number, line, size=8, color=FAINT, va="center")
        if not data.is_empty:
            _draw_table(axes, table, names, edges, top)
        return picture(figure, chart_format)


def _shortened(table: HeatTable) -> HeatTable:
    kept = [*range(SHOWN_SYMBOLS), len(table.names) - 1]
    return HeatTable(table.titles, tuple(table.names[one] for one in kept), tuple(table.cells[one] for one in kept))


def _widths(table: HeatTable) -> list[float]:
    """Return how wide each column is, in inches: its longest figure or word of its title."""
    columns = zip(table.titles, zip(*table.cells, strict=True), strict=True)
    longest = [max(*map(len, title.split()), *(len(cell.text) for cell in cells)) for title, cells in columns]
    return [_LETTER_IN * letters + 0.14 for letters in longest]


def _draw_table(axes: "Axes", table: HeatTable, names: Sequence[str], edges: Sequence[float], top: float) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 - see above

    for number, title in enumerate(table.titles):
        middle = (edges[number] + edges[number + 1]) / 2
        axes.text(middle, top - 0.08, title.replace(" ", "\n"), size=8, ha="center", va="bottom", color=FAINT)
    corners, colours = [], []
    for place, (name, cells) in enumerate(zip(names, table.cells, strict=True)):
        is_foot = place == len(names) - 1
        upper = top + _ROW_IN * (place + 0.35 * is_foot)
        weight = "bold" if is_foot else "normal"
        axes.text(edges[0] - 0.1, upper + _ROW_IN / 2, name, size=8.5, ha="right", va="center_baseline", weight=weight)
        for number, cell in enumerate(cells):
            left, right = edges[number], edges[number + 1]
            lower = upper + _ROW_IN
            corners.append([(left, upper), (right, upper), (right, lower), (left, lower)])
            colours.append(_background(cell))
            axes.text(
                (left + right) / 2,
                upper + _ROW_IN / 2,
                cell.text,
                size=8,
                ha="center",
                va="center_baseline",
                color=_letters_on(cell),
                weight=weight,
            )
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=1.4), autolim=False)


def _background(cell: HeatCell) -> str:
    if not cell.is_defined:
        return NO_FIGURE
    if cell.shade is None:
        return _PLAIN
    return hex_text(ON_PAPER.colour(cell.shade))


def _letters_on(cell: HeatCell) -> str:
    if not cell.is_defined:
        return FAINT
    return hex_text(ON_PAPER.letters(cell.shade or 0.0))
