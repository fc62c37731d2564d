"""What every figure is called and how it is written, wherever it is shown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from backtestkit_cli.reports.tables import Column, Unit, number_text


class Figure(NamedTuple):
    """A figure: its name in the dataclass of figures it is of, its title, and its unit.

    `short` is the title where there is little room, above a column; empty where that is `title` itself.
    """

    key: str
    title: str
    unit: Unit
    short: str = ""

    @property
    def column(self) -> Column:
        """Return the figure as the column of a table."""
        return Column(self.key, self.short or self.title, self.unit)


def _by_key(*figures: Figure) -> Mapping[str, Figure]:
    return {figure.key: figure for figure in figures}


TRADE: Final = _by_key(
    Figure("trades", "Trades", Unit.COUNT),
    Figure("wins", "Wins", Unit.COUNT),
    Figure("losses", "Losses", Unit.COUNT),
    Figure("win_rate_pct", "Win rate", Unit.SHARE),
    Figure("total_pnl_pct", "Total PNL", Unit.PERCENT),
    Figure("avg_pnl_pct", "Average PNL", Unit.PERCENT, "Avg PNL"),
    Figure("median_pnl_pct", "Median PNL", Unit.PERCENT),
    Figure("std_dev_pct", "Standard deviation (n-1)", Unit.SHARE, "Deviation"),
    Figure("best_pnl_pct", "Best", Unit.PERCENT),
    Figure("worst_pnl_pct", "Worst", Unit.PERCENT),
    Figure("avg_win_pct", "Average win", Unit.PERCENT, "Avg win"),
    Figure("avg_loss_pct", "Average loss", Unit.PERCENT, "Avg loss"),
    Figure("sharpe_ratio", "Sharpe per trade", Unit.RATIO, "Sharpe"),
    Figure("sharpe_annualized", "Sharpe per trade × √365", Unit.RATIO, "Sharpe annualised"),
    Figure("certainty_ratio", "Certainty ratio", Unit.RATIO),
    Figure("profit_factor", "Profit factor", Unit.RATIO),
    Figure("expectancy_pct", "Expectancy", Unit.PERCENT),
    Figure("max_drawdown_pct", "Max drawdown of the summed PNL", Unit.SHARE, "Max drawdown"),
    Figure("longest_win_streak", "Longest winning streak", Unit.COUNT, "Win streak"),
    Figure("longest_loss_streak", "Longest losing streak", Unit.COUNT, "Loss streak"),
    Figure("avg_mae_pct", "Average worst standing (MAE)", Unit.PERCENT),
    Figure("worst_mae_pct", "Worst standing of any trade", Unit.PERCENT),
    Figure("avg_mfe_pct", "Average best standing (MFE)", Unit.PERCENT),
    Figure("ambiguous_exits", "Ambiguous exits: one candle reached stop and target", Unit.COUNT),
    Figure("ambiguous_pnl_pct", "PNL of ambiguous exits", Unit.PERCENT),
    Figure("ambiguous_share_pct", "Their share of all PNL", Unit.SHARE),
    Figure("net_quote", "Net quote", Unit.MONEY),
    Figure("costs_quote", "Costs", Unit.MONEY),
)
"""Those of `TradeFigures`."""

ACCOUNT: Final = _by_key(
    Figure("return_pct", "Return", Unit.PERCENT),
    Figure("net_quote", "Net quote", Unit.MONEY),
    Figure("cagr_pct", "Compound annual growth (expected yearly return)", Unit.PERCENT, "Return a year"),
    Figure("sharpe_daily_annualized", "Daily Sharpe × √365", Unit.RATIO, "Daily Sharpe"),
    Figure("sortino_annualized", "Daily Sortino × √365", Unit.RATIO, "Daily Sortino"),
    Figure("volatility_annual_pct", "Volatility a year", Unit.SHARE),
    Figure("max_drawdown_pct", "Max drawdown", Unit.SHARE),
    Figure("max_drawdown_quote", "Max drawdown in money", Unit.MONEY),
    Figure("max_drawdown_days", "Longest time under water, days", Unit.RATIO),
    Figure("calmar", "Calmar", Unit.RATIO),
    Figure("recovery_factor", "Recovery factor", Unit.RATIO),
    Figure("best_day_pct", "Best day", Unit.PERCENT),
    Figure("worst_day_pct", "Worst day", Unit.PERCENT),
    Figure("winning_days_pct", "Winning days", Unit.SHARE),
)
"""Those of `AccountFigures`."""

ACTIVITY: Final = _by_key(
    Figure("exposure_pct", "Exposure: time with an open position, of all sessions", Unit.SHARE, "Exposure"),
    Figure("any_open_pct", "Time with any position open", Unit.SHARE),
    Figure("peak_open", "Most positions at once", Unit.COUNT),
    Figure("avg_invested_quote", "Money at work on average", Unit.MONEY),
    Figure("peak_invested_quote", "Money at work at most", Unit.MONEY),
    Figure("turnover_quote", "Turnover", Unit.MONEY),
    Figure("turnover_ratio", "Turnover ÷ balance", Unit.RATIO),
    Figure("turnover_yearly_ratio", "Turnover ÷ balance, a year", Unit.RATIO),
    Figure("fee_quote", "Fees", Unit.MONEY),
    Figure("slippage_quote", "Slippage", Unit.MONEY),
    Figure("costs_quote", "Costs in all", Unit.MONEY),
    Figure("costs_of_turnover_pct", "Costs of turnover", Unit.SHARE),
    Figure("costs_of_gross_pct", "Costs of gross profit", Unit.SHARE),
)
"""Those of `ActivityFigures`."""


def columns(figures: Mapping[str, Figure], *keys: str) -> tuple[Column, ...]:
    """Return those of *figures* that *keys* name as columns, in that order."""
    return tuple(figures[key].column for key in keys)


def figure_lines(values: Any, figures: Mapping[str, Figure], *keys: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any of the dataclasses of figures
    """Yield title and text of each of *figures* that *keys* name, of all without any, from the fields of *values*."""
    for key in keys or figures:
        yield figures[key].title, number_text(getattr(values, key), figures[key].unit)


SYMBOL_COLUMNS: Final = (
    Column("symbol", "Symbol", Unit.TEXT),
    *columns(TRADE, "trades", "win_rate_pct", "avg_pnl_pct", "total_pnl_pct", "best_pnl_pct", "worst_pnl_pct"),
    *columns(TRADE, "sharpe_ratio", "profit_factor", "net_quote", "costs_quote"),
)
"""What a report shows of each symbol; a row of `symbol_rows` has all of `TradeFigures`."""

ACCOUNT_COLUMNS: Final = (
    *columns(ACCOUNT, "return_pct", "net_quote", "cagr_pct", "sharpe_daily_annualized", "sortino_annualized"),
    *columns(ACCOUNT, "max_drawdown_pct", "calmar", "recovery_factor"),
)
"""The figures of an account that fit into one row."""
