"""The statistics of a run in a report: figures of trades, account and activity, and where they came from."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from backtestkit_cli.analytics.drawdowns import Drawdown
from backtestkit_cli.analytics.trade_figures import TradeFigures
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.reports.markdown.text import escaped, span_text, table
from backtestkit_cli.reports.statistics import RunStatistics
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text

_TRADES: Final = (
    ("trades", "Trades", Unit.COUNT),
    ("wins", "Wins", Unit.COUNT),
    ("losses", "Losses", Unit.COUNT),
    ("win_rate_pct", "Win rate", Unit.SHARE),
    ("total_pnl_pct", "Total PNL", Unit.PERCENT),
    ("avg_pnl_pct", "Average PNL", Unit.PERCENT),
    ("median_pnl_pct", "Median PNL", Unit.PERCENT),
    ("std_dev_pct", "Standard deviation (n-1)", Unit.SHARE),
    ("best_pnl_pct", "Best", Unit.PERCENT),
    ("worst_pnl_pct", "Worst", Unit.PERCENT),
    ("avg_win_pct", "Average win", Unit.PERCENT),
    ("avg_loss_pct", "Average loss", Unit.PERCENT),
    ("sharpe_ratio", "Sharpe, per trade", Unit.RATIO),
    ("sharpe_annualized", "Sharpe, per trade × √365", Unit.RATIO),
    ("certainty_ratio", "Certainty ratio", Unit.RATIO),
    ("profit_factor", "Profit factor", Unit.RATIO),
    ("expectancy_pct", "Expectancy", Unit.PERCENT),
    ("max_drawdown_pct", "Max drawdown of the summed PNL", Unit.SHARE),
    ("longest_win_streak", "Longest winning streak", Unit.COUNT),
    ("longest_loss_streak", "Longest losing streak", Unit.COUNT),
    ("avg_mae_pct", "Average worst standing (MAE)", Unit.PERCENT),
    ("worst_mae_pct", "Worst standing of any trade", Unit.PERCENT),
    ("avg_mfe_pct", "Average best standing (MFE)", Unit.PERCENT),
    ("ambiguous_exits", "Ambiguous exits: one candle reached stop and target", Unit.COUNT),
    ("ambiguous_pnl_pct", "PNL of ambiguous exits", Unit.PERCENT),
    ("ambiguous_share_pct", "Their share of all PNL", Unit.SHARE),
)
_ACCOUNT: Final = (
    ("return_pct", "Return", Unit.PERCENT),
    ("net_quote", "Net", Unit.MONEY),
    ("cagr_pct", "Compound annual growth (expected yearly return)", Unit.PERCENT),
    ("sharpe_daily_annualized", "Sharpe, daily × √365", Unit.RATIO),
    ("sortino_annualized", "Sortino, daily × √365", Unit.RATIO),
    ("volatility_annual_pct", "Volatility a year", Unit.SHARE),
    ("max_drawdown_pct", "Max drawdown", Unit.SHARE),
    ("max_drawdown_quote", "Max drawdown in money", Unit.MONEY),
    ("max_drawdown_days", "Longest time under water, days", Unit.RATIO),
    ("calmar", "Calmar", Unit.RATIO),
    ("recovery_factor", "Recovery factor", Unit.RATIO),
    ("best_day_pct", "Best day", Unit.PERCENT),
    ("worst_day_pct", "Worst day", Unit.PERCENT),
    ("winning_days_pct", "Winning days", Unit.SHARE),
)
_ACTIVITY: Final = (
    ("exposure_pct", "Exposure: time with an open position, of all sessions", Unit.SHARE),
    ("any_open_pct", "Time with any position open", Unit.SHARE),
    ("peak_open", "Most positions at once", Unit.COUNT),
    ("avg_invested_quote", "Money at work on average", Unit.MONEY),
    ("peak_invested_quote", "Money at work at most", Unit.MONEY),
    ("turnover_quote", "Turnover", Unit.MONEY),
    ("turnover_ratio", "Turnover ÷ balance", Unit.RATIO),
    ("turnover_yearly_ratio", "Turnover ÷ balance, a year", Unit.RATIO),
    ("fee_quote", "Fees", Unit.MONEY),
    ("slippage_quote", "Slippage", Unit.MONEY),
    ("costs_quote", "Costs in all", Unit.MONEY),
    ("costs_of_turnover_pct", "Costs of turnover", Unit.SHARE),
    ("costs_of_gross_pct", "Costs of gross profit", Unit.SHARE),
)
_GROUP: Final = (
    ("trades", "Trades", Unit.COUNT),
    ("win_rate_pct", "Win rate", Unit.SHARE),
    ("avg_pnl_pct", "Avg PNL", Unit.PERCENT),
    ("total_pnl_pct", "Total PNL", Unit.PERCENT),
    ("profit_factor", "Profit factor", Unit.RATIO),
    ("net_quote", "Net quote", Unit.MONEY),
)
_TRADES_LEGEND: Final = (
    "Each trade counts the same; certainty ratio is average win ÷ |average loss|. MAE and MFE are how far a trade stood"
    " in the red and in the black meanwhile. Where one 1m candle reached stop and target nobody knows which came"
    " first: it is booked as a stop, and its share is of the sum of all |PNL|."
)
_ACCOUNT_LEGEND: Final = (
    "From the equity at each midnight UTC and at the end, days without trades included; annual figures need 14 days."
    " Without a portfolio the account begins with the least balance that could have paid for every entry. Calmar is"
    " annual growth ÷ max drawdown, recovery factor net ÷ max drawdown in money, Sortino takes the downside"
    " deviation over all days."
)


def trade_blocks(statistics: RunStatistics) -> list[str]:
    """Return the figures of the trades."""
    figures = statistics.trades
    rows = [
        *_rows(figures, _TRADES),
        ("Trades expected a year", number_text(statistics.expected_yearly_trades, Unit.RATIO)),
        *(
            (title, _minutes(minutes))
            for title, minutes in (
                ("Average duration", figures.avg_minutes),
                ("Average duration of wins", figures.avg_win_minutes),
                ("Average duration of losses", figures.avg_loss_minutes),
            )
        ),
    ]
    return [table(("Figure", "Value"), rows, right={1}), _TRADES_LEGEND]


def account_blocks(statistics: RunStatistics) -> list[str]:
    """Return the figures of the account, and its deepest falls."""
    rows = [("Balance", number_text(statistics.balance_quote, Unit.MONEY)), *_rows(statistics.account, _ACCOUNT)]
    blocks = [table(("Figure", "Value"), rows, right={1}), _ACCOUNT_LEGEND]
    if statistics.worst_drawdowns:
        titles = ("Fell from (UTC)", "Lowest (UTC)", "Back (UTC)", "Depth", "In money", "Days")
        falls = [_fall(one) for one in statistics.worst_drawdowns]
        blocks += ["The deepest falls:", table(titles, falls, right={3, 4, 5})]
    return blocks


def activity_blocks(statistics: RunStatistics) -> list[str]:
    """Return how much time and money was at work, and what trading cost."""
    return [table(("Figure", "Value"), list(_rows(statistics.activity, _ACTIVITY)), right={1})]


def origin_blocks(statistics: RunStatistics) -> list[str]:
    """Return the figures of trades by month, reason, side, hour and weekday; nothing without trades."""
    groups = {
        "Month of the close": statistics.by_month,
        "Close reason": statistics.by_reason,
        "Side": statistics.by_side,
        "Hour of the opening (UTC)": statistics.by_hour,
        "Weekday of the opening": statistics.by_weekday,
    }
    return [_groups(title, figures) for title, figures in groups.items() if figures]


def _rows(figures: Any, columns: tuple[tuple[str, str, Unit], ...]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any of the dataclasses of figures
    for key, title, unit in columns:
        yield title, number_text(getattr(figures, key), unit)


def _groups(title: str, groups: Mapping[str, TradeFigures]) -> str:
    titles = (title, *(heading for _, heading, _ in _GROUP))
    rows = [(escaped(name), *(text for _, text in _rows(figures, _GROUP))) for name, figures in groups.items()]
    return table(titles, rows, right=set(range(1, len(titles))))


def _fall(one: Drawdown) -> tuple[str, ...]:
    return (
        utc_text(one.began_ms),
        utc_text(one.trough_ms),
        "not yet" if one.recovered_ms is None else utc_text(one.recovered_ms),
        number_text(one.depth_pct, Unit.SHARE),
        number_text(one.depth_quote, Unit.MONEY),
        f"{one.days:g}",
    )


def _minutes(minutes: float | None) -> str:
    return NOT_AVAILABLE if minutes is None else span_text(round(minutes * MINUTE_MS))
