"""`btk paper` and `btk live`: from flags to a run on the wall clock, its view, and its end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.asking import asked
from backtestkit_cli.cli.provenance import command_line, now_text
from backtestkit_cli.cli.stopping import stopped_by_signals
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.analytics.outcome import RunOutcome
    from backtestkit_cli.cli.log_lines import LogPlan
    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.events.facts import Event
    from backtestkit_cli.runs.trading.assembly import Replay
    from backtestkit_cli.runs.trading.run import TradingPlan
    from backtestkit_cli.runs.trading.status import RunStatus

_FRAME_KEYS = {"frame", "from", "to"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of a run is shown, and how."""

    json: bool
    verbose: bool
    quiet: bool
    log: "LogPlan | None"

    @property
    def has_table(self) -> bool:
        """Say whether a table follows the run: it needs a terminal of its own."""
        logs_here = self.log is not None and self.log.file is None
        return console.is_terminal() and not (self.json or self.quiet or logs_here)

    @property
    def has_event_lines(self) -> bool:
        """Say whether each event is a line on stderr: a log has them already."""
        return not (self.json or self.quiet or self.has_table or self.log is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a run reports to; `restore` leaves the terminal as it was, for who ends at once."""

    on_status: "Callable[[RunStatus], None] | None"
    on_event: "Callable[[Event], None] | None"
    restore: Callable[[], None]


def paper(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Trade on the history of a frame as if its candles closed now.")
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option("--speed", metavar="N", help="With --replay: N minutes a minute; as fast as it goes by default."),
    ] = None,
    frame: options.Frame = None,
    from_: options.From = None,
    to: options.To = None,
    out: options.Out = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    offline: options.Offline = False,
    json: options.JsonLines = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log_level: options.LogLevel = None,
    log_json: options.LogJson = False,
    log_filter: options.LogFilter = None,
    log_file: options.LogFile = None,
) -> None:
    """Trade on candles as they close, with an account of its own and without real orders.

    It goes on until Ctrl-C or SIGTERM, which stop it cleanly; a second one ends it at once. What it holds is saved
    below `store.folder` before it is said, and the next start takes it up again. `--replay` trades on history instead,
    through the same path, and ends with it. Exit codes: 0 stopped, or the replay is over, 1 failed, 2 wrong input,
    3 candles or saved state missing or bad, 4 some sessions failed, 5 a venue refused or was not reached, 6 a
    portfolio rule stopped it, 130 ended at once.
    """
    from backtestkit_cli.runs.trading.assembly import PAPER

    shown = _shown(json, verbose=verbose, quiet=quiet, log=(log_level, log_json, log_file, log_filter))
    frames = {"frame": frame, "from": from_, "to": to}
    how = _replay_of(replay, speed, frames, sets or ())
    flags = _flags(symbols, entry, strategy, exchange, fill_model, out, data)
    flags |= {**frames, **options.reach(no_cache=no_cache, offline=offline)}
    loaded = options.load(config, sets, flags, required=("symbols", "entry", *(["frame"] if how else [])))
    _trade(loaded, PAPER, how, shown)


def live(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")] = False,
    out: options.Out = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    json: options.JsonLines = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log_level: options.LogLevel = None,
    log_json: options.LogJson = False,
    log_filter: options.LogFilter = None,
    log_file: options.LogFile = None,
) -> None:
    """Trade with real orders on a venue, with the keys in the environment.

    Shows what it is about to do and asks for the word `live`; without a terminal it needs --yes. It goes on until
    Ctrl-C or SIGTERM, which stop it cleanly as `trading.on_stop` says; a second one ends it at once. What it holds is
    saved below `store.folder` before it is said, and the next start takes it up again. Exit codes: 0 stopped, 1
    failed, 2 wrong input or no keys, 3 candles or saved state missing or bad, 4 some sessions failed, 5 the venue
    refused or was not reached, 6 a portfolio rule stopped it, 130 ended at once.
    """
    from backtestkit_cli.runs.trading.assembly import LIVE

    shown = _shown(json, verbose=verbose, quiet=quiet, log=(log_level, log_json, log_file, log_filter))
    _refuse_frame({}, sets or (), "it goes on from now")
    flags = _flags(symbols, entry, strategy, exchange, fill_model, out, data)
    flags |= options.reach(no_cache=no_cache, offline=False)
    loaded = options.load(config, sets, flags, required=("symbols", "entry"))
    _trade(loaded, LIVE, None, shown, ask=_agree_to if not yes else _only_show)


def _flags(
    symbols: list[str] | None,
    entry: str | None,
    strategy: list[str] | None,
    exchange: str | None,
    fill_model: str | None,
    out: str | None,
    data: str | None,
) -> dict[str, object]:
    """Return what both commands take, by config key."""
    return {
        "symbols": options.joined(symbols),
        "entry": entry,
        "strategy": options.split(strategy),
        "exchange": exchange,
        "fill_model": fill_model,
        "out": out,
        "data": data,
    }


def _shown(
    json: bool, *, verbose: bool, quiet: bool, log: tuple[str | None, bool, str | None, list[str] | None]
) -> Shown:
    from backtestkit_cli.cli.log_lines import log_plan

    if verbose and quiet:
        raise ConfigError("--verbose and --quiet contradict each other: leave out one")
    return Shown(json=json, verbose=verbose, quiet=quiet, log=log_plan(*log))


def _replay_of(
    wanted: bool, speed: float | None, frames: dict[str, str | None], sets: Sequence[str]
) -> "Replay | None":
    from backtestkit_cli.runs.trading.assembly import Replay

    if wanted:
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigError(f"--speed: expected a number above 0, found {speed:g}")
        return Replay(speed=speed)
    if speed is not None:
        raise ConfigError("--speed is for --replay: without it a minute takes a minute")
    _refuse_frame(frames, sets, "without --replay it goes on from now")
    return None


def _refuse_frame(frames: dict[str, str | None], sets: Sequence[str], why: str) -> None:
    """Raise where a flag asks for a frame; one of the config is for backtests, and says nothing here."""
    given = [f"--{name}" for name, value in frames.items() if value is not None]
    given += [f"--set {text}" for text in sets if text.partition("=")[0].strip().partition(".")[0] in _FRAME_KEYS]
    if given:
        raise ConfigError(f"{', '.join(given)}: expected no frame: {why}")


def _trade(
    loaded: "LoadedConfig",
    mode: str,
    replay: "Replay | None",
    shown: Shown,
    ask: "Callable[[TradingPlan], bool] | None" = None,
) -> None:
    """Assemble the run, let *ask* decide whether it begins, and see it through to its end."""
    from backtestkit_cli.cli.log_lines import written

    with console.stdout_for_data() as data, written(shown.log):
        plan = _plan(loaded, mode, replay, shown)
        if ask is not None and not ask(plan):
            console.say("nothing was started")
            return
        outcome = _run(plan, shown, data)
    _finish(plan, outcome, shown)
    raise typer.Exit(outcome.exit_code)


def _plan(loaded: "LoadedConfig", mode: str, replay: "Replay | None", shown: Shown) -> "TradingPlan":
    # Before the folder of the strategy is on the path: a neighbour called html.py would be taken for the library's.
    import backtestkit_cli.reports.saving  # noqa: F401
    from backtestkit_cli.cli.progress import Lines, access_for
    from backtestkit_cli.config.snapshot import snapshot_of
    from backtestkit_cli.runs.trading.assembly import assemble_trading

    told = {"command": command_line(), "started_at": now_text(), **snapshot_of(loaded)}
    access = access_for(loaded, None if shown.quiet else Lines(time.monotonic))
    return assemble_trading(loaded, mode=mode, replay=replay, access=access, told=told)


def _only_show(plan: "TradingPlan") -> bool:
    from backtestkit_cli.cli.trading_plan import show_plan
    from backtestkit_cli.runs.trading.assembly import cautions
    from backtestkit_cli.runs.trading.preview import preview

    seen = preview(plan)
    show_plan(plan, seen.balances, seen.held, [*cautions(plan), *seen.problems])
    return True


def _agree_to(plan: "TradingPlan") -> bool:
    _only_show(plan)
    return asked("type live to begin:", else_say="--yes begins without asking") == "live"


def _run(plan: "TradingPlan", shown: Shown, data: TextIO) -> "RunOutcome":
    import asyncio

    from backtestkit_cli.cli.trading_view import stopping_text
    from backtestkit_cli.runs.trading.run import StopRequest, run_trading

    stop = StopRequest()
    with _watching(plan, shown, data) as watch:

        def request() -> None:
            stop.request()
            console.say(stopping_text(plan.options.on_stop))

        def end() -> None:
            stop.request()
            watch.restore()
            console.say("stopped")

        with stopped_by_signals(request, end=end):
            return asyncio.run(run_trading(plan, on_status=watch.on_status, on_event=watch.on_event, stop=stop))


@contextmanager
def _watching(plan: "TradingPlan", shown: Shown, data: TextIO) -> Iterator[Watch]:
    """Yield what shows the run as *shown* says: a table, lines, JSON, or nothing."""
    from backtestkit_cli.cli.trading_lines import JsonEvents, StatusLines, event_line
    from backtestkit_cli.cli.trading_view import screen

    on_event: Callable[[Event], None] | None = None
    if shown.json:
        on_event = JsonEvents(data).write
    elif shown.has_event_lines:
        on_event = _said(event_line)
    if not shown.has_table:
        lines = None if shown.quiet else StatusLines(console.say, time.monotonic).show
        yield Watch(on_status=lines, on_event=on_event, restore=lambda: None)
        return
    with screen(plan.options.on_stop) as drawn:
        yield Watch(on_status=drawn.show, on_event=on_event, restore=drawn.restore)


def _said(line: "Callable[[Event], str]") -> "Callable[[Event], None]":
    return lambda event: console.say(line(event))


def _finish(plan: "TradingPlan", outcome: "RunOutcome", shown: Shown) -> None:
    """Show what the run came to, as after a backtest."""
    from backtestkit_cli.cli import results
    from backtestkit_cli.reports.saved.record import record_of

    extra = {**plan.told, "finished_at": now_text(), "exit_code": outcome.exit_code}
    record = record_of(outcome, extra)
    folder = Path(plan.out) / "runs" / record.run_id
    failures = [*results.failures(record)]
    if shown.json:
        document = {**results.document(record), "errors": failures, "exit_code": outcome.exit_code}
        console.out(_json_line({"event": "run_ended", **document, "path": str(folder) if folder.is_dir() else None}))
    else:
        results.show_result(record)
    for line in failures:
        console.error(line)
    for line in () if shown.quiet else results.notes(record):
        console.note(line)
    for text in results.tracebacks(outcome) if shown.verbose else ():
        console.say(text)
    if folder.is_dir() and not (shown.json or shown.quiet):
        console.say(f"wrote {folder}")


def _json_line(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, allow_nan=False)
