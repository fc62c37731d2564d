"""The tables of the heatmap, cell by cell with text and colour: one source for Markdown, terminal and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from backtestkit_cli.analytics.heat import Figure, HeatRow, shades
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text

Colour: TypeAlias = tuple[int, int, int]

POOLED: Final = "All pooled"


class HeatCell(NamedTuple):
    """A figure as people read it, and how strongly it is coloured: -1 (worst) to 1 (best), None for not at all."""

    text: str
    shade: Figure = None

    @property
    def is_defined(self) -> bool:
        """Say whether there is a figure."""
        return self.text != NOT_AVAILABLE


class HeatTable(NamedTuple):
    """Cells below `titles`, a row for each of `names`, which are the first column; the last row is of all together."""

    titles: tuple[str, ...]
    names: tuple[str, ...]
    cells: tuple[tuple[HeatCell, ...], ...]


def metrics_table(rows: Sequence[HeatRow], pooled: HeatRow, failed: Mapping[str, str]) -> HeatTable:
    """Return symbols × metrics; a metric is compared over the symbols, and *pooled* with what is neutral only."""
    columns = []
    for column in HEAT_COLUMNS:
        marks = [*column.shades_of(rows), *column.shades_of([pooled])]
        values = [row.metric(column.key) for row in (*rows, pooled)]
        columns.append(_cells(values, marks, column.unit))
    return HeatTable(tuple(column.title for column in HEAT_COLUMNS), _names(rows, failed), _turned(columns))


def months_table(
    months: Sequence[str], rows: Sequence[HeatRow], pooled: HeatRow, failed: Mapping[str, str]
) -> HeatTable:
    """Return symbols × months of total PNL; all cells are compared with one another, totals with totals."""
    width = len(months)
    marks = shades([value for row in rows for value in row.month_pnl_pct], neutral=0.0)
    totals = shades([row.figures.total_pnl_pct for row in rows], neutral=0.0)
    cells = [
        _cells(_with_total(row), [*marks[number * width : (number + 1) * width], total], Unit.PERCENT)
        for number, (row, total) in enumerate(zip(rows, totals, strict=True))
    ]
    foot = [*shades(pooled.month_pnl_pct, neutral=0.0), *shades([pooled.figures.total_pnl_pct], neutral=0.0)]
    cells.append(_cells(_with_total(pooled), foot, Unit.PERCENT))
    return HeatTable((*months, "Total"), _names(rows, failed), tuple(cells))


def _with_total(row: HeatRow) -> tuple[Figure, ...]:
    return *row.month_pnl_pct, row.figures.total_pnl_pct


def _cells(values: Iterable[Figure], marks: Iterable[Figure], unit: Unit) -> tuple[HeatCell, ...]:
    return tuple(HeatCell(number_text(value, unit), mark) for value, mark in zip(values, marks, strict=True))


def _turned(columns: Iterable[Iterable[HeatCell]]) -> tuple[tuple[HeatCell, ...], ...]:
    return tuple(zip(*columns, strict=True))


def _names(rows: Iterable[HeatRow], failed: Mapping[str, str]) -> tuple[str, ...]:
    symbols = [row.symbol or "" for row in rows]
    return *(f"{symbol} (failed)" if symbol in failed else symbol for symbol in symbols), POOLED


class Palette(NamedTuple):
    """Colours (red, green, blue; 0-255) of the worst, of what is neutral and of the best.

    Orange and blue are told apart by every kind of colour blindness, and by their lightness where they are strong.
    """

    worst: Colour
    neutral: Colour
    best: Colour

    def colour(self, shade: float) -> Colour:
        """Return the colour of *shade*, from -1 (worst) to 1 (best)."""
        end = self.best if shade > 0 else self.worst
        share = min(1.0, abs(shade))
        red, green, blue = (round(a + (b - a) * share) for a, b in zip(self.neutral, end, strict=True))
        return red, green, blue


ON_PAPER = Palette((200, 88, 18), (247, 246, 243), (31, 104, 178))
ON_SCREEN = Palette((176, 78, 18), (58, 58, 60), (28, 100, 176))
"""For a terminal: dark enough for white letters on any background."""
