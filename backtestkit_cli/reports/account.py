"""The account of a saved run: its daily equity, and the balance of the whole, of one strategy or of some symbols.

With a portfolio the account begins with the portfolio's balance. Without one it begins with the least balance that
could have paid for every entry (`required_capital`), so that percentages are of the money that was needed.
"""

from math import nan
from typing import TYPE_CHECKING, Final

from backtestkit_cli.analytics.account_figures import AccountFigures
from backtestkit_cli.analytics.capital import CashFlows, required_capital
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.reports.figure_columns import ACCOUNT_COLUMNS
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import Unit, number_text

if TYPE_CHECKING:
    import polars as pl

_SESSION: Final = ("strategy", "symbol")


def account_line(figures: AccountFigures, balance_quote: float | None) -> str:
    """Return *figures* of an account that began with *balance_quote* on one line."""
    parts = (f"{title} {number_text(getattr(figures, key), unit)}" for key, title, unit in ACCOUNT_COLUMNS)
    return f"Account of {number_text(balance_quote, Unit.MONEY)}: {' · '.join(parts)}"


def daily_curve(record: RunRecord, strategy: str | None = None) -> DailyCurve:
    """Return the equity of the account at each midnight UTC and at the end.

    That of the whole run with a portfolio is the run's own, also where it is that of the only strategy. Any other is
    the balance and what the sessions in question had won. Its balance is NaN where no double can hold it, and then
    there are no figures either.
    """
    start_ms, balance_quote = record.facts.start_ms, balance(record, strategy)
    if record.account_curve is not None and (strategy is None or len(record.facts.settings) == 1):
        table = record.account_curve
        return DailyCurve(
            start_ms=start_ms,
            balance_quote=balance_quote,
            times_ms=table["timestamp"].to_numpy(),
            equity_quote=table["equity_quote"].to_numpy(),
        )
    curves = [
        (session["timestamp"].to_numpy(), session["equity_quote"].to_numpy())
        for session in _sessions(record.equity, strategy)
    ]
    return DailyCurve.pooled(curves, start_ms=start_ms, balance_quote=balance_quote)


def balance(record: RunRecord, strategy: str | None = None) -> float:
    """Return what the account began with in quote money: 0 without a portfolio and without trades."""
    portfolio = record.facts.coordination.get("portfolio")
    return float(portfolio["balance"]) if portfolio is not None else _required(record, strategy)


def _required(record: RunRecord, strategy: str | None) -> float:
    flows = [moved for (of_strategy, _), moved in record.cash_flows.items() if strategy in (None, of_strategy)]
    capital = required_capital(CashFlows.joined(flows))
    return (nan if capital is None else capital) if flows else 0.0


def _sessions(table: "pl.DataFrame", strategy: str | None) -> "list[pl.DataFrame]":
    """Return the rows of each session of *strategy*, or of all, in the order of the table."""
    parts = table.partition_by(_SESSION, maintain_order=True)
    return [part for part in parts if strategy in (None, part["strategy"][0])]
