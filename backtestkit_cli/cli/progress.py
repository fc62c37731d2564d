"""How far a command is: a bar for each part of its work on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from backtestkit_cli.cli import console

if TYPE_CHECKING:
    from rich.progress import Progress as Board
    from rich.progress import Task, TaskID
    from rich.text import Text

    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.data.cache.filling import FetchProgress
    from backtestkit_cli.runs.backtest import Progress
    from backtestkit_cli.runs.sources import DataAccess

_FIRST_LINE_S = 2.0
_BETWEEN_LINES_S = 5.0
_BARS_A_SECOND = 5


class Display(Protocol):
    """Where the parts of a command report to."""

    def fetched(self, progress: "FetchProgress") -> None:
        """Take in how far the fetching of one series is."""
        ...

    def waits(self, text: str) -> None:
        """Take in that something waits for a venue, and why."""
        ...

    def run(self, label: str) -> "Callable[[Progress], None]":
        """Return what the run called *label* reports to."""
        ...


@contextmanager
def shown_progress(*, quiet: bool, with_bars: bool = True) -> Iterator[Display | None]:
    """Yield what work is reported to, or None where nobody wants to see it; bars need a terminal to themselves."""
    if quiet:
        yield None
    elif with_bars and sys.stderr.isatty():
        with _board() as board:
            yield Bars(board)
    else:
        yield Lines(time.monotonic)


def access_for(loaded: "LoadedConfig", display: Display | None) -> "DataAccess":
    """Return the access to candles that *loaded* allows, which tells *display* and stderr what goes on."""
    from backtestkit_cli.runs.sources import access_of

    access = replace(access_of(loaded), on_damage=console.note)
    if display is None:
        return access
    return replace(access, on_progress=display.fetched, on_wait=display.waits)


class Lines:
    """Prints a line at most every few seconds, and none for what is short."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """Measure by *seconds*, a clock."""
        self._seconds = seconds
        self._fetches: dict[tuple[str, str], FetchProgress] = {}
        self._fetch_pace = _Pace(seconds())
        self.waits = sparing(console.note, seconds)

    def fetched(self, progress: "FetchProgress") -> None:
        """Print how far all series are together, and the one that was heard of last."""
        now = self._seconds()
        if not self._fetches:
            self._fetch_pace = _Pace(now)
        self._fetches[progress.symbol, progress.interval] = progress
        if not self._fetch_pace.is_due(now):
            return
        of_all = self._fetches.values()
        answered, requests = sum(one.answered for one in of_all), sum(one.requests for one in of_all)
        candles = short(sum(one.fetched for one in of_all))
        share = 100 * progress.answered / progress.requests
        console.say(
            f"fetching: {answered:,} of {requests:,} requests, {candles} candles"
            f"{self._fetch_pace.left(answered, requests, now)}; {progress.symbol} {progress.interval} {share:.0f} %"
        )

    def run(self, label: str) -> "Callable[[Progress], None]":
        """Return what prints how far a run is, how fast it goes and what is left."""
        paces: list[_Pace] = []

        def report(progress: "Progress") -> None:
            now = self._seconds()
            if not paces:  # what was fetched before the run is not its time
                paces.append(_Pace(now))
            pace = paces[0]
            if progress.done >= progress.total or not pace.is_due(now):
                return
            share = 100 * progress.done / progress.total
            rate = progress.done / (now - pace.begin)
            left = pace.left(progress.done, progress.total, now)
            console.say(f"{label}: {share:.0f} % of {short(progress.total)} candles, {short(rate)}/s{left}")

        return report


class _Pace:
    """When the next line is due, and how long the rest may take."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self._next = begin + _FIRST_LINE_S

    def is_due(self, now: float) -> bool:
        """Say whether a line may be printed *now*; it counts as printed."""
        if now < self._next:
            return False
        self._next = now + _BETWEEN_LINES_S
        return True

    def left(self, done: int, total: int, now: float) -> str:
        """Return `, 1:05 left`, or nothing as long as nothing is done."""
        return f", {clock_text((total - done) * (now - self.begin) / done)} left" if done else ""


class Bars:
    """One bar for each series that is fetched and for each run."""

    def __init__(self, board: "Board") -> None:
        """Draw on *board*."""
        self._board = board
        self._fetches: dict[tuple[str, str], TaskID] = {}
        self.waits = sparing(console.note, time.monotonic)

    def fetched(self, progress: "FetchProgress") -> None:
        """Draw how far one series is."""
        key = progress.symbol, progress.interval
        if key not in self._fetches:
            self._fetches[key] = self._board.add_task(f"fetching {' '.join(key)}", unit="requests")
        self._board.update(self._fetches[key], completed=progress.answered, total=progress.requests)

    def run(self, label: str) -> "Callable[[Progress], None]":
        """Return what draws a run from its first report on."""
        tasks: list[TaskID] = []

        def report(progress: "Progress") -> None:
            if not tasks:
                tasks.append(self._board.add_task(label, unit="candles"))
            self._board.update(tasks[0], completed=progress.done, total=progress.total)

        return report


@contextmanager
def _board() -> "Iterator[Board]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second."""

        def render(self, task: "Task") -> "Text":
            """Return the speed of *task*."""
            speed = task.finished_speed or task.speed
            return Text(f"{short(speed)} {task.fields['unit']}/s" if speed else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=_BARS_A_SECOND) as board:
        yield board
        for task in board.tasks:  # a run reports some of its minutes only
            if task.fields["unit"] == "candles":
                board.update(task.id, completed=task.total)


def sparing(say: Callable[[str], None], seconds: Callable[[], float]) -> Callable[[str], None]:
    """Return what passes on at most one text every few seconds: many requests wait for the same reason."""
    due = seconds()

    def say_now_and_then(text: str) -> None:
        nonlocal due
        if seconds() >= due:
            due = seconds() + _BETWEEN_LINES_S
            say(text)

    return say_now_and_then


def short(number: float) -> str:
    """Return *number* with three digits: `950`, `12.3k`, `1.25M`."""
    for unit in ("", "k", "M"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}G"


def clock_text(seconds: float) -> str:
    """Return *seconds* as `2:05`, or `1:02:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
