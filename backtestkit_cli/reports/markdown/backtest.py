"""The report of a backtest: figures by symbol, what happened, and the trades."""

from collections import Counter
from collections.abc import Sequence

from backtestkit_cli.analytics.outcome import RunOutcome, SessionOutcome
from backtestkit_cli.analytics.trade_figures import in_closing_order
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import document, escaped, span_text, table
from backtestkit_cli.reports.tables import (
    SYMBOL_COLUMNS,
    Unit,
    cell_text,
    number_text,
    price_text,
    sessions_of,
    symbol_rows,
    total_row,
)

SHOWN_TRADES = 1_000

_COUNTED = {
    "signal_scheduled": "Signals that waited for their price",
    "signal_cancelled": "Signals cancelled before they opened",
    "signal_invalid": "Signals refused as invalid",
    "position_opened": "Positions opened",
    "position_averaged": "Further entries bought",
    "position_reduced": "Parts sold before the close",
    "command_refused": "Commands refused",
    "error_occurred": "Errors in the strategy or a listener",
}
_LEGEND = (
    "PNL is net of fees and slippage, in percent of the money put into a trade; totals add up without compounding."
    " Sharpe is average ÷ standard deviation (n-1) per trade, profit factor the sum of wins ÷ the sum of losses."
    " Net and costs (fees and slippage) are in the quote currency. N/A: not defined for these trades."
)


def get_report(outcome: RunOutcome, strategy: str) -> str:
    """Return the report of *strategy*: what was assumed, figures by symbol, what happened, and the trades.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    sessions = sessions_of(outcome, strategy)
    trades = in_closing_order(trade for session in sessions for trade in session.trades)
    sections = [
        head(outcome, strategy, "Backtest"),
        ["## Results", *_results(outcome, strategy), _LEGEND],
        ["## What happened", *_happened(sessions, trades)],
        _failures(sessions),
        _gaps(sessions),
        ["## Trades", *_trades(outcome, trades)],
    ]
    return document(sections)


def _results(outcome: RunOutcome, strategy: str) -> list[str]:
    rows = [*symbol_rows(outcome, strategy), total_row(outcome, strategy)]
    cells = [[escaped(cell_text(row, column)) for column in SYMBOL_COLUMNS] for row in rows]
    cells[-1] = [f"**{text}**" for text in cells[-1]]
    titles = [column.title for column in SYMBOL_COLUMNS]
    return [table(titles, cells, right={i for i, column in enumerate(SYMBOL_COLUMNS) if column.is_number})]


def _happened(sessions: Sequence[SessionOutcome], trades: Sequence[Trade]) -> list[str]:
    counts: Counter[str] = Counter()
    for session in sessions:
        counts.update(session.counts)
    reasons = Counter(trade.reason.value for trade in trades)
    closed = [(f"Closed: {reason}", f"{count:,}") for reason, count in sorted(reasons.items())]
    other = [(title, f"{counts[kind]:,}") for kind, title in _COUNTED.items()]
    return [table(("Event", "Count"), [*other, *closed], right={1})]


def _failures(sessions: Sequence[SessionOutcome]) -> list[str]:
    failed = [session for session in sessions if session.error is not None]
    if not failed:
        return []
    rows = [(escaped(session.symbol), _failure(session), escaped(session.error or "")) for session in failed]
    return ["## Failed symbols", table(("Symbol", "Cause", "Error"), rows)]


def _failure(session: SessionOutcome) -> str:
    return session.failure.value if session.failure is not None else ""


def _gaps(sessions: Sequence[SessionOutcome]) -> list[str]:
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


def _trades(outcome: RunOutcome, trades: Sequence[Trade]) -> list[str]:
    if not trades:
        return ["No position was closed."]
    titles = (
        "Symbol",
        "Side",
        "Opened (UTC)",
        "Closed (UTC)",
        "Entries",
        "Entry",
        "Exit",
        "Reason",
        "PNL",
        "Net",
        "Note",
    )
    shown = table(titles, [_trade_cells(trade) for trade in trades[:SHOWN_TRADES]], right={4, 5, 6, 8, 9})
    if len(trades) <= SHOWN_TRADES:
        return [f"{len(trades):,} in all, by closing time; the entry is the effective price.", shown]
    text = (
        f"The first {SHOWN_TRADES:,} of {len(trades):,} by closing time; the entry is the effective price."
        f" All of them count above and are in `runs/{outcome.facts.run_id}/trades.parquet`."
    )
    return [text, shown]


def _trade_cells(trade: Trade) -> tuple[str, ...]:
    return (
        escaped(trade.symbol),
        trade.side.value,
        utc_text(trade.opened_at_ms),
        utc_text(trade.closed_at_ms),
        f"{len(trade.entries):,}",
        price_text(trade.price_effective),
        price_text(trade.price_close),
        trade.reason.value,
        number_text(trade.pnl_pct, Unit.PERCENT),
        number_text(trade.pnl_cost, Unit.MONEY),
        escaped(trade.note),
    )
