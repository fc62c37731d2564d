"""The equity of an account and how far it was below its peak, one above the other on one axis of time."""

from typing import TYPE_CHECKING, Final

import numpy as np

from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.drawdowns import drawdown_series
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.reports.account import account_line, daily_curve
from backtestkit_cli.reports.charts.canvas import FAINT, LOSSES, SMALL_LETTER_IN, WINS, heading, own_look, picture
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import Unit, number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH_IN, _HEIGHT_IN, _EDGE_IN = 10.5, 6.0, 0.3
_DRAWABLE: Final = 1e100
"""Nothing has to be drawn that large, and an axis computes with the squares of its bounds."""


def equity_chart(record: RunRecord, chart_format: str, strategy: str | None = None) -> bytes:
    """Return the picture of the whole run, or of what *strategy* did in it."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, and only who draws has it

    curve = daily_curve(record, strategy)
    with own_look():
        title, source = heading(record, "Equity and drawdown", strategy)
        numbers = account_line(account_figures(curve), curve.balance_quote)
        figure = Figure(figsize=(max(_WIDTH_IN, 2 * _EDGE_IN + SMALL_LETTER_IN * len(numbers)), _HEIGHT_IN))
        grid = figure.add_gridspec(
            2, 1, height_ratios=(2.6, 1), hspace=0.12, left=0.085, right=0.975, top=0.83, bottom=0.085
        )
        above = figure.add_subplot(grid[0])
        below = figure.add_subplot(grid[1], sharex=above)
        _draw_equity(above, curve)
        _draw_drawdown(below, curve)
        figure.align_ylabels([above, below])
        left = _EDGE_IN / figure.get_figwidth()
        figure.text(left, 0.955, title, size=13, weight="bold", va="center")
        figure.text(left, 0.912, source, size=8, color=FAINT, va="center")
        figure.text(left, 0.876, numbers, size=8, va="center")
        return picture(figure, chart_format)


def _draw_equity(axes: "Axes", curve: DailyCurve) -> None:
    times, equity = curve.moments_ms.astype("datetime64[ms]"), _drawable(curve.values)
    begin = equity[0]
    axes.plot(times, equity, color=WINS, linewidth=1.6, solid_joinstyle="round")
    if np.isfinite(begin):
        axes.axhline(begin, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
        for is_part, colour in ((equity >= begin, WINS), (equity <= begin, LOSSES)):
            axes.fill_between(times, equity, begin, where=is_part, interpolate=True, color=colour, alpha=0.14, lw=0)
    axes.set_ylabel("Equity, quote money", size=9)
    axes.yaxis.set_major_formatter(lambda value, _place: number_text(value, Unit.MONEY).removesuffix(".00"))
    axes.tick_params(labelsize=8.5, length=0, labelbottom=False)
    axes.xaxis.get_offset_text().set_visible(False)
    axes.margins(x=0.01, y=0.08)


def _draw_drawdown(axes: "Axes", curve: DailyCurve) -> None:
    times, fall = curve.moments_ms.astype("datetime64[ms]"), _drawable(-drawdown_series(curve).fall_pct)
    axes.fill_between(times, fall, 0.0, color=LOSSES, alpha=0.3, lw=0)
    axes.plot(times, fall, color=LOSSES, linewidth=1.2)
    axes.set_ylabel("Drawdown", size=9)
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:g} %")
    axes.tick_params(labelsize=8.5, length=0)
    deepest = np.nanmin(fall, initial=0.0)
    axes.set_ylim(min(deepest * 1.12, -0.01), 0.0)
    axes.xaxis.get_offset_text().set(size=8.5, color=FAINT)


def _drawable(column: Floats) -> Floats:
    return np.where(np.abs(column) < _DRAWABLE, column, np.nan)
