"""A run on the wall clock from its config to its end: what is shown before, meanwhile and after."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from backtestkit_cli.cli import console
from backtestkit_cli.cli.asking import asked, require_somebody
from backtestkit_cli.cli.provenance import command_line, now_text
from backtestkit_cli.cli.stopping import stopped_by_signals

if TYPE_CHECKING:
    from backtestkit_cli.analytics.outcome import RunOutcome
    from backtestkit_cli.cli.log_lines import LogPlan
    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.domain.trading import OnStop
    from backtestkit_cli.events.facts import Event
    from backtestkit_cli.runs.trading.assembly import Replay
    from backtestkit_cli.runs.trading.plan import TradingPlan
    from backtestkit_cli.runs.trading.status import RunStatus


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
        return sys.stderr.isatty() and not (self.json or self.quiet or logs_here)

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


def trade(
    loaded: "LoadedConfig",
    mode: str,
    replay: "Replay | None",
    shown: Shown,
    *,
    asks: bool = False,
    stands_by: bool = False,
) -> None:
    """Assemble the run and see it through to its end; one with real orders is shown before, and *asks*.

    One that *stands_by* begins once nobody else trades the same.
    """
    from backtestkit_cli.cli.log_lines import written
    from backtestkit_cli.runs.trading.plan import LIVE

    with console.stdout_for_data() as data, written(shown.log):
        plan = _plan(loaded, mode, replay, shown)
        if plan.run.mode == LIVE and not _agreed(plan, asks=asks):
            console.say("nothing was started")
            return
        outcome = _run(plan, shown, data, stands_by=stands_by)
        if outcome is None:
            console.say("another process trades the same: nothing was started")
            return
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


def _agreed(plan: "TradingPlan", *, asks: bool) -> bool:
    """Show what *plan* is about to do, and say whether it may."""
    import asyncio

    from backtestkit_cli.cli.trading_plan import show_plan
    from backtestkit_cli.runs.trading.assembly import cautions
    from backtestkit_cli.runs.trading.preview import preview

    if asks:
        require_somebody("btk live", else_say="--yes begins without asking")
    show_plan(plan, asyncio.run(preview(plan)), list(cautions(plan)))
    return not asks or asked("type live to begin:") == "live"


def _run(plan: "TradingPlan", shown: Shown, data: TextIO, *, stands_by: bool) -> "RunOutcome | None":
    """Return what the run came to, None where it was stopped before its turn came."""
    import asyncio

    from backtestkit_cli.cli.trading_view import stopping_text
    from backtestkit_cli.runs.trading.run import run_trading
    from backtestkit_cli.runs.trading.stopping import StoppedBeforeItBegan, StopRequest

    stop = StopRequest()
    with _watching(plan, shown, data) as watch:

        def request() -> None:
            stop.request()
            console.say(stopping_text(_on_stop(plan)))

        def end() -> None:
            stop.request()
            watch.restore()
            console.say("stopped")

        with stopped_by_signals(request, end=end), suppress(StoppedBeforeItBegan):
            return asyncio.run(
                run_trading(
                    plan,
                    on_status=watch.on_status,
                    on_event=watch.on_event,
                    on_note=console.note,
                    stop=stop,
                    stands_by=stands_by,
                )
            )
    return None


def _on_stop(plan: "TradingPlan") -> "OnStop | None":
    """Return what becomes of positions, None for a replay, which keeps nothing."""
    return None if plan.is_replay else plan.options.on_stop


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
    with screen(_on_stop(plan)) as drawn:
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
