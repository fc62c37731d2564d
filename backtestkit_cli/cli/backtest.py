"""`btk backtest`: from flags to a finished run, its tables and its files."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.provenance import command_line, now_text
from backtestkit_cli.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backtestkit_cli.analytics.outcome import RunOutcome
    from backtestkit_cli.cli.log_lines import LogPlan
    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.domain.settings import FillModelName
    from backtestkit_cli.reports.saved.record import RunRecord
    from backtestkit_cli.runs.backtest import OnProgress
    from backtestkit_cli.runs.markets import MarketBook
    from backtestkit_cli.runs.plan import RunPlan


@dataclass(frozen=True, slots=True)
class Finished:
    """The run of the config, and one of each fill model where bounds were asked for."""

    main: "RunRecord"
    bounds: "Mapping[FillModelName, RunRecord]"
    tracebacks: "Sequence[str]"

    @property
    def records(self) -> "Mapping[str, RunRecord]":
        """Return every run by what sets it apart, nothing for the only one."""
        return {model.value: record for model, record in self.bounds.items()} or {"": self.main}

    @property
    def failures(self) -> list[str]:
        """Return a line for every session that failed in any run, and for every run that its portfolio ended."""
        from backtestkit_cli.cli import coordination_lines, results

        failed = (line for record in self.records.values() for line in results.failures(record))
        stopped = (
            f"{label}: {line}" if label else line
            for label, record in self.records.items()
            for line in coordination_lines.final_stop(record)
        )
        return list(dict.fromkeys((*failed, *stopped)))


_NEEDS = ("symbols", "entry", "frame")


def backtest(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    frame: options.Frame = None,
    from_: options.From = None,
    to: options.To = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Run every fill model and show how far apart the results are.")
    ] = False,
    out: options.Out = None,
    charts: options.Charts = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    offline: options.Offline = False,
    max_concurrent: options.MaxConcurrent = None,
    workers: options.Workers = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log_level: options.LogLevel = None,
    log_json: options.LogJson = False,
    log_filter: options.LogFilter = None,
    log_file: options.LogFile = None,
) -> None:
    """Run strategies over history and show what each symbol won.

    Tables go to stdout, everything else to stderr. Reports are written to <out>/backtest/ and <out>/performance/, and
    where there is something to say to <out>/heatmap/, <out>/schedule/, <out>/partial/ and <out>/risk/; the run with
    its trades, equity, events and page to <out>/runs/<run id>/. Candles of a venue that are not in the cache are
    fetched first. Exit codes: 0 done, 1 failed, 2 wrong input, 3 candles missing or bad, 4 some symbols failed and the
    others finished, 5 a venue refused or was not reached, 6 a portfolio rule stopped the run.
    """
    from backtestkit_cli.cli.log_lines import log_plan, written
    from backtestkit_cli.reports.charts.formats import require_charts

    if bounds and fill_model is not None:
        raise ConfigError("--bounds runs every fill model: leave out --fill-model")
    if verbose and quiet:
        raise ConfigError("--verbose and --quiet contradict each other: leave out one")
    if charts is not None:
        require_charts(charts)
    log = log_plan(log_level, log_json, log_file, log_filter)
    flags = {
        "symbols": options.joined(symbols),
        "entry": entry,
        "strategy": options.split(strategy),
        "exchange": exchange,
        "frame": frame,
        "from": from_,
        "to": to,
        "fill_model": fill_model,
        "out": out,
        "data": data,
        **options.reach(no_cache=no_cache, offline=offline),
        "max_concurrent": max_concurrent,
        "workers": workers,
    }
    loaded = options.load(config, sets, flags, required=_NEEDS)
    started = now_text()
    with console.stdout_for_data(), written(log):
        outcomes = _run_all(loaded, bounds=bounds, quiet=quiet, log=log)
    code = max(outcome.exit_code for outcome in outcomes.values())
    extra = {"command": command_line(), "started_at": started, "finished_at": now_text(), "exit_code": code}
    finished = _finished(loaded, outcomes, extra, bounds=bounds)
    if not json:
        _show(finished)
    paths, problem = _write(finished, loaded.config.out, charts)
    code = code if problem is None else problem.exit_code
    if json:
        console.out(console.json_text(_document(finished, paths, problem, code)))
    _tell(finished, [] if json else paths, verbose=verbose, quiet=quiet)
    if problem is not None:
        console.fail(problem)
    raise typer.Exit(code)


def _run_all(
    loaded: "LoadedConfig", *, bounds: bool, quiet: bool, log: "LogPlan | None"
) -> "dict[FillModelName, RunOutcome]":
    """Return the run of the config by its fill model; where *bounds* are asked for, first that one, then the others."""
    # Before the folder of the strategy is on the path: a neighbour called html.py would be taken for the library's.
    import backtestkit_cli.reports.saving  # noqa: F401
    from backtestkit_cli.cli.progress import access_for, shown_progress
    from backtestkit_cli.domain.settings import FillModelName
    from backtestkit_cli.runs.assembly import assemble, with_fill_model
    from backtestkit_cli.runs.backtest import market_book

    with shown_progress(quiet=quiet, with_bars=log is None) as display, console.stopped_at_once():
        plan = assemble(loaded, access=access_for(loaded, display))
        own_model = next(iter(plan.settings.values())).fill_model
        if not bounds:
            on_progress = display.run("backtest") if display else None
            return {own_model: _run(loaded, plan, log, on_progress=on_progress)}
        book = market_book(plan)
        outcomes = {}
        for model in sorted(FillModelName, key=lambda model: model is not own_model):
            told = with_fill_model(loaded, model)
            on_progress = display.run(model.value) if display else None
            # Assembled anew for each, so that what the module keeps in variables does not pass from run to run.
            outcomes[model] = _run(told, assemble(told), log, book=book, on_progress=on_progress)
        return outcomes


def _finished(
    loaded: "LoadedConfig",
    outcomes: "Mapping[FillModelName, RunOutcome]",
    extra: "Mapping[str, Any]",
    *,
    bounds: bool,
) -> Finished:
    from backtestkit_cli.cli import results
    from backtestkit_cli.config.snapshot import snapshot_of
    from backtestkit_cli.domain.settings import FillModelName
    from backtestkit_cli.reports.saved.record import record_of
    from backtestkit_cli.runs.assembly import with_fill_model

    told = {model: with_fill_model(loaded, model) if bounds else loaded for model in outcomes}
    records = {model: record_of(one, {**extra, **snapshot_of(told[model])}) for model, one in outcomes.items()}
    return Finished(
        main=next(iter(records.values())),
        bounds={model: records[model] for model in FillModelName} if bounds else {},
        tracebacks=[text for outcome in outcomes.values() for text in results.tracebacks(outcome)],
    )


def _run(
    loaded: "LoadedConfig",
    plan: "RunPlan",
    log: "LogPlan | None",
    *,
    book: "MarketBook | None" = None,
    on_progress: "OnProgress | None",
) -> "RunOutcome":
    from backtestkit_cli.cli.log_lines import begin_in_worker
    from backtestkit_cli.runs.workers import run_to_end

    prepare = partial(begin_in_worker, log) if log else None
    return run_to_end(loaded, plan, book=book, on_progress=on_progress, prepare=prepare)


def _show(finished: Finished) -> None:
    from backtestkit_cli.cli import results

    if finished.bounds:
        results.show_bounds(finished.bounds)
    else:
        results.show_result(finished.main)


def _write(finished: Finished, out: str, charts: str | None) -> tuple[list[Path], OutputError | None]:
    """Write everything that every run leaves behind; return what is there, and what went wrong."""
    from backtestkit_cli.reports.saving import save_run

    paths: list[Path] = []
    try:
        # The run that was configured is written last: it is the latest, and so what `btk report` takes.
        for record in sorted(finished.records.values(), key=lambda record: record is finished.main):
            before = len(paths)
            # Reports named after a strategy are those of the run that was configured.
            paths.extend(save_run(record, Path(out), has_reports=record is finished.main, chart_format=charts))
            if len(paths) == before:
                console.note(f"the finished run {record.run_id} is kept: this one lacks candles that it had")
    except OutputError as error:
        return paths, error
    return paths, None


def _document(finished: Finished, paths: list[Path], problem: OutputError | None, code: int) -> dict[str, Any]:
    from backtestkit_cli.cli import results

    return {
        **results.document(finished.main),
        "bounds": results.bounds_document(finished.bounds) if finished.bounds else None,
        "paths": [str(path) for path in paths],
        "errors": [*map(console.one_line, finished.failures), *(console.problems_of(problem) if problem else ())],
        "exit_code": code,
    }


def _tell(finished: Finished, paths: list[Path], *, verbose: bool, quiet: bool) -> None:
    """Say on stderr what failed, what is worth knowing, and where the files are."""
    from backtestkit_cli.cli import results

    for line in finished.failures:
        console.error(line)
    if quiet:
        return
    for label, record in finished.records.items():
        for line in results.notes(record):
            console.note(f"{label}: {line}" if label else line)
    for text in finished.tracebacks if verbose else ():
        console.say(text)
    for path in paths:
        console.say(f"wrote {path}")
