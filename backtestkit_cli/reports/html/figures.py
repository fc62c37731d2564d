"""The key figures of a run: what its cards show, and what is said of each symbol."""

from typing import Any, Final, NamedTuple

from backtestkit_cli.reports.record import RunRecord
from backtestkit_cli.reports.tables import SYMBOL_COLUMNS, Column, Row, Unit, symbol_rows, total_row

GAIN: Final = "gain"
"""Money whose sign says whether it was won; a unit that only the page knows."""

_STRATEGY = Column("strategy", "Strategy", Unit.TEXT)


class Card(NamedTuple):
    """One key figure: its key in the row of its group, how it is written, and what it is."""

    key: str
    title: str
    unit: str
    hint: str


ACCOUNT_CARDS = (
    Card("equity", "Equity at the end", Unit.MONEY, "quote money"),
    Card("return_pct", "Return", Unit.PERCENT, "of what the account began with"),
    Card("max_drawdown_pct", "Max drawdown", Unit.SHARE, "judged at every minute"),
    Card("balance", "Began with", Unit.MONEY, "quote money"),
)
TRADE_CARDS = (
    Card("total_pnl_pct", "Total PNL", Unit.PERCENT, "sum of the trades, net"),
    Card("trades", "Trades", Unit.COUNT, ""),
    Card("win_rate_pct", "Win rate", Unit.SHARE, ""),
    Card("profit_factor", "Profit factor", Unit.RATIO, "wins ÷ losses"),
    Card("avg_pnl_pct", "Average PNL", Unit.PERCENT, "a trade"),
    Card("avg_win_pct", "Average win", Unit.PERCENT, ""),
    Card("avg_loss_pct", "Average loss", Unit.PERCENT, ""),
    Card("sharpe_ratio", "Sharpe", Unit.RATIO, "per trade"),
    Card("max_drawdown_pct", "Max drawdown", Unit.SHARE, "of the summed PNL"),
    Card("longest_loss_streak", "Longest losing streak", Unit.COUNT, "trades"),
)
COST_CARDS = (
    Card("net_quote", "Net", GAIN, "quote money"),
    Card("gross_quote", "Gross", GAIN, "before all costs"),
    Card("fee_quote", "Fees", Unit.MONEY, ""),
    Card("slippage_quote", "Slippage", Unit.MONEY, ""),
)
"""The groups of cards: a further figure is one more line here."""


def figures_data(record: RunRecord) -> list[dict[str, Any]]:
    """Return the groups of cards: `title` and `cards` with `title`, `value`, `unit` and `hint`."""
    total = total_row(record)
    groups = [("Trades", TRADE_CARDS, total), ("Money", COST_CARDS, total)]
    if record.account is not None:
        groups.insert(0, ("Account", ACCOUNT_CARDS, dict(record.account)))
    return [{"title": title, "cards": [_card(card, row) for card in cards]} for title, cards, row in groups]


def _card(card: Card, row: Row) -> dict[str, Any]:
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
