"""A trading run as lines: one an event, and now and then one that says how the run is."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from backtestkit_cli.cli import console
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.events.lines import line_of
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.reports.tables import Unit, number_text

if TYPE_CHECKING:
    from backtestkit_cli.events.facts import Event
    from backtestkit_cli.runs.trading.status import RunStatus

_STATUS_EVERY_S = 300.0


def event_line(event: "Event") -> str:
    """Return *event* on one line: time, symbol, strategy, and what happened."""
    about = " ".join(part for part in (utc_text(event.at_ms), event.symbol, event.strategy) if part)
    return console.one_line(f"{about}: {line_of(event)}")


def status_line(status: "RunStatus") -> str:
    """Return on one line how the run is: time, what is open and waits, trades with their net, and what is wrong."""
    states = [session.state for session in status.sessions]
    held = sum(isinstance(state, Position) for state in states)
    waiting = sum(state is not None for state in states) - held
    trades = sum(session.trades for session in status.sessions)
    net = number_text(sum(session.net_quote for session in status.sessions), Unit.MONEY)
    late_ms = max((session.lateness_ms for session in status.sessions), default=0)
    parts = [
        f"{utc_text(status.now_ms)} {status.mode} on {status.exchange}: {counted(held, 'position')}, {waiting} waiting",
        f"{counted(trades, 'trade')}, net {net}",
        f"at most {late_ms / 1000:.1f} s late, {status.memory_mb:.0f} MB",
    ]
    wrong = {
        "not connected": [one.symbol for one in status.sessions if one.connection != "ok"],
        "blocked": [one.symbol for one in status.sessions if one.blocked],
        "failed": [one.symbol for one in status.sessions if one.error],
    }
    parts += [f"{what}: {', '.join(dict.fromkeys(symbols))}" for what, symbols in wrong.items() if symbols]
    return "; ".join(parts)


class StatusLines:
    """Says how a run is, once at its first status and then every few minutes of real time."""

    def __init__(self, say: Callable[[str], None], seconds: Callable[[], float]) -> None:
        """Say it with *say*, and measure by *seconds*, a clock."""
        self._say = say
        self._seconds = seconds
        self._due: float | None = None

    def show(self, status: "RunStatus") -> None:
        """Take in *status*."""
        now = self._seconds()
        if self._due is None or now >= self._due:
            self._due = now + _STATUS_EVERY_S
            self._say(status_line(status))


class JsonEvents:
    """Writes every event as a JSON object on a line of its own, as `events.jsonl` has it."""

    def __init__(self, data: TextIO) -> None:
        """Write to *data*; a reader that has gone away ends nothing but the writing."""
        self._data: TextIO | None = data

    def write(self, event: "Event") -> None:
        """Write *event*."""
        if self._data is None:
            return
        try:
            print(json.dumps(event_row(event), allow_nan=False), file=self._data, flush=True)
        except BrokenPipeError:
            self._data = None
