"""`btk repro`: a saved run once more, and whether its trades are equal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backtestkit_cli.reports.saved.record import RunRecord
    from backtestkit_cli.runs.inputs import Input
    from backtestkit_cli.runs.repro import Reproduction

_SHOWN_NAMES = 5
_UNSEEN = "does the strategy ask the clock, chance, the network or a file?"


def repro(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run id, the beginning of one, `latest`, or the folder of a run.")
    ],
    *,
    out: options.Out = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a saved run once more, and prove its trades equal or say which input changed.

    The run has the config of its manifest, and the strategy files, candles and versions that are there now.
    Nothing is written to the folder of results. Exit codes: 0 the trades are equal, 1 they are not, 2 the strategy
    or the config of then is not there, 3 candles of then are missing or bad, 5 a venue refused or was not reached.
    """
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run

    results = options.load(None, (), {"out": out}).config.out
    saved = load_run(find_run(run, Path(results)))
    with console.stdout_for_data(), console.stopped_at_once():
        found = _reproduced(saved, quiet=quiet)
    if json:
        console.out(console.json_text(_document(found)))
    else:
        console.show_table([Heading("Input"), Heading("Name"), Heading("Since then")], [list(_rows(found.inputs))])
        console.out(_verdict(found))
    for problem in found.problems:
        console.fail(problem)
    raise typer.Exit(found.exit_code)


def _reproduced(saved: "RunRecord", *, quiet: bool) -> "Reproduction":
    from backtestkit_cli.cli.progress import access_for, shown_progress
    from backtestkit_cli.runs.repro import reproduce

    with shown_progress(quiet=quiet) as display:
        return reproduce(
            saved,
            access_for=lambda loaded: access_for(loaded, display),
            on_progress=display.run("repro") if display else None,
        )


def _rows(inputs: "Sequence[Input]") -> "Iterator[tuple[str, str, str]]":
    """Yield a row for all unchanged inputs of a kind together, and one for each that changed."""
    for kind in dict.fromkeys(one.kind for one in inputs):
        unchanged = [one.name for one in inputs if one.kind is kind and one.change is None]
        if unchanged:
            more = len(unchanged) - _SHOWN_NAMES
            names = ", ".join(unchanged[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
            yield kind.value, names, "unchanged"
        yield from ((kind.value, one.name, one.change) for one in inputs if one.kind is kind and one.change is not None)


def _verdict(found: "Reproduction") -> str:
    if found.trades_now is None:
        return f"run {found.run_id} cannot be repeated"
    if found.difference is not None:
        counts = f"{counted(found.trades_saved, 'trade')} saved, {found.trades_now:,} now"
        said = f"trades differ: {found.difference}; {counts}"
        return said if found.changed else f"{said}; no input changed that is known: {_UNSEEN}"
    verdict = f"{found.trades_now:,} of {counted(found.trades_saved, 'trade')} equal"
    return f"{verdict}, although {counted(len(found.changed), 'input')} changed" if found.changed else verdict


def _document(found: "Reproduction") -> dict[str, object]:
    difference = found.difference
    return {
        "run_id": found.run_id,
        "equal": found.is_equal,
        "trades": {"saved": found.trades_saved, "now": found.trades_now},
        "difference": None
        if difference is None
        else {
            "trade": difference.number,
            "of": difference.trade,
            "column": difference.column or None,
            "saved": difference.saved,
            "now": difference.now,
        },
        "inputs": [{"kind": one.kind.value, "name": one.name, "change": one.change} for one in found.inputs],
        "errors": [text for problem in found.problems for text in console.problems_of(problem)],
        "exit_code": found.exit_code,
    }
