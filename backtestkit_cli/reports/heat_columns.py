"""The metrics of the heatmap: how each is written, and what it is compared with."""

from collections.abc import Sequence
from typing import NamedTuple

from backtestkit_cli.analytics.heat import Figure, shades
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.reports.figure_columns import ACTIVITY, TRADE
from backtestkit_cli.reports.tables import Column, Unit


class HeatColumn(NamedTuple):
    """One metric, by its name in `HeatRow.metric`, and how it is judged.

    `neutral` is the value that is neither good nor bad; None for a metric that is not coloured.
    """

    column: Column
    neutral: float | None = None
    is_factor: bool = False
    is_less_better: bool = False

    @property
    def key(self) -> str:
        """Return the name of the metric."""
        return self.column.key

    @property
    def title(self) -> str:
        """Return what it is called above a column."""
        return self.column.title

    @property
    def unit(self) -> Unit:
        """Return how it is written."""
        return self.column.unit

    def shades_of(self, values: Sequence[Figure], *, compared: int) -> list[Figure]:
        """Return how strongly each of *values* is coloured, as in `shades`; not at all without a neutral value."""
        if self.neutral is None:
            return [None] * len(values)
        return shades(
            values,
            neutral=self.neutral,
            is_factor=self.is_factor,
            is_less_better=self.is_less_better,
            compared=compared,
        )


HEAT_COLUMNS = (
    HeatColumn(TRADE["trades"].column),
    HeatColumn(TRADE["win_rate_pct"].column, 50.0),
    HeatColumn(TRADE["total_pnl_pct"].column, 0.0),
    HeatColumn(TRADE["avg_pnl_pct"].column, 0.0),
    HeatColumn(TRADE["std_dev_pct"].column, is_less_better=True),
    HeatColumn(TRADE["sharpe_ratio"].column, 0.0),
    HeatColumn(TRADE["sharpe_annualized"].column, 0.0),
    HeatColumn(TRADE["profit_factor"].column, 1.0, is_factor=True),
    HeatColumn(TRADE["expectancy_pct"].column, 0.0),
    HeatColumn(TRADE["avg_win_pct"].column),
    HeatColumn(TRADE["avg_loss_pct"].column),
    HeatColumn(TRADE["certainty_ratio"].column, 1.0, is_factor=True),
    HeatColumn(TRADE["max_drawdown_pct"].column, 0.0, is_less_better=True),
    HeatColumn(TRADE["longest_win_streak"].column),
    HeatColumn(TRADE["longest_loss_streak"].column, is_less_better=True),
    HeatColumn(TRADE["net_quote"].column, 0.0),
    HeatColumn(TRADE["costs_quote"].column, is_less_better=True),
    HeatColumn(ACTIVITY["exposure_pct"].column),
)
"""What a heatmap shows of each symbol, and what it can be sorted by."""


def heat_column(name: str) -> HeatColumn:
    """Return the metric *name*.

    Raises:
        UnknownNameError: there is no such metric.
    """
    for column in HEAT_COLUMNS:
        if column.key == name:
            return column
    raise UnknownNameError("metric", name, [column.key for column in HEAT_COLUMNS])
