"""The report of a backtest: figures by symbol, what happened, and the trades."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backtestkit_cli.analytics.refusals import RefusalStatistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.disagreement import disagreement
from backtestkit_cli.reports.figure_columns import SYMBOL_COLUMNS
from backtestkit_cli.reports.markdown import risk
from backtestkit_cli.reports.markdown.coordination import stopped_action, stopped_rule
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.statistics import account_blocks, activity_blocks, origin_blocks, trade_blocks
from backtestkit_cli.reports.markdown.text import document, escaped, span_text, table
from backtestkit_cli.reports.markdown.trade_list import trade_list
from backtestkit_cli.reports.saved.manifest import SavedSession
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.statistics import RunStatistics, statistics_of
from backtestkit_cli.reports.tables import (
    Row,
    Unit,
    cell_text,
    number_text,
    symbol_rows,
    total_row,
)

if TYPE_CHECKING:
    import polars as pl

SHOWN_PROBLEMS = 50

_COUNTED = {
    "signal_scheduled": "Signals that waited for their price",
    "signal_cancelled": "Signals cancelled before they opened",
    "signal_invalid": "Signals refused as invalid",
    "signal_refused": "Signals refused by risk",
    "position_opened": "Positions opened",
    "position_averaged": "Further entries bought",
    "position_reduced": "Parts sold before the close",
    "profit_level_reached": "Partial levels reached in profit",
    "loss_level_reached": "Partial levels reached in loss",
    "stop_moved": "Stops moved",
    "target_moved": "Targets moved",
    "command_refused": "Commands refused",
    "error_occurred": "Errors in the strategy or a listener",
}
_COUNTED_OF_RUN = {
    "job_ran": "Jobs run, of the whole run",
    "portfolio_stopped": "Stops of the portfolio, of the whole run",
    "error_occurred": "Errors outside the sessions, of the whole run",
}
_LEGEND = (
    "PNL is net of fees and slippage, in percent of the money put into a trade; totals add up without compounding."
    " Sharpe is average ÷ standard deviation (n-1) per trade, profit factor the sum of wins ÷ the sum of losses."
    " Net and costs (fees and slippage) are in the quote currency. N/A: not defined for these trades."
)
_ONE_ACCOUNT = "One account for all strategies and symbols of the run, in quote money."


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestData:
    """What a backtest came to, of one strategy or of all.

    Attributes:
        symbols: A row a session, as `symbol_rows` describes it.
        total: The same figures over all trades pooled.
        statistics: All figures of trades, account and activity, and by month, reason, side, hour and weekday.
        account: How the account ended, as in the manifest; None without a portfolio.
        counts: Events of the sessions by kind.
        counts_of_run: Events that belong to no session, by kind.
        closed: Trades by the reason of their close.
        refusals: Signals that were refused or invalid.
        trades: All of them by closing time, with the columns of trades.parquet but `fills`.
    """

    symbols: tuple[Row, ...]
    total: Row
    statistics: RunStatistics
    account: Mapping[str, Any] | None
    counts: Mapping[str, int]
    counts_of_run: Mapping[str, int]
    closed: Mapping[str, int]
    refusals: RefusalStatistics
    trades: "pl.DataFrame"


def get_data(record: RunRecord, strategy: str | None = None) -> BacktestData:
    """Return the numbers that the report shows, of *strategy* or of all."""
    counts: Counter[str] = Counter()
    for session in record.sessions_of(strategy):
        counts.update(session.counts)
    return BacktestData(
        symbols=tuple(symbol_rows(record, strategy)),
        total=total_row(record, strategy),
        statistics=statistics_of(record, strategy),
        account=record.account,
        counts=counts,
        counts_of_run=record.counts,
        closed=dict(sorted(Counter(record.trades_of(strategy).reason.tolist()).items())),
        refusals=risk.get_data(record, strategy),
        trades=record.trades[record.rows_of(strategy)].drop("fills"),
    )


def get_report(record: RunRecord, strategy: str) -> str:
    """Return the report of *strategy*: what was assumed, figures by symbol, what happened, and the trades.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Backtest")
    data = get_data(record, strategy)
    sessions = record.sessions_of(strategy)
    sections = [
        blocks,
        ["## Results", *_results(data), _LEGEND, *_warned(disagreement(data.total))],
        ["## Trade figures", *trade_blocks(data.statistics)],
        ["## Account figures", *account_blocks(data.statistics)],
        ["## Activity and costs", *activity_blocks(data.statistics)],
        _origins(data.statistics),
        _account(data),
        ["## What happened", *_happened(data)],
        _invalid(data.refusals),
        _failures(sessions),
        _gaps(sessions),
        ["## Trades", *trade_list(data.trades, record.run_id)],
    ]
    return document(sections)


