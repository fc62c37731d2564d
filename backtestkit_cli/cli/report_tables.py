"""Reports on a terminal: the numbers of each kind as a small table."""

from collections.abc import Sequence
from typing import Any

from backtestkit_cli.cli import console, results
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.cli.coordination_lines import coordination_lines
from backtestkit_cli.cli.heat_lines import show_heatmap
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.reports.markdown.kinds import Kind
from backtestkit_cli.reports.markdown.text import Summary
from backtestkit_cli.reports.saved.record import RunRecord


def show_kind(kind: Kind[Any], record: RunRecord, strategies: Sequence[str]) -> None:
    """Print the numbers of *kind* for each of *strategies*, then what they are of."""
    if kind.name == "backtest":
        results.show_figures(record, strategies)
    else:
        for index, strategy in enumerate(strategies):
            if len(strategies) > 1:
                console.out(f"{chr(10) if index else ''}{console.one_line(strategy)}")
            _show_one(kind, record, strategy)
    for line in (_run_line(record, strategies), *results.caption(record)):
        console.out(line)
    for line in coordination_lines(record) if kind.name == "backtest" else ():
        console.out(line)


def _show_one(kind: Kind[Any], record: RunRecord, strategy: str) -> None:
    if kind.name == "heatmap":
        show_heatmap(kind.get_data(record, strategy))
    elif kind.summary is not None:
        _show_summary(kind.summary(kind.get_data(record, strategy)))
    else:
        console.out((kind.get_report(record, strategy) or "").removesuffix("\n"))


def _show_summary(summary: Summary) -> None:
    headings = [
        Heading(title, is_number=place >= summary.texts, rank=_rank(summary, place))
        for place, title in enumerate(summary.titles)
    ]
    console.show_table(headings, [summary.rows, [summary.total]] if summary.total else [summary.rows])
    if summary.note:
        console.out(summary.note)


def _rank(summary: Summary, place: int) -> int:
    """Return when a narrow terminal leaves a column out: words and the first number never, others from the right."""
    columns, spare = len(summary.titles), summary.spare
    if summary.titles[place] in spare:
        return columns + len(spare) - spare.index(summary.titles[place])
    return max(0, place - summary.texts)


def _run_line(record: RunRecord, strategies: Sequence[str]) -> str:
    """Return which run it was, when it was made, and which part of it is shown."""
    finished = record.manifest.get("finished_at")
    parts = [f"run {record.run_id}{f', finished {console.moment_text(finished)} UTC' if finished else ''}"]
    known = len(record.facts.settings)
    if len(strategies) < known:
        parts.append(f"{', '.join(strategies)} of {known:,} strategies")
    if record.shown_symbols is not None:
        parts.append(f"{', '.join(record.shown_symbols)} of {counted(len(record.facts.symbols), 'symbol')}")
    return console.one_line("; ".join(parts))
