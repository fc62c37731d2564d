"""The readable report of a backtest, one Markdown file a strategy: the same run gives the same bytes."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from backtestkit_cli.analytics.outcome import RunOutcome, SessionOutcome
from backtestkit_cli.analytics.trade_figures import in_closing_order
from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, utc_text
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, Settings
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.reports.event_rows import clean_text
from backtestkit_cli.reports.run_folder import output_errors
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

_WIDEST_PADDED = 40

_FILL_MODELS = {
    FillModelName.VWAP: (
        "the engine polls the average price of the last {candles} 1m candles. A stop or target is reached when that"
        " price stands at or beyond it and is booked at its level, also after a gap; one price cannot reach both."
        " A waiting entry fills at its price once the wick of a 1m candle reaches it; a wick that reaches the stop"
        " as well rejects it. Time limits are judged first."
    ),
    FillModelName.CANDLE: (
        "orders rest at the exchange and are judged by the high and low of each 1m candle. A candle that touches both"
        " stop and target is booked as a stop. A stop is booked at its level, or at the open of a candle that opens"
        " beyond it (a gap); a target at its level, never better. A waiting entry fills at its price; a candle that"
        " reaches its stop as well opens and stops it. Time limits are judged last."
    ),
}
_AVERAGING = {
    AveragingPolicy.BELOW_LOWEST: "only below every earlier entry of a long, above every one of a short",
    AveragingPolicy.BELOW_EFFECTIVE: "only below the effective price of a long, above that of a short",
    AveragingPolicy.ANY: "at any price",
}
_GAP_RULES = {
    GapPolicy.ERROR: "a symbol with a missing minute fails",
    GapPolicy.FILL: "a missing minute is a flat candle at the last close with volume 0",
    GapPolicy.SKIP: "a missing minute has no tick, and candle windows hold only what was there",
}
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


def write_markdown(outcome: RunOutcome, out: Path) -> list[Path]:
    """Write `<out>/backtest/<strategy>.md` for each strategy of the run; return the files, by name of strategy.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    stems = file_stems(outcome.facts.settings)
    written = []
    for strategy, stem in stems.items():
        with output_errors(out / "backtest" / f"{stem}.md") as path:
            write_bytes(path, backtest_markdown(outcome, strategy).encode())
            written.append(path)
    return written


