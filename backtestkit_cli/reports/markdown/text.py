"""Pieces of Markdown: tables, spans of time, and text of authors that cannot break them."""

import re
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple, TypeVar

from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, utc_text
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.events.plain_values import clean_text

SHOWN_EVENTS = 250
"""So many rows a report shows of a list of events; its totals count all of them."""

_WIDEST_PADDED = 40

T = TypeVar("T")


class Summary(NamedTuple):
    """The numbers of a report in one table, for Markdown and terminals: cells of text.

    `total` is the last row, None where nothing adds up. The first `texts` columns are words, the others numbers.
    `spare` are titles of columns that a narrow terminal leaves out before any other, the first of them first.
    `note` is a line that a terminal shows below the table; Markdown says the same at greater length.
    """

    titles: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] | None = None
    texts: int = 1
    spare: tuple[str, ...] = ()
    note: str = ""


def span_text(span_ms: int) -> str:
    """Return how long *span_ms* is, in the largest unit that suits it: `2 days`, `90 minutes`."""
    for length_ms, unit in ((DAY_MS, "day"), (HOUR_MS, "hour")):
        if span_ms >= 2 * length_ms or span_ms == length_ms:
            number = f"{span_ms / length_ms:.1f}".removesuffix(".0")
            return f"{number} {unit}{'' if number == '1' else 's'}"
    return counted(span_ms // MINUTE_MS, "minute")


def frame_text(start_ms: int, end_ms: int) -> str:
    """Return from when to when it is, and how long that is: `2025-05-01 00:00 to 2025-05-28 00:00 UTC (27 days)`."""
    return f"{utc_text(start_ms)} to {utc_text(end_ms)} UTC ({span_text(end_ms - start_ms)})"


def latest(events: Sequence[T], run_id: str) -> tuple[Sequence[T], str]:
    """Return the events that a report shows, oldest first, and the line that says which of all they are."""
    if len(events) <= SHOWN_EVENTS:
        return events, f"{len(events):,} in all, oldest first."
    counted = f"The last {SHOWN_EVENTS:,} of {len(events):,}, oldest first."
    return events[-SHOWN_EVENTS:], f"{counted} All of them count above and are in `runs/{run_id}/events.jsonl`."


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Set[int] = frozenset()) -> str:
    """Return a table of ready Markdown cells, padded so that its source reads well too; *right* are number columns."""
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(3, *(min(len(line[i]), _WIDEST_PADDED) for line in lines)) for i in range(len(titles))]
    lines.insert(1, ["-" * (width - 1) + (":" if i in right else "-") for i, width in enumerate(widths)])
    return "\n".join(_table_line(line, widths, right) for line in lines)


def summary_table(summary: Summary) -> str:
    """Return *summary* as a table, the total in bold."""
    rows = [tuple(map(escaped, row)) for row in summary.rows]
    if summary.total is not None:
        rows.append(tuple(f"**{escaped(cell)}**" if cell else "" for cell in summary.total))
    return table(summary.titles, rows, right=set(range(summary.texts, len(summary.titles))))


def _table_line(cells: Sequence[str], widths: Sequence[int], right: Set[int]) -> str:
    padded = [
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def document(sections: Iterable[Sequence[str]]) -> str:
    """Return the blocks of all *sections* as one file."""
    return "\n\n".join(block for section in sections for block in section) + "\n"


def escaped(text: object) -> str:
    """Return *text* of an author on one line, shown as it is written wherever it stands in a Markdown line."""
    line = " ".join(clean_text(text).split())
    shown = "".join(character for character in line if character.isprintable())
    special = re.sub(r"([\\`*\[\]<>|~#&$])", r"\\\1", shown)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", special)


def unmarked(cell: str) -> str:
    """Return a cell of Markdown as plain text: without emphasis and code marks, and what `escaped` did undone."""
    return re.sub(r"\\(.)|\*\*|`", lambda found: found[1] or "", cell)
