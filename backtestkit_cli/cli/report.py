"""`btk report`: any report of a saved run, once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.reports.markdown.kinds import Kind
    from backtestkit_cli.reports.saved.record import RunRecord

Markdown: TypeAlias = Annotated[
    bool, typer.Option("--markdown", help="Print the text of the report instead of tables.")
]
Part: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--symbols", "-s", metavar="A,B", help="Show this part of the run only, and write no file."),
]
Sort: TypeAlias = Annotated[
    str, typer.Option("--sort", metavar="METRIC", help="Sort symbols by this metric.", show_default=True)
]
Pictures: TypeAlias = Annotated[str, typer.Option("--charts", metavar="FORMAT", help="Draw as png or svg.")]
Picture: TypeAlias = Annotated[
    str | None,
    typer.Option("--charts", metavar="FORMAT", help="Draw it as png, the default, as svg, or none."),
]
Strategies: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--strategy", metavar="NAME", help="Strategy of the run; may be given again, or as A,B."),
]

ABOUT: Final = {
    "backtest": "Show what each symbol won in a saved run, and write its report anew.",
    "live": "Show every event of a saved run and the figures of its closed positions, and write that as a report.",
    "schedule": "Show what became of the signals of a saved run that waited, and write its report anew.",
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
        from backtestkit_cli.reports.markdown.kinds import KINDS

        where = Where(run=run, strategy=strategy, symbols=symbols, out=out, config=config)
        _make(KINDS[kind], where, json=json, markdown=markdown, quiet=quiet)

    command.__doc__ = ABOUT[kind] + _FURTHER.format(kind=kind)
    return command


def report_heatmap(
    run: options.SavedRun = "latest",
    *,
    sort: Sort = "sharpe_ratio",
    charts: Picture = None,
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
    them where they are sorted as there, by Sharpe, and a picture beside; tables, or with --json and --markdown what
    these ask for, go to stdout. Exit codes: 0 done, 1 a file could not be written, 2 wrong input, 3 the run is
    half-written or damaged.
    """
    from backtestkit_cli.reports import heatmap_file

    where = Where(run=run, strategy=strategy, symbols=symbols, out=out, config=config)
    write = partial(heatmap_file.write, sort_by=sort, chart_format=_chart_format(charts, is_part=bool(symbols)))
    _make(heatmap_file.heatmap_by(sort), where, json=json, markdown=markdown, quiet=quiet, write=write)


def _chart_format(charts: str | None, *, is_part: bool) -> str | None:
    """Return the format that a heatmap is drawn in, None where it is not.

    Raises:
        ConfigError: there is no such format, or nothing to draw with.
    """
    from backtestkit_cli.reports.charts.formats import FORMATS, HOW_TO_DRAW, can_draw, require_charts

    if is_part and charts not in {None, "none"}:
        raise ConfigError("--charts and --symbols contradict each other: pictures are of the whole run")
    if is_part or charts == "none":
        return None
    if charts is None and not can_draw():
        console.note(f"there is no picture without matplotlib: {HOW_TO_DRAW}")
        return None
    require_charts(charts or FORMATS[0])
    return charts or FORMATS[0]


def _make(
    kind: "Kind[Any]",
    where: Where,
    *,
    json: bool,
    markdown: bool,
    quiet: bool,
    write: "Callable[[RunRecord, str, Path], list[Path]] | None" = None,
) -> None:
    """Print what is asked for of *kind*, then *write* its files.

    Raises:
        ConfigError: there is no such run, strategy, symbol or metric.
        SavedRunError: the run is half-written, damaged, or of another program or version.
        OutputError: a file could not be written; the numbers are on stdout then.
    """
    from backtestkit_cli.cli.report_tables import show_kind

    if json and markdown:
        raise ConfigError("--json and --markdown contradict each other: leave out one")
    if where.symbols and kind.is_of_whole_run:
        raise ConfigError(f"--symbols: the {kind.name} of a run is not known by symbol: leave it out")
    folder = options.out_folder(where.config, where.out)
    record = opened(where.run, folder, where.symbols)
    strategies = chosen(record, where.strategy)
    texts = {name: kind.get_report(record, name) for name in strategies}
    told = [name for name, text in texts.items() if text is not None]
    if json:
        console.out(console.json_text(_document(kind, record, strategies)))
    elif markdown:
        console.out("\n".join(text for text in texts.values() if text is not None).removesuffix("\n"))
    elif told:
        show_kind(kind, record, told)
    # The files are of the whole run: a part of it is shown only.
    paths = (
        [] if where.symbols else [path for name in strategies for path in (write or kind.write)(record, name, folder)]
    )
    if quiet:
        return
    for name in strategies:
        if name not in told:
            console.note(f"{f'{name}: ' if len(strategies) > 1 else ''}{kind.nothing}: nothing to report")
    _tell(paths)