def _results(data: BacktestData) -> list[str]:
    rows = [*data.symbols, data.total]
    cells = [[escaped(cell_text(row, column)) for column in SYMBOL_COLUMNS] for row in rows]
    cells[-1] = [f"**{text}**" for text in cells[-1]]
    titles = [column.title for column in SYMBOL_COLUMNS]
    return [table(titles, cells, right={i for i, column in enumerate(SYMBOL_COLUMNS) if column.is_number})]


def _warned(text: str | None) -> list[str]:
    return [] if text is None else [f"**Mind:** {text}."]


def _origins(statistics: RunStatistics) -> list[str]:
    blocks = origin_blocks(statistics)
    return ["## Where the result came from", *blocks] if blocks else []


def _account(data: BacktestData) -> list[str]:
    account = data.account
    if account is None:
        return []
    stops = account["stops"]
    rows = [
        ("Starting balance", number_text(account["balance"], Unit.MONEY)),
        ("Reserve", number_text(account["reserve"], Unit.MONEY)),
        ("Cash at the end", number_text(account["cash"], Unit.MONEY)),
        ("Equity at the end", number_text(account["equity"], Unit.MONEY)),
        ("Return", number_text(account["return_pct"], Unit.PERCENT)),
        ("Max drawdown, judged at every minute", number_text(account["max_drawdown_pct"], Unit.SHARE)),
    ]
    blocks = ["## Account", _ONE_ACCOUNT, table(("Account", "Value"), rows, right={1})]
    if stops:
        titles = ("Stopped (UTC)", "By", "Equity", "Limit", "What was done", "Until (UTC)")
        blocks.append(table(titles, [_stop_cells(stop) for stop in stops], right={2, 3}))
    return blocks


def _stop_cells(stop: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        utc_text(stop["at"]),
        f"`{stop['rule']}`: {stopped_rule(stop)}",
        number_text(stop["equity"], Unit.MONEY),
        number_text(stop["limit"], Unit.MONEY),
        f"`{stop['action']}`: {stopped_action(stop)}",
        "for good" if stop["until"] is None else utc_text(stop["until"]),
    )


def _happened(data: BacktestData) -> list[str]:
    refusals = data.refusals.by_rule
    rows = [
        *((title, data.counts.get(kind, 0)) for kind, title in _COUNTED.items()),
        *((f"Refused by {escaped(rule.profile)}: {escaped(rule.rule)}", rule.total) for rule in refusals),
        *((f"Closed: {reason}", count) for reason, count in data.closed.items()),
        *((title, data.counts_of_run[kind]) for kind, title in _COUNTED_OF_RUN.items() if kind in data.counts_of_run),
    ]
    return [table(("Event", "Count"), [(title, f"{count:,}") for title, count in rows], right={1})]


def _invalid(refusals: RefusalStatistics) -> list[str]:
    problems = refusals.by_problem
    if not problems:
        return []
    rows = [(escaped(row.problem), f"{row.signals:,}") for row in problems[:SHOWN_PROBLEMS]]
    text = "What was wrong with invalid signals; where texts differ in numbers only, the first of them is shown."
    if len(problems) > SHOWN_PROBLEMS:
        text += f" The {SHOWN_PROBLEMS} most frequent of {len(problems):,}."
    return ["## Invalid signals", text, table(("Problem", "Signals"), rows, right={1})]


def _failures(sessions: Sequence[SavedSession]) -> list[str]:
    failed = [session for session in sessions if session.error is not None]
    if not failed:
        return []
    rows = [(escaped(session.symbol), _failure(session), escaped(session.error or "")) for session in failed]
    return ["## Failed symbols", table(("Symbol", "Cause", "Error"), rows)]


def _failure(session: SavedSession) -> str:
    return session.failure.value if session.failure is not None else ""


def _gaps(sessions: Sequence[SavedSession]) -> list[str]:
    rows = [
        (
            escaped(session.symbol),
            f"{session.candles.missing:,}",
            number_text(100 * session.candles.missing / session.candles.minutes, Unit.SHARE),
            f"{len(session.candles.gaps):,}",
            span_text(max((end_ms - start_ms for start_ms, end_ms in session.candles.gaps), default=0)),
        )
        for session in sessions
        if session.candles is not None and session.candles.missing
    ]
    if not rows:
        return []
    return ["## Gaps", table(("Symbol", "Missing minutes", "Share", "Gaps", "Longest"), rows, right={1, 2, 3, 4})]
