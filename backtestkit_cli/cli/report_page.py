"""`btk report html`: the page of a saved run once more, or of a part of it with finer candles."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from backtestkit_cli.cli import console, options

if TYPE_CHECKING:
    from backtestkit_cli.reports.saved.record import RunRecord
    from backtestkit_cli.reports.saved.run_part import RunPart

File: TypeAlias = Annotated[str | None, typer.Option("--file", metavar="FILE", help="Write this file instead.")]
From: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="Show candles and trades from this minute on, UTC; 1m if they fit."),
]
To: TypeAlias = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="Show candles and trades before this minute, UTC.")
]
Part: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--symbols", "-s", metavar="A,B", help="Show candles and trades of these symbols only."),
]


def report_page(
    run: options.SavedRun = "latest",
    *,
    start: From = None,
    end: To = None,
    symbols: Part = None,
    file: File = None,
    out: options.Out = None,
    config: options.Config = None,
    quiet: options.Quiet = False,
) -> None:
    """Write the page of a saved run anew: its figures, curves, tables and trades in one HTML file without a network.

    Without RUN it is the latest. The file is report.html in the folder of the run, byte for byte as the run wrote it.
    --from, --to and --symbols make report-FROM_TO.html of a part of the run, with candles of 1m or as fine as a page
    can hold, read again from where the run had them; figures stay those of the whole run. Exit codes: 0 done, 1 the
    file could not be written, 2 wrong input, 3 the run is half-written or damaged, or candles are missing or have
    changed since, 5 a venue refused or was not reached.
    """
    from backtestkit_cli.reports.saved.run_folder import PAGE
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run
    from backtestkit_cli.reports.saving import write_page

    folder = find_run(run, options.out_folder(config, out))
    record, name, part = load_run(folder), PAGE, None
    if start is not None or end is not None or symbols is not None:
        name, part = _part(record, start, end, options.split(symbols), quiet=quiet)
    path = write_page(record, folder / name if file is None else Path(file), part)
    if not quiet:
        console.say(f"wrote {path}")


def _part(
    record: "RunRecord", start: str | None, end: str | None, symbols: Sequence[str] | None, *, quiet: bool
) -> "tuple[str, RunPart]":
    """Return a part of *record* and the name of its page."""
    from backtestkit_cli.cli.progress import access_for, shown_progress
    from backtestkit_cli.reports.saved.run_folder import part_page
    from backtestkit_cli.runs.drill_down import drill_down, frame_within

    frame = frame_within(record, start, end)
    with console.stdout_for_data(), console.stopped_at_once(), shown_progress(quiet=quiet) as display:
        part = drill_down(record, frame, symbols, access_for=lambda loaded: access_for(loaded, display))
    return part_page(frame.name), part