def report_charts(
    run: options.SavedRun = "latest",
    *,
    charts: Pictures = "png",
    out: options.Out = None,
    config: options.Config = None,
    quiet: options.Quiet = False,
) -> None:
    """Draw a saved run: equity and drawdown, symbols × metrics, symbols × months.

    Without RUN it is the latest. The files are <out>/charts/<run id>/equity.png and so on. Exit codes: 0 done, 1 a
    file could not be written, 2 wrong input or no matplotlib, 3 the run is half-written or damaged.
    """
    from backtestkit_cli.reports.charts.files import has_trades, write_charts
    from backtestkit_cli.reports.charts.formats import require_charts

    require_charts(charts)
    folder = options.out_folder(config, out)
    record = opened(run, folder)
    paths = write_charts(record, folder, charts)
    if quiet:
        return
    if not has_trades(record):
        console.note("no position was closed: there is nothing to draw for the heatmap")
    else:
        for name in chosen(record, None):
            if not has_trades(record, name):
                console.note(f"{name}: no position was closed: there is nothing to draw for its heatmap")
    _tell(paths)


def report_all(
    run: options.SavedRun = "latest",
    *,
    out: options.Out = None,
    config: options.Config = None,
    quiet: options.Quiet = False,
) -> None:
    """Write every report of a saved run and its page anew, as the run itself did.

    Without RUN it is the latest. Exit codes: 0 done, 1 a file could not be written, 2 wrong input, 3 the run is
    half-written or damaged.
    """
    from backtestkit_cli.reports.markdown.kinds import write_reports
    from backtestkit_cli.reports.saved.run_folder import PAGE
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run
    from backtestkit_cli.reports.saving import write_page

    base = options.out_folder(config, out)
    folder = find_run(run, base)
    record = load_run(folder)
    paths = [*write_reports(record, base), write_page(record, folder / PAGE)]
    if not quiet:
        _tell(paths)


def opened(name: str, out: Path, symbols: Sequence[str] | None = None) -> "RunRecord":
    """Return the saved run *name*, or what *symbols* were of it.

    Raises:
        ConfigError: there is no such run, or it has no such symbol.
        SavedRunError: it is half-written, damaged, or of another program or version.
    """
    from backtestkit_cli.reports.saved.run_reading import find_run, load_run

    record = load_run(find_run(name, out))
    listed = options.split(symbols)
    return record if listed is None else record.only(listed)


def chosen(record: "RunRecord", strategy: Sequence[str] | None) -> list[str]:
    """Return the named strategies of *record*, all of them where none is named.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    named = options.split(strategy)
    if named is None:
        return sorted(record.facts.settings)
    for name in named:
        record.require_strategy(name)
    return list(dict.fromkeys(named))


def _document(kind: "Kind[Any]", record: "RunRecord", strategies: Sequence[str]) -> dict[str, Any]:
    from backtestkit_cli.reports.json_values import json_value

    return {
        "kind": kind.name,
        "run_id": record.run_id,
        "symbols": list(record.shown_symbols or record.facts.symbols),
        "strategies": {name: json_value(kind.get_data(record, name)) for name in strategies},
    }


def _tell(paths: Sequence[Path]) -> None:
    for path in paths:
        console.say(f"wrote {path}")
