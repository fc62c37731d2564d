"""The metrics of the heatmap: how each is written, and what it is compared with."""

from collections.abc import Sequence
from typing import NamedTuple

from backtestkit_cli.analytics.heat import Figure, shades
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.reports.tables import Unit


class HeatColumn(NamedTuple):
    """One metric: its name in `HeatRow.metric`, its title, its unit, and how it is judged.

    `neutral` is the value that is neither good nor bad; None for a metric that is not coloured.
    """

    key: str
    title: str
    unit: Unit
    neutral: float | None = None
    is_factor: bool = False
    is_less_better: bool = False

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
    HeatColumn("trades", "Trades", Unit.COUNT),
    HeatColumn("win_rate_pct", "Win rate", Unit.SHARE, 50.0),
    HeatColumn("total_pnl_pct", "Total PNL", Unit.PERCENT, 0.0),
    HeatColumn("avg_pnl_pct", "Avg PNL", Unit.PERCENT, 0.0),
    HeatColumn("std_dev_pct", "Deviation", Unit.SHARE, is_less_better=True),
    HeatColumn("sharpe_ratio", "Sharpe", Unit.RATIO, 0.0),
    HeatColumn("sharpe_annualized", "Sharpe annualised", Unit.RATIO, 0.0),
    HeatColumn("profit_factor", "Profit factor", Unit.RATIO, 1.0, is_factor=True),
    HeatColumn("expectancy_pct", "Expectancy", Unit.PERCENT, 0.0),
    HeatColumn("avg_win_pct", "Avg win", Unit.PERCENT),
    HeatColumn("avg_loss_pct", "Avg loss", Unit.PERCENT),
    HeatColumn("certainty_ratio", "Certainty ratio", Unit.RATIO, 1.0, is_factor=True),
    HeatColumn("max_drawdown_pct", "Max drawdown", Unit.SHARE, 0.0, is_less_better=True),
    HeatColumn("longest_win_streak", "Win streak", Unit.COUNT),
    HeatColumn("longest_loss_streak", "Loss streak", Unit.COUNT, is_less_better=True),
    HeatColumn("net_quote", "Net quote", Unit.MONEY, 0.0),
    HeatColumn("costs_quote", "Costs", Unit.MONEY, is_less_better=True),
    HeatColumn("exposure_pct", "Exposure", Unit.SHARE),
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