def backtest_markdown(outcome: RunOutcome, strategy: str) -> str:
    """Return the report of *strategy*: what was assumed, figures by symbol, what happened, and the trades.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    if strategy not in outcome.facts.settings:
        raise UnknownNameError("strategy", strategy, outcome.facts.settings)
    sessions = sessions_of(outcome, strategy)
    trades = in_closing_order(trade for session in sessions for trade in session.trades)
    sections = [
        [f"# Backtest: {escaped(strategy)}"],
        _synthetic(outcome),
        _assumptions(outcome, strategy, sessions),
        ["## Results", *_results(outcome, strategy), _LEGEND],
        ["## What happened", *_happened(sessions, trades)],
        _failures(sessions),
        _gaps(sessions),
        ["## Trades", *_trades(outcome, trades)],
    ]
    return "\n\n".join(block for section in sections for block in section) + "\n"


def _synthetic(outcome: RunOutcome) -> list[str]:
    if not outcome.facts.is_synthetic:
        return []
    return ["**SYNTHETIC CANDLES:** this market is made up. The numbers show how btk works, not how a strategy earns."]


def _assumptions(outcome: RunOutcome, strategy: str, sessions: Sequence[SessionOutcome]) -> list[str]:
    facts, settings = outcome.facts, outcome.facts.settings[strategy]
    note = facts.notes.get(strategy)
    synthetic = " (SYNTHETIC)" if facts.is_synthetic else ""
    span = f"{utc_text(facts.start_ms)} to {utc_text(facts.end_ms)} UTC ({_span_text(facts.end_ms - facts.start_ms)})"
    frame = f"{escaped(facts.frame)}: {span}" if facts.frame else span
    model = _FILL_MODELS[settings.fill_model].format(candles=settings.avg_price_candles)
    rows = [
        *([("Note", escaped(note))] if note else []),
        ("Exchange", escaped(facts.exchange) + synthetic),
        ("Frame", frame),
        ("Fill model", f"**{settings.fill_model.value}**: {model}"),
        ("Fee", f"{settings.fee_pct:g} % of the money of each fill"),
        ("Slippage", f"{settings.slippage_pct:g} % against us on each fill"),
        ("Entry cost", f"{number_text(settings.position_cost, Unit.MONEY)} quote money, where a signal names no other"),
        ("Averaging", f"`{settings.averaging.value}`: {_AVERAGING[settings.averaging]}"),
        ("Gaps", _gap_policy(settings, sessions)),
        ("Version", f"btk {escaped(facts.version)}"),
        ("Run", f"`{facts.run_id}`"),
    ]
    return [_table(("Assumption", "Value"), rows)]


def _gap_policy(settings: Settings, sessions: Sequence[SessionOutcome]) -> str:
    rule = f"`{settings.gaps.value}`: {_GAP_RULES[settings.gaps]}"
    facts = [session.candles for session in sessions if session.candles is not None]
    missing = [candles.missing for candles in facts]
    if settings.gaps is GapPolicy.ERROR:
        return rule
    if not any(missing):
        return f"{rule}; none here"
    minutes = sum(candles.minutes for candles in facts)
    share = number_text(100 * sum(missing) / minutes, Unit.SHARE)
    return f"{rule}; {sum(missing):,} ({share} of all) in {sum(map(bool, missing))} of {len(sessions)} symbols"


def _results(outcome: RunOutcome, strategy: str) -> list[str]:
    rows = [*symbol_rows(outcome, strategy), total_row(outcome, strategy)]
    cells = [[escaped(cell_text(row, column)) for column in SYMBOL_COLUMNS] for row in rows]
    cells[-1] = [f"**{text}**" for text in cells[-1]]
    titles = [column.title for column in SYMBOL_COLUMNS]
    return [_table(titles, cells, right={i for i, column in enumerate(SYMBOL_COLUMNS) if column.is_number})]


def _happened(sessions: Sequence[SessionOutcome], trades: Sequence[Trade]) -> list[str]:
    counts: Counter[str] = Counter()
    for session in sessions:
        counts.update(session.counts)
    reasons = Counter(trade.reason.value for trade in trades)
    closed = [(f"Closed: {reason}", f"{count:,}") for reason, count in sorted(reasons.items())]
    other = [(title, f"{counts[kind]:,}") for kind, title in _COUNTED.items()]
    return [_table(("Event", "Count"), [*other, *closed], right={1})]


def _failures(sessions: Sequence[SessionOutcome]) -> list[str]:
    failed = [session for session in sessions if session.error is not None]
    if not failed:
        return []
    rows = [(escaped(session.symbol), _failure(session), escaped(session.error or "")) for session in failed]
    return ["## Failed symbols", _table(("Symbol", "Cause", "Error"), rows)]


def _failure(session: SessionOutcome) -> str:
    return session.failure.value if session.failure is not None else ""


def _gaps(sessions: Sequence[SessionOutcome]) -> list[str]:
    rows = [
        (
            escaped(session.symbol),
            f"{session.candles.missing:,}",
            number_text(100 * session.candles.missing / session.candles.minutes, Unit.SHARE),
            f"{len(session.candles.gaps):,}",
            _span_text(max((end_ms - start_ms for start_ms, end_ms in session.candles.gaps), default=0)),
        )
        for session in sessions
        if session.candles is not None and session.candles.missing
    ]
    if not rows:
        return []
    return ["## Gaps", _table(("Symbol", "Missing minutes", "Share", "Gaps", "Longest"), rows, right={1, 2, 3, 4})]


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
    table = _table(titles, [_trade_cells(trade) for trade in trades[:SHOWN_TRADES]], right={4, 5, 6, 8, 9})
    if len(trades) <= SHOWN_TRADES:
        return [f"{len(trades):,} in all, by closing time; the entry is the effective price.", table]
    text = (
        f"The first {SHOWN_TRADES:,} of {len(trades):,} by closing time; the entry is the effective price."
        f" All of them count above and are in `runs/{outcome.facts.run_id}/trades.parquet`."
    )
    return [text, table]


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


def _span_text(span_ms: int) -> str:
    for length_ms, unit in ((DAY_MS, "day"), (HOUR_MS, "hour")):
        if span_ms >= 2 * length_ms or span_ms == length_ms:
            number = f"{span_ms / length_ms:.1f}".removesuffix(".0")
            return f"{number} {unit}{'' if number == '1' else 's'}"
    minutes = span_ms // MINUTE_MS
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Set[int] = frozenset()) -> str:
    """Return a table of ready Markdown cells, padded so that its source reads well too; *right* are number columns."""
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(3, *(min(len(line[i]), _WIDEST_PADDED) for line in lines)) for i in range(len(titles))]
    lines.insert(1, ["-" * (width - 1) + (":" if i in right else "-") for i, width in enumerate(widths)])
    return "\n".join(_table_line(line, widths, right) for line in lines)


def _table_line(cells: Sequence[str], widths: Sequence[int], right: Set[int]) -> str:
    padded = [
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def escaped(text: object) -> str:
    """Return *text* of an author on one line, shown as it is written wherever it stands in a Markdown line."""
    line = " ".join(clean_text(text).split())
    shown = "".join(character for character in line if character.isprintable())
    special = re.sub(r"([\\`*\[\]<>|~#&$])", r"\\\1", shown)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", special)


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return a safe file name, without its ending, for each of *names*, in alphabetical order; no two are the same.

    A name that is safe stays as it is. Another one, and one that differs from its neighbour by case only,
    gets a hash of the name behind what is left of it.
    """
    ordered = sorted(names)
    folded = Counter(name.casefold() for name in ordered)
    return {name: name if folded[name.casefold()] == 1 and _is_safe(name) else _hashed_stem(name) for name in ordered}


def _is_safe(name: str) -> bool:
    is_plain = re.fullmatch(r"\w[\w.-]*", name) and not name.endswith(".") and len(name.encode()) <= 120
    is_device = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)
    return bool(is_plain) and not is_device and unicodedata.is_normalized("NFC", name)


def _hashed_stem(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60]
    return f"{kept or 'strategy'}-{digest}"
