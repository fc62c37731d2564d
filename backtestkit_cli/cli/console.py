"""Where text goes: data to stdout, everything else to stderr, colour only where a person looks."""

import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self, TextIO, cast

from backtestkit_cli.errors import BacktestKitError, ConfigError

if TYPE_CHECKING:
    from rich.table import Table

_UNBOUND = 10_000


class Heading(NamedTuple):
    """The top of a column; of several that do not fit a terminal, the one of the highest rank goes first, 0 never."""

    title: str
    is_number: bool = False
    rank: int = 0


class Painted(str):
    """A cell in a style of rich, such as `white on #1c64b0`, where colour is shown."""

    __slots__ = ("style",)
    style: str

    def __new__(cls, text: str, style: str) -> Self:
        """Keep *style* with the text."""
        painted = super().__new__(cls, text)
        painted.style = style
        return painted


_speaks_json = False


def prepare(*, speaks_json: bool = False) -> None:
    """Let a stream that cannot show a letter show its code instead; say whether stderr is for programs."""
    global _speaks_json  # noqa: PLW0603 - a process has one stderr
    _speaks_json = speaks_json
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Hand over what is still in the buffer of stdout."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nobody_reads()


def _nobody_reads() -> None:
    """Let stdout lead nowhere: who closed it has seen enough."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def out(text: str) -> None:
    """Print *text* on stdout; a reader that has gone away is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _nobody_reads()


def say(text: str) -> None:
    """Print a line on stderr."""
    _tell("info", text, text)


def note(text: str) -> None:
    """Print what is worth knowing on stderr, on one line."""
    _tell("warning", one_line(text), f"{_painted('note:', '33')} {one_line(text)}")


def error(text: str) -> None:
    """Print what went wrong on stderr, on one line."""
    _tell("error", one_line(text), f"{_painted('error:', '31')} {one_line(text)}")


def _tell(level: str, text: str, shown: str) -> None:
    """Print *shown* for people, or *text* as a line of JSON for programs."""
    if _speaks_json:
        from backtestkit_cli.cli.log_lines import command_line

        shown = command_line(level, text)
    try:
        print(shown, file=sys.stderr, flush=True)
    except RuntimeError:  # a signal came while a line was being printed, whose buffer takes no other one meanwhile
        os.write(sys.stderr.fileno(), f"{shown}\n".encode())


def fail(problem: BacktestKitError) -> None:
    """Print an expected failure, a line for each of its problems."""
    for text in problems_of(problem):
        error(text)


def problems_of(problem: BacktestKitError) -> tuple[str, ...]:
    """Return everything that *problem* reports, one line each."""
    found = problem.problems if isinstance(problem, ConfigError) else (str(problem),)
    return tuple(one_line(text) for text in found)


def size_text(size_bytes: int) -> str:
    """Return *size_bytes* as `120 B`, `12 kB` or `3.4 MB`."""
    if size_bytes < 1e3:
        return f"{size_bytes} B"
    return f"{size_bytes / 1e3:,.0f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:,.1f} MB"


def moment_text(moment: object) -> str:
    """Return a time in ISO 8601, UTC where it names no zone, as people read it; anything else as it is."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(str(moment))
    except ValueError:
        return str(moment)
    return f"{found if found.tzinfo is None else found.astimezone(UTC):%Y-%m-%d %H:%M}"


def one_line(text: str) -> str:
    """Return *text* on one line and without control characters: parts of it may come from anywhere."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in " ".join(text.split()))


def short_path(text: str) -> str:
    """Return *text*, which begins with a path, relative to the working folder where the path is below it."""
    return text.removeprefix(f"{os.getcwd()}{os.sep}")  # noqa: PTH109 - a text is wanted


def _painted(text: str, colour: str) -> str:
    return f"\033[{colour}m{text}\033[0m" if _is_colourful() else text


