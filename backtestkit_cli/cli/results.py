"""What a finished run shows: its tables, its lines on stderr, and the same as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backtestkit_cli.analytics.outcome import Failure, RunOutcome
from backtestkit_cli.cli import console
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.cli.coordination_lines import coordination_lines, passing_stops
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.settings import FillModelName, GapPolicy
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.events.facts import CANDLES, ErrorOccurred
from backtestkit_cli.events.rows import EventRow
from backtestkit_cli.reports.disagreement import disagreement
from backtestkit_cli.reports.figure_columns import SYMBOL_COLUMNS, TRADE, columns
from backtestkit_cli.reports.markdown import partial, risk
from backtestkit_cli.reports.saved.manifest import SavedSession
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.summaries import partials_summary, refusals_summary
from backtestkit_cli.reports.tables import (
    NOT_AVAILABLE,
    TOTAL,
    Row,
    Unit,
    cell_text,
    number_text,
    symbol_rows,
    total_row,
)

# What goes first where a terminal is too narrow for all.
_RANKS = {"best_pnl_pct": 7, "worst_pnl_pct": 6, "avg_pnl_pct": 5, "costs_quote": 4, "profit_factor": 3}
_RANKS |= {"sharpe_ratio": 2, "net_quote": 1}
# What failed so ended its session and is shown there.
_ENDING = {"strategy", CANDLES}
_SPAN_FIGURES = columns(TRADE, "total_pnl_pct", "trades")


def show_result(record: RunRecord) -> None:
    """Print the figures of each symbol and of all, and what they rest on."""
    show_figures(record, list(record.facts.settings))
    for line in (*caption(record), *coordination_lines(record)):
        console.out(line)


def show_figures(record: RunRecord, strategies: Sequence[str]) -> None:
    """Print the figures of each symbol and of all, of the named strategies."""
    several = len(strategies) > 1
    headings = [Heading(c.title, c.is_number, _RANKS.get(c.key, 0)) for c in SYMBOL_COLUMNS]
    shown = {*strategies, None} if len(strategies) == len(record.facts.settings) else {*strategies}
    sections = [
        [
            _cells(row, [cell_text(row, column) for column in SYMBOL_COLUMNS], several=several)
            for row in rows
            if row["strategy"] in shown
        ]
        for rows in (symbol_rows(record), _totals(record))
    ]
    console.show_table([Heading("Strategy"), *headings] if several else headings, sections)


def show_bounds(records: Mapping[FillModelName, RunRecord]) -> None:
    """Print what each fill model makes of the run, and how far apart they are."""
    first = next(iter(records.values()))
    several = len(first.facts.settings) > 1
    headings = [Heading("Symbol")]
    for _, title, _ in _SPAN_FIGURES:
        headings += [Heading(f"{title}\n{column}", is_number=True) for column in (*records, "span")]
    sections = [
        [_cells(row, [str(row["symbol"]), *_span_cells(row)], several=several) for row in rows]
        for rows in _span_rows(records)
    ]
    console.show_table([Heading("Strategy"), *headings] if several else headings, sections)
    for line in caption(first, models=" and ".join(records)):
        console.out(line)
    for model, record in records.items():
        for line in coordination_lines(record):
            console.out(f"{model}: {line}")


def _cells(row: Row, cells: list[str], *, several: bool) -> list[str]:
    if row["error"] and row["symbol"] != TOTAL:
        cells[0] += " (failed)"
    return [str(row["strategy"] or "all"), *cells] if several else cells


def _totals(record: RunRecord) -> list[Row]:
    strategies = list(record.facts.settings)
    each = [total_row(record, strategy) for strategy in strategies] if len(strategies) > 1 else []
    return [*each, total_row(record)]


def _span_rows(records: Mapping[FillModelName, RunRecord]) -> Iterator[list[Row]]:
    """Yield the rows of the symbols, then those of the totals: `<figure>_<model>` and `<figure>_span`."""
    for rows_of in (symbol_rows, _totals):
        by_model = [rows_of(record) for record in records.values()]
        yield [_span_row(tuple(records), rows) for rows in zip(*by_model, strict=True)]


def _span_row(models: Sequence[FillModelName], rows: Sequence[Row]) -> Row:
    row: Row = {key: rows[0][key] for key in ("strategy", "symbol", "error")}
    for figure, _, _ in _SPAN_FIGURES:
        values = [each[figure] for each in rows]
        row |= {f"{figure}_{model.value}": value for model, value in zip(models, values, strict=True)}
        numbers = [value for value in values if isinstance(value, int | float)]
        row[f"{figure}_span"] = max(numbers) - min(numbers) if len(numbers) == len(values) else None
    return row


def _span_cells(row: Row) -> Iterator[str]:
    for figure, _, unit in _SPAN_FIGURES:
        for key, value in row.items():
            if not key.startswith(f"{figure}_"):
                continue
            shown_as = Unit.SHARE if key.endswith("_span") and unit is Unit.PERCENT else unit
            yield number_text(value, shown_as) if isinstance(value, int | float) else NOT_AVAILABLE


def caption(record: RunRecord, models: str | None = None) -> Iterator[str]:
    """Yield what the figures rest on; strategies are named where they differ in it."""
    facts = record.facts
    strategies: dict[str, list[str]] = {}
    for name, settings in facts.settings.items():
        model = models or settings.fill_model.value
        text = f"fill model {model}, fee {settings.fee_pct:g} %, slippage {settings.slippage_pct:g} %"
        strategies.setdefault(text, []).append(name)
    for text, names in strategies.items():
        yield text if len(strategies) == 1 else f"{', '.join(names)}: {text}"
    market = f"{facts.exchange}: SYNTHETIC candles, the market is made up" if facts.is_synthetic else facts.exchange
    yield f"{market}; {utc_text(facts.start_ms)} to {utc_text(facts.end_ms)} UTC"


def failures(record: RunRecord) -> list[str]:
    """Return a line for each session that did not reach the end of its frame; one for a symbol without candles."""
    several = len(record.facts.settings) > 1
    return list(dict.fromkeys(_failure(session, several=several) for session in record.sessions if session.error))


def _failure(session: SavedSession, *, several: bool) -> str:
    if session.failure is Failure.STRATEGY and several:
        return f"{session.symbol}, {session.strategy}: {session.error}"
    return f"{session.symbol}: {(session.error or '').removeprefix(f'{session.symbol}: ')}"


def notes(record: RunRecord) -> Iterator[str]:
    """Yield what went on beside the trades and a person should know."""
    invalid = list(record.event_rows("signal_invalid"))
    if invalid:
        yield _first_of("invalid signal", invalid, "; ".join(invalid[0]["problems"]))
    unwanted = list(record.event_rows("signal_refused"))
    if unwanted:
        first = unwanted[0]
        yield _first_of("refused signal", unwanted, f"{first['profile']}.{first['rule']}: {first['reason']}")
    yield from passing_stops(record)
    refused = list(record.event_rows("command_refused"))
    if refused:
        yield _first_of("refused command", refused, f"{refused[0]['command']}: {refused[0]['problem']}")
    failed = [row for row in record.event_rows("error_occurred") if row["source"] not in _ENDING]
    if failed:
        yield _first_of("error", failed, f"{failed[0]['source']}: {failed[0]['error']}")
    missing = {s.symbol: s.candles.missing for s in record.sessions if s.candles is not None and s.candles.missing}
    if missing:
        done = "skipped" if any(s.gaps is GapPolicy.SKIP for s in record.facts.settings.values()) else "filled"
        yield f"{counted(sum(missing.values()), 'missing minute')} {done}, in {counted(len(missing), 'symbol')}"
    opposed = disagreement(total_row(record))
    if opposed is not None:
        yield opposed
    yield from _symbols_elsewhere(record)


def _symbols_elsewhere(record: RunRecord) -> Iterator[str]:
    """Yield what names symbols that the run does not have: they may be meant for another one, or misspelled."""
    facts = record.facts
    here = {symbol.replace("/", "") for symbol in facts.symbols}
    named = {f"group {name}": symbols for name, symbols in facts.coordination.get("groups", {}).items()}
    named |= {f"job {job['name']}": job["symbols"] or () for job in facts.jobs}
    for name, symbols in named.items():
        other = [symbol for symbol in symbols if symbol.replace("/", "") not in here]
        if other:
            verb = "is" if len(other) == 1 else "are"
            yield f"{name}: {', '.join(other)} {verb} not among the symbols of this run"


def _first_of(noun: str, events: Sequence[EventRow], text: str) -> str:
    first = events[0]
    place = " ".join(part for part in (first["symbol"], f"at {utc_text(first['at'])}") if part)
    return f"{counted(len(events), noun)}; the first, {place}: {text}"


def tracebacks(outcome: RunOutcome) -> Iterator[str]:
    """Yield the traceback of every strategy that failed, and of the first listener."""
    failed = [event for event in outcome.events if isinstance(event, ErrorOccurred)]
    for event in failed:
        if event.source == "strategy":
            yield event.detail
    for event in [event for event in failed if event.source not in _ENDING][:1]:
        yield event.detail


def document(record: RunRecord) -> dict[str, Any]:
    """Return the run as JSON shows it; times are Unix milliseconds."""
    facts = record.facts
    return {
        "run_id": facts.run_id,
        "mode": facts.mode,
        "exchange": facts.exchange,
        "is_synthetic": facts.is_synthetic,
        "frame": {"name": facts.frame, "start": facts.start_ms, "end": facts.end_ms},
        "settings": {name: asdict(settings) for name, settings in facts.settings.items()},
        "symbols": symbol_rows(record),
        "total": total_row(record),
        "totals": {name: total_row(record, name) for name in facts.settings},
        "account": record.account,
        "refusals": refusals_summary(risk.get_data(record)),
        "partials": partials_summary(partial.get_data(record)),
        "notes": [console.one_line(note) for note in notes(record)],
    }


def bounds_document(records: Mapping[FillModelName, RunRecord]) -> dict[str, Any]:
    """Return the runs of all fill models as JSON shows them, and how far apart they are."""
    symbols, totals = _span_rows(records)
    runs = {model.value: document(record) for model, record in records.items()}
    return {"runs": runs, "symbols": symbols, "total": totals[-1]}
