"""The tables of the heatmap, cell by cell with text and colour: one source for Markdown, terminal and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from backtestkit_cli.analytics.heat import Figure, HeatRow, shades
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text

Colour: TypeAlias = tuple[int, int, int]

INK: Final = (31, 35, 40)
WHITE: Final = (255, 255, 255)
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
    """Return symbols × metrics, each metric compared by itself; *pooled* is measured by the scale of the symbols."""
    columns = []
    for column in HEAT_COLUMNS:
        values = [row.metric(column.key) for row in (*rows, pooled)]
        columns.append(_cells(values, column.shades_of(values, compared=len(rows)), column.unit))
    return HeatTable(tuple(column.title for column in HEAT_COLUMNS), _names(rows, failed), _turned(columns))


def months_table(
    months: Sequence[str], rows: Sequence[HeatRow], pooled: HeatRow, failed: Mapping[str, str]
) -> HeatTable:
    """Return symbols × months of total PNL.

    The cells of all symbols are compared with one another, their totals with totals, and the months as a whole too.
    """
    width = len(months)
    marks = shades([value for row in rows for value in row.month_pnl_pct])
    totals = shades([row.figures.total_pnl_pct for row in rows])
    cells = [
        _cells(_with_total(row), [*marks[number * width : (number + 1) * width], total], Unit.PERCENT)
        for number, (row, total) in enumerate(zip(rows, totals, strict=True))
    ]
    cells.append(_cells(_with_total(pooled), [*shades(pooled.month_pnl_pct), None], Unit.PERCENT))
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

    def letters(self, shade: float) -> Colour:
        """Return the colour of letters on `colour(shade)`: dark or white, whichever stands out more."""
        light = _lightness(self.colour(shade))
        return WHITE if (_lightness(WHITE) + 0.05) / (light + 0.05) > (light + 0.05) / (_lightness(INK) + 0.05) else INK


def _lightness(colour: Colour) -> float:
    """Return the relative luminance, 0 to 1. Source: WCAG 2.2, contrast ratio."""
    shares = (value / 255 for value in colour)
    linear = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def hex_text(colour: Colour) -> str:
    """Return *colour* as `#1f68b2`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


ON_PAPER = Palette((200, 88, 18), (247, 246, 243), (31, 104, 178))
ON_SCREEN = Palette((176, 78, 18), (58, 58, 60), (28, 100, 176))
"""For a terminal: dark enough for white letters on any background."""
