"""The statistics of a run in a report: figures of trades, account and activity, and where they came from."""

from collections.abc import Mapping
from typing import Final

from backtestkit_cli.analytics.drawdowns import Drawdown
from backtestkit_cli.analytics.trade_figures import TradeFigures
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.reports.figure_columns import ACCOUNT, ACTIVITY, TRADE, columns, figure_lines
from backtestkit_cli.reports.markdown.text import escaped, span_text, table
from backtestkit_cli.reports.statistics import RunStatistics
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text

_OF_TRADES: Final = tuple(key for key in TRADE if key not in {"net_quote", "costs_quote"})
_GROUP: Final = ("trades", "win_rate_pct", "avg_pnl_pct", "total_pnl_pct", "profit_factor", "net_quote")
_TRADES_LEGEND: Final = (
    "Each trade counts the same; certainty ratio is average win ÷ |average loss|. MAE and MFE are how far a trade stood"
    " in the red and in the black meanwhile. Where one 1m candle reached stop and target nobody knows which came"
    " first: it is booked as a stop, and its share is of the sum of all |PNL|."
)
_ACCOUNT_LEGEND: Final = (
    "From the equity at each midnight UTC and at the end, days without trades included; a fall within a day is not"
    " seen. Annual figures need 14 days."
    " Without a portfolio the account begins with the least balance that could have paid for every entry. Calmar is"
    " annual growth ÷ max drawdown, recovery factor net ÷ max drawdown in money, Sortino takes the downside"
    " deviation over all days."
)

_ACTIVITY_LEGEND: Final = (
    "Money at work is what the positions held at a time had cost: an entry adds to it, and a sale takes off what the"
    " sold part had cost. Turnover is the money of all fills."
)


def trade_blocks(statistics: RunStatistics) -> list[str]:
    """Return the figures of the trades."""
    figures = statistics.trades
    rows = [
        *figure_lines(figures, TRADE, *_OF_TRADES),
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
    balance = number_text(statistics.balance_quote, Unit.MONEY)
    rows = [("Balance", balance), *figure_lines(statistics.account, ACCOUNT)]
    blocks = [table(("Figure", "Value"), rows, right={1}), _ACCOUNT_LEGEND]
    if statistics.worst_drawdowns:
        titles = ("Fell from (UTC)", "Lowest (UTC)", "Back (UTC)", "Depth", "In money", "Days")
        falls = [_fall(one) for one in statistics.worst_drawdowns]
        blocks += ["The deepest falls:", table(titles, falls, right={3, 4, 5})]
    return blocks


def activity_blocks(statistics: RunStatistics) -> list[str]:
    """Return how much time and money was at work, and what trading cost."""
    return [table(("Figure", "Value"), list(figure_lines(statistics.activity, ACTIVITY)), right={1}), _ACTIVITY_LEGEND]


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


def _groups(title: str, groups: Mapping[str, TradeFigures]) -> str:
    titles = (title, *(column.title for column in columns(TRADE, *_GROUP)))
    rows = [
        (escaped(name), *(text for _, text in figure_lines(figures, TRADE, *_GROUP)))
        for name, figures in groups.items()
    ]
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