def _is_colourful() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show_table(headings: Sequence[Heading], sections: Sequence[Sequence[Sequence[str]]], *, title: str = "") -> None:
    """Print rows of cells on stdout, a line between *sections*.

    On a terminal that is too narrow the columns of the highest rank are left out, and a line says so;
    elsewhere nothing is ever shortened.
    """
    from rich.console import Console

    screen = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _UNBOUND,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
    )
    table, hidden = table_of(headings, sections, screen.width)
    with screen.capture() as captured:
        screen.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    out("\n".join([title, *lines] if title else lines))
    if hidden:
        out(f"(no room for {', '.join(hidden)})")


def table_of(
    headings: Sequence[Heading], sections: Sequence[Sequence[Sequence[str]]], width: int
) -> "tuple[Table, list[str]]":
    """Return rows of cells as a table of rich, and the titles of the columns that do not fit into *width*."""
    kept = _fitting(headings, [row for rows in sections for row in rows], width)
    table = _table([headings[i] for i in kept], [[[row[i] for i in kept] for row in rows] for rows in sections])
    return table, [heading.title.replace("\n", " ") for i, heading in enumerate(headings) if i not in kept]


def _fitting(headings: Sequence[Heading], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the positions of the columns that fit into *width*; some letters are two places wide."""
    from rich.cells import cell_len

    columns = [[*heading.title.split("\n"), *(row[i] for row in rows)] for i, heading in enumerate(headings)]
    widths = [max(map(cell_len, column)) for column in columns]
    kept = list(range(len(headings)))
    while sum(widths[i] + 2 for i in kept) > width and any(headings[i].rank for i in kept):
        kept.remove(max(kept, key=lambda i: headings[i].rank))
    return kept


def _table(headings: Sequence[Heading], sections: Sequence[Sequence[Sequence[str]]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, show_edge=False, padding=(0, 1, 0, 0), header_style="bold", border_style="dim")
    for index, heading in enumerate(headings):
        table.add_column(
            heading.title,
            justify="right" if heading.is_number else "left",
            no_wrap=heading.is_number or index == 0,
            overflow="fold",
        )
    for rows in sections:
        for row in rows:
            table.add_row(*(Text(one_line(cell), _style(cell)) for cell in row))
        table.add_section()
    return table


def _style(cell: str) -> str:
    if isinstance(cell, Painted):
        return cell.style
    if not cell.endswith(" %"):
        return ""
    return {"+": "green", "-": "red"}.get(cell[0], "")


@contextmanager
def stdout_for_data() -> Iterator[TextIO]:
    """Send whatever is printed within the block to stderr, also by other processes: strategies print.

    Yield what leads to stdout all the same.
    """
    data = sys.stdout
    with _beside_data() as stream, redirect_stdout(stream):
        real = sys.__stdout__
        if real is None or real.closed or sys.stderr is not sys.__stderr__:
            yield data
            return
        real.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        try:
            with open(kept, "w", encoding=real.encoding, errors=real.errors, closefd=False) as data:
                yield data
        finally:
            os.dup2(kept, 1)
            os.close(kept)


@contextmanager
def _beside_data() -> Iterator[TextIO]:
    """Yield what takes text that is no data: stderr, or what turns it into lines of JSON there."""
    if not _speaks_json:
        yield sys.stderr
        return
    from backtestkit_cli.cli.log_lines import PrintedLines

    printed = PrintedLines()
    try:
        yield cast("TextIO", printed)
    finally:
        printed.finish()


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Let Ctrl-C end the block at once, and all processes that were started in it.

    The event loop alone would wait until a strategy lets go, a pool until its processes are done.
    """

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for child in active_children():
            child.terminate()
        raise KeyboardInterrupt

    from multiprocessing import active_children

    # polars handles SIGINT too from its import on, and does not wake who waits for a lock: ours has to be the last.
    import_module("polars")
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def json_text(document: Mapping[str, object]) -> str:
    """Return *document* as JSON for people and programs."""
    import json

    return json.dumps(document, indent=2, allow_nan=False)
