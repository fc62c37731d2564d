"""`btk report`: any report of a saved run, once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from backtestkit_cli.reports.markdown.kinds import Kind
    from backtestkit_cli.reports.record import RunRecord

Markdown: TypeAlias = Annotated[
    bool, typer.Option("--markdown", help="Print the text of the report instead of tables.")
]
Part: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--symbols", "-s", metavar="A,B", help="Show this part of the run only, and write no file."),
]
Sort: TypeAlias = Annotated[
    str | None, typer.Option("--sort", metavar="METRIC", help="Sort symbols by this metric; sharpe_ratio by default.")
]
Strategies: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--strategy", metavar="NAME", help="Strategy of the run; may be given again, or as A,B."),
]

KINDS: Final = {
    "backtest": "Show what each symbol won in a saved run, and write its report anew.",
    "live": "Show every event of a saved run and the figures of its closed positions, and write that as a report.",
    "partial": "Show which partial levels positions of a saved run reached, and write its report anew.",
    "risk": "Show which signals of a saved run were refused and by what, and write its report anew.",
    "performance": "Show how long the work of a saved run took, and write its report anew.",
}
"""What the command of each kind of `reports.markdown.kinds` says it does; the heatmap has a command of its own."""

_FURTHER: Final = """

    Without RUN it is the latest. The file is <out>/{kind}/<strategy>.md, byte for byte as a run writes it; tables, or
    with --json and --markdown what these ask for, go to stdout. Exit codes: 0 done, 1 the file could not be written,
    2 wrong input, 3 the run is half-written or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Of what a report is made: a saved run below a folder of results, and which part of it."""

    run: str
    strategy: Sequence[str] | None
    symbols: Sequence[str] | None
    out: str | None
    config: str | None


def report_command(kind: str) -> Callable[..., None]:
    """Return the command `btk report <kind>`."""

    def command(
        run: options.SavedRun = "latest",
        *,
        strategy: Strategies = None,
        symbols: Part = None,
        out: options.Out = None,
        config: options.Config = None,
        json: options.Json = False,
        markdown: Markdown = False,
        quiet: options.Quiet = False,
    ) -> None:
        where = Where(run=run, strategy=strategy, symbols=symbols, out=out, config=config)
        _make(kind, where, json=json, markdown=markdown, quiet=quiet)

    command.__doc__ = KINDS[kind] + _FURTHER.format(kind=kind)
    return command


def report_heatmap(
    run: options.SavedRun = "latest",
    *,
    sort: Sort = None,
    strategy: Strategies = None,
    symbols: Part = None,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
    markdown: Markdown = False,
    quiet: options.Quiet = False,
) -> None:
    """Show each symbol of a saved run with all its figures and months, and write its report anew.

    Without RUN it is the latest. The files are <out>/heatmap/<strategy>.md and .json, byte for byte as a run writes
    them, sorted by Sharpe; tables, or with --json and --markdown what these ask for, go to stdout. Exit codes: 0 done,
    1 a file could not be written, 2 wrong input, 3 the run is half-written or damaged.
    """
    where = Where(run=run, strategy=strategy, symbols=symbols, out=out, config=config)
    _make("heatmap", where, json=json, markdown=markdown, quiet=quiet, sort_by=sort)


def _make(kind_name: str, where: Where, *, json: bool, markdown: bool, quiet: bool, sort_by: str | None = None) -> None:
    """Print what is asked for of a kind, then write its files.

    Raises:
        ConfigError: there is no such run, strategy, symbol or metric.
        SavedRunError: the run is half-written, damaged, or of another program or version.
        OutputError: a file could not be written; the numbers are on stdout then.
    """
    from backtestkit_cli.cli.report_tables import show_kind
    from backtestkit_cli.reports.markdown.kinds import KINDS as BY_NAME

    if json and markdown:
        raise ConfigError("--json and --markdown contradict each other: leave out one")
    folder = options.out_folder(where.config, where.out)
    record = opened(where.run, folder, where.symbols)
    strategies = chosen(record, where.strategy)
    kind = BY_NAME[kind_name]
    shown = _sorted_by(kind, sort_by)
    silent = [name for name in strategies if shown.get_report(record, name) is None]
    if json:
        console.out(console.json_text(_document(shown, record, strategies)))
    elif markdown:
        _show_markdown(shown, record, strategies)
    elif len(silent) < len(strategies):
        told = [name for name in strategies if name not in silent]
        show_kind(kind, record, told, sort_by=sort_by)
    # The files are of the whole run: a part of it is shown only.
    paths = [] if where.symbols else [path for name in strategies for path in kind.dump_files(record, folder, name)]
    if quiet:
        return
    for name in silent:
        console.note(f"{f'{name}: ' if len(strategies) > 1 else ''}{kind.nothing}: nothing to report")
    _tell(paths)


def _sorted_by(kind: "Kind[Any]", metric: str | None) -> "Kind[Any]":
    """Return *kind*, the heatmap sorted by *metric* where one is named."""
    if metric is None:
        return kind
    from backtestkit_cli.reports.markdown import heatmap

    return replace(
        kind,
        numbers=partial(heatmap.get_data, sort_by=metric),
        text=partial(heatmap.get_report, sort_by=metric),
    )


def report_all(
    run: options.SavedRun = "latest",
    *,
    out: options.Out = None,
    config: options.Config = None,
    quiet: options.Quiet = False,
) -> None:
    """Write every report of a saved run anew, as the run itself did.

    Without RUN it is the latest. Exit codes: 0 done, 1 a file could not be written, 2 wrong input, 3 the run is
    half-written or damaged.
    """
    from backtestkit_cli.reports.markdown.kinds import write_reports

    folder = options.out_folder(config, out)
    paths = write_reports(opened(run, folder), folder)
    if not quiet:
        _tell(paths)


def opened(name: str, out: Path, symbols: Sequence[str] | None = None) -> "RunRecord":
    """Return the saved run *name*, or what *symbols* were of it.

    Raises:
        ConfigError: there is no such run, or it has no such symbol.
        SavedRunError: it is half-written, damaged, or of another program or version.
    """
    from backtestkit_cli.reports.run_reading import find_run, load_run

    record = load_run(find_run(name, out))
    listed = options.split(symbols)
    return record if listed is None else record.only(listed)


def chosen(record: "RunRecord", strategy: Sequence[str] | None) -> list[str]:
    """Return the named strategies of *record*, all of them where none is named.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    known = sorted(record.facts.settings)
    named = options.split(strategy)
    for name in named or ():
        if name not in known:
            raise UnknownNameError("strategy", name, known, where=f"run {record.run_id}")
    return known if named is None else list(dict.fromkeys(named))


def _document(kind: "Kind[Any]", record: "RunRecord", strategies: Sequence[str]) -> dict[str, Any]:
    from backtestkit_cli.reports.json_values import json_value

    return {
        "kind": kind.name,
        "run_id": record.run_id,
        "symbols": list(record.shown_symbols or record.facts.symbols),
        "strategies": {name: json_value(kind.get_data(record, name)) for name in strategies},
    }


def _show_markdown(kind: "Kind[Any]", record: "RunRecord", strategies: Sequence[str]) -> None:
    texts = (kind.get_report(record, name) for name in strategies)
    shown = "\n".join(text for text in texts if text is not None)
    if shown:
        console.out(shown.removesuffix("\n"))


def _tell(paths: Sequence[Path]) -> None:
    for path in paths:
        console.say(f"wrote {path}")
