"""`btk runs`: which runs are saved, what one of them was, and deleting them."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.asking import asked, require_somebody
from backtestkit_cli.cli.console import Heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backtestkit_cli.reports.saved.record import RunRecord
    from backtestkit_cli.reports.saved.run_listing import RunSummary, UnreadableRun

Limit: TypeAlias = Annotated[
    int, typer.Option("--limit", "-n", metavar="N", min=0, help="Show the latest N runs; 0 shows all.")
]
OfStrategy: TypeAlias = Annotated[
    str | None, typer.Option("--strategy", metavar="NAME", help="Show runs of this strategy only.")
]
Runs: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="RUN…", help="Id of a saved run, the beginning of one, latest, or the path of its folder."),
]


def list_runs(
    *,
    strategy: OfStrategy = None,
    limit: Limit = 20,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """List the saved runs, the latest first.

    A folder that is no whole run is listed with what is wrong with it. Exit codes: 0 done, 2 wrong input.
    """
    from backtestkit_cli.reports.saved.run_listing import RunSummary, UnreadableRun, run_summaries

    folder = options.out_folder(config, out)
    found = (
        run
        for run in run_summaries(folder)
        if strategy is None or (isinstance(run, RunSummary) and strategy in run.strategies)
    )
    shown = list(islice(found, limit or None))
    if json:
        console.out(console.json_text({"folder": str(folder / "runs"), "runs": [*map(_summary_document, shown)]}))
    elif shown:
        _show_runs(shown)
    else:
        of = "" if strategy is None else f" of {strategy}"
        console.note(f"{folder / 'runs'} holds no run{of}; `btk backtest` saves one")
    for run in shown if not json else ():
        if isinstance(run, UnreadableRun):
            console.note(run.problem)
    if limit and next(found, None) is not None:
        console.note(f"these are the latest {limit}; -n 0 shows all")


def _summary_document(run: "RunSummary | UnreadableRun") -> dict[str, Any]:
    from backtestkit_cli.reports.json_values import json_value

    return {"problem": None, **json_value(run), "folder": str(run.folder)}


def _show_runs(runs: "Sequence[RunSummary | UnreadableRun]") -> None:
    from backtestkit_cli.reports.saved.run_listing import RunSummary

    several = len({run.exchange for run in runs if isinstance(run, RunSummary)}) > 1
    headings = [Heading("Run"), Heading("Finished", rank=2), Heading("Mode", rank=6), Heading("Strategies", rank=8)]
    headings += [Heading("Exchange", rank=5)] if several else []
    headings += [Heading("Symbols", is_number=True, rank=3), Heading("Frame", rank=7)]
    headings += [Heading("Trades", is_number=True), Heading("Total PNL", is_number=True)]
    headings += [Heading("Net quote", is_number=True, rank=4), Heading("Exit", is_number=True, rank=1)]
    console.show_table(headings, [[_run_cells(run, several=several) for run in runs]])


def _run_cells(run: "RunSummary | UnreadableRun", *, several: bool) -> list[str]:
    from backtestkit_cli.domain.interval import utc_text
    from backtestkit_cli.reports.saved.run_listing import UnreadableRun
    from backtestkit_cli.reports.tables import Unit, number_text

    if isinstance(run, UnreadableRun):
        return [run.run_id, "unreadable", *[""] * (9 if several else 8)]
    return [
        run.run_id,
        console.moment_text(run.finished_at),
        run.mode,
        ", ".join(run.strategies),
        *([run.exchange] if several else []),
        f"{len(run.symbols):,}",
        f"{utc_text(run.start_ms)[:10]} to {utc_text(run.end_ms)[:10]}",
        f"{run.trades:,}",
        number_text(run.total_pnl_pct, Unit.PERCENT),
        number_text(run.net_quote, Unit.MONEY),
        "" if run.exit_code is None else str(run.exit_code),
    ]


def show_run(
    run: options.SavedRun = "latest",
    *,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show a saved run as it was shown when it ended, and what it was made from.

    Without RUN it is the latest. Exit codes: 0 done, 2 wrong input, 3 the run is half-written or damaged.
    """
    from backtestkit_cli.cli import results
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run

    folder = find_run(run, options.out_folder(config, out))
    record = load_run(folder)
    if json:
        console.out(console.json_text({**results.document(record), **_made_from(record, folder)}))
        return
    results.show_result(record)
    console.out("")
    facts = [[title, text] for title, text in _facts(record, folder) if text]
    console.show_table([Heading("Saved run"), Heading(record.run_id)], [facts])
    for line in (*results.failures(record), *results.notes(record)) if not quiet else ():
        console.note(line)


def _made_from(record: "RunRecord", folder: Path) -> dict[str, Any]:
    names = ("config_hash", "command", "started_at", "finished_at", "exit_code", "seed", "versions")
    return {
        **{name: record.manifest.get(name) for name in names},
        "folder": str(folder),
        "files": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
    }


def _facts(record: "RunRecord", folder: Path) -> "Iterator[tuple[str, str]]":
    """Yield titles and texts; what the manifest does not say is empty."""
    made = _made_from(record, folder)
    yield "Folder", str(folder)
    yield "Finished", f"{console.moment_text(made['finished_at'])} UTC" if made["finished_at"] else ""
    yield "Exit code", str(made["exit_code"])
    yield "Command", made["command"] or ""
    yield "Config hash", made["config_hash"] or ""
    yield "Versions", ", ".join(f"{name} {text}" for name, text in made["versions"].items())
    for index, (name, size_bytes) in enumerate(made["files"].items()):
        yield "" if index else "Files", f"{name}  {console.size_text(size_bytes)}"


def delete_runs(
    runs: Runs,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    out: options.Out = None,
    config: options.Config = None,
) -> None:
    """Delete saved runs, whole or half-written; what is not of a run is never deleted.

    The readable reports stay. Exit codes: 0 done or left alone, 1 a file could not be deleted, 2 wrong input.
    """
    from backtestkit_cli.reports.saved.run_reading import find_run
    from backtestkit_cli.reports.saved.run_removal import delete_run, run_files

    base = options.out_folder(config, out)
    folders = list(dict.fromkeys(find_run(run, base) for run in runs))
    size_bytes = sum(file.stat().st_size for folder in folders for file in run_files(folder))
    if not yes and not _agreed(f"delete {', '.join(map(str, folders))} ({console.size_text(size_bytes)})?"):
        console.say("nothing is deleted")
        return
    for folder in folders:
        delete_run(folder)
        console.say(f"deleted {folder}")


def _agreed(question: str) -> bool:
    require_somebody("btk runs delete", else_say="--yes deletes without asking")
    return asked(f"{question} [y/N]").lower() in {"y", "yes"}
