"""What a finished run shows: its tables, its lines on stderr, and the same as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from backtestkit_cli.analytics.outcome import Failure, RunOutcome, SessionOutcome
from backtestkit_cli.cli import console
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.cli.coordination_lines import coordination_lines, passing_stops
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.settings import FillModelName, GapPolicy
from backtestkit_cli.events.facts import CANDLES, CommandRefused, ErrorOccurred, Event, SignalInvalid, SignalRefused
from backtestkit_cli.reports.summaries import account_summary, partials_summary, refusals_summary
from backtestkit_cli.reports.tables import (
    NOT_AVAILABLE,
    SYMBOL_COLUMNS,
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
_SPAN_FIGURES = {"total_pnl_pct": ("Total PNL", Unit.PERCENT), "trades": ("Trades", Unit.COUNT)}


def show_result(outcome: RunOutcome) -> None:
    """Print the figures of each symbol and of all, and what they rest on."""
    several = len(outcome.facts.settings) > 1
    headings = [Heading(c.title, c.is_number, _RANKS.get(c.key, 0)) for c in SYMBOL_COLUMNS]
    sections = [
        [_cells(row, [cell_text(row, column) for column in SYMBOL_COLUMNS], several=several) for row in rows]
        for rows in (symbol_rows(outcome), _totals(outcome))
    ]
    console.show_table([Heading("Strategy"), *headings] if several else headings, sections)
    for line in (*_caption(outcome), *coordination_lines(outcome)):
        console.out(line)


def show_bounds(outcomes: Mapping[FillModelName, RunOutcome]) -> None:
    """Print what each fill model makes of the run, and how far apart they are."""
    first = next(iter(outcomes.values()))
    several = len(first.facts.settings) > 1
    headings = [Heading("Symbol")]
    for title, _ in _SPAN_FIGURES.values():
        headings += [Heading(f"{title}\n{column}", is_number=True) for column in (*outcomes, "span")]
    sections = [
        [_cells(row, [str(row["symbol"]), *_span_cells(row)], several=several) for row in rows]
        for rows in _span_rows(outcomes)
    ]
    console.show_table([Heading("Strategy"), *headings] if several else headings, sections)
    for line in _caption(first, models=" and ".join(outcomes)):
        console.out(line)
    for model, outcome in outcomes.items():
        for line in coordination_lines(outcome):
            console.out(f"{model}: {line}")


def _cells(row: Row, cells: list[str], *, several: bool) -> list[str]:
    if row["error"] and row["symbol"] != TOTAL:
        cells[0] += " (failed)"
    return [str(row["strategy"] or "all"), *cells] if several else cells


def _totals(outcome: RunOutcome) -> list[Row]:
    strategies = list(outcome.facts.settings)
    each = [total_row(outcome, strategy) for strategy in strategies] if len(strategies) > 1 else []
    return [*each, total_row(outcome)]


def _span_rows(outcomes: Mapping[FillModelName, RunOutcome]) -> Iterator[list[Row]]:
    """Yield the rows of the symbols, then those of the totals: `<figure>_<model>` and `<figure>_span`."""
    for rows_of in (symbol_rows, _totals):
        by_model = [rows_of(outcome) for outcome in outcomes.values()]
        yield [_span_row(tuple(outcomes), rows) for rows in zip(*by_model, strict=True)]


def _span_row(models: Sequence[FillModelName], rows: Sequence[Row]) -> Row:
    row: Row = {key: rows[0][key] for key in ("strategy", "symbol", "error")}
    for figure in _SPAN_FIGURES:
        values = [each[figure] for each in rows]
        row |= {f"{figure}_{model.value}": value for model, value in zip(models, values, strict=True)}
        numbers = [value for value in values if isinstance(value, int | float)]
        row[f"{figure}_span"] = max(numbers) - min(numbers) if len(numbers) == len(values) else None
    return row


def _span_cells(row: Row) -> Iterator[str]:
    for figure, (_, unit) in _SPAN_FIGURES.items():
        for key, value in row.items():
            if not key.startswith(f"{figure}_"):
                continue
            shown_as = Unit.SHARE if key.endswith("_span") and unit is Unit.PERCENT else unit
            yield number_text(value, shown_as) if isinstance(value, int | float) else NOT_AVAILABLE


def _caption(outcome: RunOutcome, models: str | None = None) -> Iterator[str]:
    """Yield what the figures rest on; strategies are named where they differ in it."""
    facts = outcome.facts
    strategies: dict[str, list[str]] = {}
    for name, settings in facts.settings.items():
        model = models or settings.fill_model.value
        text = f"fill model {model}, fee {settings.fee_pct:g} %, slippage {settings.slippage_pct:g} %"
        strategies.setdefault(text, []).append(name)
    for text, names in strategies.items():
        yield text if len(strategies) == 1 else f"{', '.join(names)}: {text}"
    market = f"{facts.exchange}: SYNTHETIC candles, the market is made up" if facts.is_synthetic else facts.exchange
    yield f"{market}; {utc_text(facts.start_ms)} to {utc_text(facts.end_ms)} UTC"


def failures(outcome: RunOutcome) -> list[str]:
    """Return a line for each session that did not reach the end of its frame; one for a symbol without candles."""
    several = len(outcome.facts.settings) > 1
    return list(dict.fromkeys(_failure(session, several=several) for session in outcome.sessions if session.error))


def _failure(session: SessionOutcome, *, several: bool) -> str:
    if session.failure is Failure.STRATEGY and several:
        return f"{session.symbol}, {session.strategy}: {session.error}"
    return f"{session.symbol}: {(session.error or '').removeprefix(f'{session.symbol}: ')}"


def notes(outcome: RunOutcome) -> Iterator[str]:
    """Yield what went on beside the trades and a person should know."""
    invalid = [event for event in outcome.events if isinstance(event, SignalInvalid)]
    if invalid:
        yield _first_of("invalid signal", invalid, "; ".join(invalid[0].problems))
    unwanted = [event for event in outcome.events if isinstance(event, SignalRefused)]
    if unwanted:
        yield _first_of("refused signal", unwanted, f"{unwanted[0].profile}.{unwanted[0].rule}: {unwanted[0].reason}")
    yield from passing_stops(outcome)
    refused = [event for event in outcome.events if isinstance(event, CommandRefused)]
    if refused:
        yield _first_of("refused command", refused, f"{refused[0].command}: {refused[0].problem}")
    failed = passing_errors(outcome)
    if failed:
        yield _first_of("error", failed, f"{failed[0].source}: {failed[0].error}")
    missing = {s.symbol: s.candles.missing for s in outcome.sessions if s.candles is not None and s.candles.missing}
    if missing:
        done = "skipped" if any(s.gaps is GapPolicy.SKIP for s in outcome.facts.settings.values()) else "filled"
        yield f"{_count(sum(missing.values()), 'missing minute')} {done}, in {_count(len(missing), 'symbol')}"
    yield from _symbols_elsewhere(outcome)


def _symbols_elsewhere(outcome: RunOutcome) -> Iterator[str]:
    """Yield what names symbols that the run does not have: they may be meant for another one, or misspelled."""
    facts = outcome.facts
    here = {symbol.replace("/", "") for symbol in facts.symbols}
    named = {f"group {name}": symbols for name, symbols in facts.coordination.get("groups", {}).items()}
    named |= {f"job {job['name']}": job["symbols"] or () for job in facts.jobs}
    for name, symbols in named.items():
        other = [symbol for symbol in symbols if symbol.replace("/", "") not in here]
        if other:
            verb = "is" if len(other) == 1 else "are"
            yield f"{name}: {', '.join(other)} {verb} not among the symbols of this run"


def _first_of(noun: str, events: Sequence[Event], text: str) -> str:
    place = " ".join(part for part in (events[0].symbol, f"at {utc_text(events[0].at_ms)}") if part)
    return f"{_count(len(events), noun)}; the first, {place}: {text}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def passing_errors(outcome: RunOutcome) -> list[ErrorOccurred]:
    """Return the failures that ended nothing; those of a strategy and of candles end a session and are shown there."""
    ending = {"strategy", CANDLES}
    return [event for event in outcome.events if isinstance(event, ErrorOccurred) and event.source not in ending]


def tracebacks(outcome: RunOutcome) -> Iterator[str]:
    """Yield the traceback of every strategy that failed, and of the first listener."""
    for event in outcome.events:
        if isinstance(event, ErrorOccurred) and event.source == "strategy":
            yield event.detail
    for event in passing_errors(outcome)[:1]:
        yield event.detail


def document(outcome: RunOutcome) -> dict[str, Any]:
    """Return the run as JSON shows it; times are Unix milliseconds."""
    facts = outcome.facts
    return {
        "run_id": facts.run_id,
        "mode": facts.mode,
        "exchange": facts.exchange,
        "is_synthetic": facts.is_synthetic,
        "frame": {"name": facts.frame, "start": facts.start_ms, "end": facts.end_ms},
        "settings": {name: asdict(settings) for name, settings in facts.settings.items()},
        "symbols": symbol_rows(outcome),
        "total": total_row(outcome),
        "totals": {name: total_row(outcome, name) for name in facts.settings},
        "account": account_summary(outcome),
        "refusals": refusals_summary(outcome),
        "partials": partials_summary(outcome),
        "notes": [console.one_line(note) for note in notes(outcome)],
    }


def bounds_document(outcomes: Mapping[FillModelName, RunOutcome]) -> dict[str, Any]:
    """Return the runs of all fill models as JSON shows them, and how far apart they are."""
    symbols, totals = _span_rows(outcomes)
    runs = {model.value: document(outcome) for model, outcome in outcomes.items()}
    return {"runs": runs, "symbols": symbols, "total": totals[-1]}
