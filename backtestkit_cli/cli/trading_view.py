"""A trading run as a table that follows it: a line a session, drawn from the status of the run alone."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from backtestkit_cli.cli import console
from backtestkit_cli.cli.console import Heading, Painted
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.trading import OnStop
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.reports.tables import Unit, number_text, price_text
from backtestkit_cli.runs.trading.status import RunStatus, SessionStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

_DRAWS_A_SECOND = 4
_LONGEST_EVENT = 48
_AROUND = 6
"""Lines of the view that are no session: headings, rules and footer, and what the shell keeps."""

HEADINGS = (
    Heading("Symbol"),
    Heading("Strategy", rank=8),
    Heading("State"),
    Heading("Price", is_number=True, rank=3),
    Heading("PNL", is_number=True, rank=1),
    Heading("PNL quote", is_number=True, rank=4),
    Heading("Trades", is_number=True, rank=9),
    Heading("Net", is_number=True, rank=5),
    Heading("Last event", rank=7),
    Heading("Late", is_number=True, rank=10),
    Heading("Connection", rank=6),
)
MODES = {
    "paper": Painted("PAPER, no real orders", "bold white on blue"),
    "live": Painted("LIVE, real orders", "bold white on red"),
}
"""The modes in plain words."""
_CONNECTIONS = {"stale": "yellow", "lost": "bold red"}


def row_of(session: SessionStatus, now_ms: int) -> list[str]:
    """Return the cells of *session*, in the order of `HEADINGS`."""
    pnl_pct = "" if session.pnl_pct is None else number_text(session.pnl_pct, Unit.PERCENT)
    return [
        Painted(session.symbol, "red" if session.error else "yellow" if session.blocked else ""),
        session.strategy,
        state_text(session.state),
        price_text(session.price) if session.price is not None else "",
        pnl_pct,
        _money(session.pnl_quote),
        f"{session.trades:,}",
        _money(session.net_quote),
        last_text(session, now_ms),
        f"{session.lateness_ms / 1000:.1f} s" if session.tick_ms else "",
        Painted(session.connection, _CONNECTIONS.get(session.connection, "")),
    ]


def state_text(state: Waiting | Position | None) -> str:
    """Return what a session holds: `flat`, `waiting long at 61200`, `long 0.0123 at 60800`."""
    match state:
        case None:
            return "flat"
        case Waiting():
            return f"waiting {state.side.value} at {price_text(state.price_open)}"
        case Position():
            return f"{state.side.value} {price_text(state.quantity_left)} at {price_text(state.price_effective)}"


def last_text(session: SessionStatus, now_ms: int) -> str:
    """Return what matters most of what happened: a failure, a block, or the last event with its age."""
    text = session.last_event
    if text:
        text = f"{age_text(now_ms - session.last_event_ms)} ago: {text}"
    if session.blocked:
        text = f"blocked: {session.blocked}"
    if session.error:
        text = f"failed: {session.error}"
    line = console.one_line(text)
    return line if len(line) <= _LONGEST_EVENT else f"{line[: _LONGEST_EVENT - 1]}…"


def age_text(age_ms: int) -> str:
    """Return how long ago something is: `12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(age_ms, 0) // 1000
    for size, unit, limit in ((1, "s", 120), (60, "min", 120 * 60), (3600, "h", 48 * 3600)):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} d"


def footer(status: RunStatus, on_stop: OnStop | None) -> Iterator[list[str]]:
    """Yield the lines below the table as parts: mode, run, time and memory; and what Ctrl-C does."""
    seconds = -(-(MINUTE_MS - status.now_ms % MINUTE_MS) // 1000)
    mode = MODES.get(status.mode, status.mode)
    yield [mode, f"on {status.exchange}", status.run_id, f"next tick in {seconds} s", f"{status.memory_mb:.0f} MB"]
    yield [stopping_text(on_stop) if status.is_stopping else f"Ctrl-C {_ON_STOP[on_stop]}; twice ends at once"]


_ON_STOP: Mapping[OnStop | None, str] = {
    None: "ends the replay",
    OnStop.KEEP: "stops and keeps positions, which the next start takes up again",
    OnStop.CLOSE: "stops and closes all positions",
}
_STOPPING: Mapping[OnStop | None, str] = {
    None: "the replay ends",
    OnStop.KEEP: "positions are kept, and the next start takes them up again",
    OnStop.CLOSE: "positions are being closed",
}


def stopping_text(on_stop: OnStop | None) -> str:
    """Return what happens between the first Ctrl-C and the end; *on_stop* is None for a replay, which keeps nothing."""
    return f"stopping: nothing new is opened, {_STOPPING[on_stop]}; Ctrl-C again ends at once"


def view_of(status: RunStatus, on_stop: OnStop | None, *, width: int, height: int) -> "RenderableType":
    """Return the view of *status* for a terminal of that size.

    What does not fit goes by rank: columns from the least important on, and sessions that hold nothing.
    """
    shown = _chosen(status.sessions, max(height - _AROUND, 1))
    rows = [row_of(session, status.now_ms) for session in shown]
    table, _ = console.table_of(HEADINGS, [rows], width)
    lines = [_line(parts) for parts in footer(status, on_stop)]
    left_out = len(status.sessions) - len(shown)
    if left_out:
        lines.insert(0, Text(f"and {counted(left_out, 'session')} more", "dim"))
    return Group(table, *lines)


def _chosen(sessions: Sequence[SessionStatus], room: int) -> list[SessionStatus]:
    """Return as many of *sessions* as there is *room* for, in their order; those with something to look at stay."""
    if len(sessions) <= room:
        return list(sessions)

    def is_quiet(index: int) -> bool:
        one = sessions[index]
        return one.state is None and not one.error and not one.blocked and one.connection == "ok"

    first = sorted(range(len(sessions)), key=lambda index: (is_quiet(index), index))[: room - 1]
    return [sessions[index] for index in sorted(first)]


def _line(parts: Sequence[str]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for index, part in enumerate(parts):
        line.append("  " if index else "")
        line.append(console.one_line(part), part.style if isinstance(part, Painted) else "dim")
    return line


def _money(value: float | None) -> str:
    if value is None:
        return ""
    text = number_text(value, Unit.MONEY)
    if text == "0.00":
        return text
    return Painted(f"{'' if value < 0 else '+'}{text}", "red" if value < 0 else "green")


class Screen:
    """Draws the view of a run on a terminal, a few times a second at most."""

    def __init__(self, live: Live, on_stop: OnStop | None) -> None:
        """Draw on *live*."""
        self._live = live
        self._on_stop = on_stop
        self._due = 0.0
        self._status: RunStatus | None = None

    def show(self, status: RunStatus) -> None:
        """Take in *status*, and draw it unless that was done just now."""
        self._status = status
        if time.monotonic() >= self._due:
            self.draw()

    def restore(self) -> None:
        """Leave the terminal as it was found."""
        self._live.console.show_cursor(True)

    def draw(self) -> None:
        """Draw what was taken in last."""
        if self._status is None:
            return
        self._due = time.monotonic() + 1 / _DRAWS_A_SECOND
        size = self._live.console.size
        view = view_of(self._status, self._on_stop, width=size.width, height=size.height)
        self._live.update(view, refresh=True)


@contextmanager
def screen(on_stop: OnStop | None) -> Iterator[Screen]:
    """Yield what draws on the terminal of stderr; what is printed meanwhile appears above it."""
    colours = None if os.environ.get("NO_COLOR") else "auto"
    terminal = Console(file=sys.stderr, color_system=colours, highlight=False)  # type: ignore[arg-type]
    with Live(console=terminal, auto_refresh=False, transient=False) as live:
        drawn = Screen(live, on_stop)
        try:
            yield drawn
        finally:
            drawn.draw()
