"""Reports on a terminal: the numbers of each kind as a small table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from backtestkit_cli.analytics.partials import PartialStatistics
from backtestkit_cli.analytics.refusals import RefusalStatistics
from backtestkit_cli.cli import console, results
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.cli.coordination_lines import coordination_lines
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.markdown.kinds import Kind
from backtestkit_cli.reports.record import RunRecord
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text


def show_kind(kind: Kind[Any], record: RunRecord, strategies: Sequence[str]) -> None:
    """Print the numbers of *kind* for each of *strategies* that there is something to say of, then what they are of."""
    if kind.name == "backtest":
        results.show_figures(record, strategies)
    else:
        for strategy in strategies:
            if kind.get_report(record, strategy) is not None:
                title = f"{kind.name}: {strategy}" if len(strategies) > 1 else ""
                _TABLES.get(kind.name, _show_fields)(kind.get_data(record, strategy), title)
    for line in (run_line(record), *results.caption(record)):
        console.out(line)
    for line in coordination_lines(record) if kind.name == "backtest" else ():
        console.out(line)


def run_line(record: RunRecord) -> str:
    """Return which run it was, when it was made, and which part of it is shown."""
    finished = record.manifest.get("finished_at")
    when = f", finished {finished_text(finished)} UTC" if finished else ""
    shown = record.shown_symbols
    part = "" if shown is None else f"; {', '.join(shown)} of {console.counted(len(record.facts.symbols), 'symbol')}"
    return console.one_line(f"run {record.run_id}{when}{part}")


def finished_text(finished_at: object) -> str:
    """Return a time of a manifest as people read it: `2025-05-04 12:00`."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(str(finished_at))
    except ValueError:
        return str(finished_at)
    return utc_text(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


def _show_partials(data: PartialStatistics, title: str) -> None:
    headings = [Heading("Level"), Heading("In profit", is_number=True), Heading("In loss", is_number=True)]
    levels = sorted(data.profit_levels.keys() | data.loss_levels.keys())
    rows = [
        [f"{level} %", f"{data.profit_levels.get(level, 0):,}", f"{data.loss_levels.get(level, 0):,}"]
        for level in levels
    ]
    total = ["Total", f"{data.profit_events:,}", f"{data.loss_events:,}"]
    console.show_table(headings, [rows, [total]], title=title)


def _show_refusals(data: RefusalStatistics, title: str) -> None:
    headings = [Heading("Profile"), Heading("Rule")]
    headings += [Heading(name, is_number=True) for name in ("As it appeared", "As it would open", "Total")]
    rows = [[row.profile, row.rule, f"{row.appears:,}", f"{row.opens:,}", f"{row.total:,}"] for row in data.by_rule]
    sums = (sum(row.appears for row in data.by_rule), sum(row.opens for row in data.by_rule), len(data.refused))
    console.show_table(headings, [rows, [["Total", "", *(f"{number:,}" for number in sums)]]], title=title)


def _show_fields(data: object, title: str) -> None:
    """Print the single numbers of a kind that has no table of its own."""
    named = {field.name: getattr(data, field.name) for field in fields(data)}  # type: ignore[arg-type]
    rows = [
        [name.replace("_", " ").capitalize(), _number(value)]
        for name, value in named.items()
        if value is None or isinstance(value, int | float)
    ]
    console.show_table([Heading("Figure"), Heading("Value", is_number=True)], [rows], title=title)


def _number(value: float | None) -> str:
    if value is None:
        return NOT_AVAILABLE
    return number_text(value, Unit.COUNT if isinstance(value, int) else Unit.RATIO)


_TABLES: Final[Mapping[str, Callable[[Any, str], None]]] = {"partial": _show_partials, "risk": _show_refusals}
