"""The key figures of a run: what its cards show, and what is said of each symbol."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.reports.figure_columns import SYMBOL_COLUMNS
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.statistics import activity_in
from backtestkit_cli.reports.tables import Column, Unit, symbol_rows, total_row

GAIN: Final = "gain"
"""Money whose sign says whether it was won; like the next one, a unit that only the page knows."""
MINUTES: Final = "minutes"

_STRATEGY = Column("strategy", "Strategy", Unit.TEXT)


class Card(NamedTuple):
    """One key figure: its key in the row of its group, how it is written, and what it is."""

    key: str
    title: str
    unit: str
    hint: str


ACCOUNT_CARDS = (
    Card("return_pct", "Return", Unit.PERCENT, "of what the account began with"),
    Card("net_quote", "Net", GAIN, "quote money"),
    Card("max_drawdown_pct", "Max drawdown", Unit.SHARE, "of the equity, day by day"),
    Card("sharpe_daily_annualized", "Sharpe", Unit.RATIO, "daily, annualised"),
    Card("sortino_annualized", "Sortino", Unit.RATIO, "daily, annualised"),
    Card("cagr_pct", "Return a year", Unit.PERCENT, "compounded, from 14 days on"),
    Card("calmar", "Calmar", Unit.RATIO, "return a year ÷ max drawdown"),
    Card("recovery_factor", "Recovery factor", Unit.RATIO, "net ÷ max drawdown"),
    Card("winning_days_pct", "Winning days", Unit.SHARE, "of all days"),
    Card("balance_quote", "Began with", Unit.MONEY, "quote money"),
)
TRADE_CARDS = (
    Card("trades", "Trades", Unit.COUNT, "closed"),
    Card("win_rate_pct", "Win rate", Unit.SHARE, "of all trades"),
    Card("total_pnl_pct", "Total PNL", Unit.PERCENT, "sum of the trades, net"),
    Card("profit_factor", "Profit factor", Unit.RATIO, "wins ÷ losses"),
    Card("sharpe_ratio", "Sharpe", Unit.RATIO, "per trade"),
    Card("avg_pnl_pct", "Average PNL", Unit.PERCENT, "a trade"),
    Card("avg_win_pct", "Average win", Unit.PERCENT, "a winning trade"),
    Card("avg_loss_pct", "Average loss", Unit.PERCENT, "a losing trade"),
    Card("longest_loss_streak", "Losing streak", Unit.COUNT, "the longest, in trades"),
    Card("avg_minutes", "Average time", MINUTES, "from opening to close"),
)
ACTIVITY_CARDS = (
    Card("exposure_pct", "Exposure", Unit.SHARE, "of the time of all sessions"),
    Card("turnover_quote", "Turnover", Unit.MONEY, "of all fills, quote money"),
    Card("fee_quote", "Fees", Unit.MONEY, "quote money"),
    Card("slippage_quote", "Slippage", Unit.MONEY, "quote money"),
    Card("gross_quote", "Gross", GAIN, "before fees and slippage"),
)
"""The groups of cards: a further figure is one more line here."""


def figures_data(record: RunRecord, curve: DailyCurve) -> list[dict[str, Any]]:
    """Return the groups of cards: `title` and `cards` with `title`, `value`, `unit` and `hint`."""
    total, balance = total_row(record), finite(curve.balance_quote)
    groups: tuple[tuple[str, tuple[Card, ...], Mapping[str, Any]], ...] = (
        ("Account", ACCOUNT_CARDS, asdict(account_figures(curve)) | {"balance_quote": balance}),
        ("Trades", TRADE_CARDS, total),
        ("Activity and costs", ACTIVITY_CARDS, total | asdict(activity_in(record, curve))),
    )
    return [{"title": title, "cards": [_card(card, row) for card in cards]} for title, cards, row in groups]


def _card(card: Card, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"title": card.title, "value": row[card.key], "unit": card.unit, "hint": card.hint}


def symbols_data(record: RunRecord) -> dict[str, Any]:
    """Return `columns`, a list of `rows` in the order of the run, and the `total` over all trades."""
    columns, total = list(SYMBOL_COLUMNS), total_row(record)
    if len(record.facts.strategies) > 1:
        columns.insert(1, _STRATEGY)
    return {
        "columns": [{"title": column.title, "unit": column.unit} for column in columns],
        "rows": [[row[column.key] for column in columns] for row in symbol_rows(record)],
        "total": ["" if column is _STRATEGY else total[column.key] for column in columns],
    }
