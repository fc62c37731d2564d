"""How far a run is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backtestkit_cli.cli import console

if TYPE_CHECKING:
    from rich.progress import Task
    from rich.text import Text

    from backtestkit_cli.runs.backtest import Progress

_FIRST_LINE_S = 2.0
_BETWEEN_LINES_S = 5.0
_BARS_A_SECOND = 5


@contextmanager
def shown_progress(label: str, *, quiet: bool) -> "Iterator[Callable[[Progress], None] | None]":
    """Yield what a run reports its progress to, or None where nobody wants to see it."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(label) as report:
            yield report
    else:
        yield Lines(label, time.monotonic)


class Lines:
    """Prints a line at most every few seconds, and none for a short run."""

    def __init__(self, label: str, seconds: Callable[[], float]) -> None:
        """Begin to measure; *seconds* is a clock."""
        self._label = label
        self._seconds = seconds
        self._begin = seconds()
        self._next = self._begin + _FIRST_LINE_S

    def __call__(self, progress: "Progress") -> None:
        """Print how far the run is, how fast it goes and what is left."""
        now = self._seconds()
        if now < self._next or progress.done >= progress.total:
            return
        self._next = now + _BETWEEN_LINES_S
        rate = progress.done / (now - self._begin)
        left = f", {_clock((progress.total - progress.done) / rate)} left" if rate else ""
        share = 100 * progress.done / progress.total
        console.say(f"{self._label}: {share:.0f} % of {_short(progress.total)} candles, {_short(rate)}/s{left}")


@contextmanager
def _bar(label: str) -> "Iterator[Callable[[Progress], None]]":
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        """Candles a second."""

        def render(self, task: "Task") -> "Text":
            """Return the speed of *task*."""
            speed = task.finished_speed or task.speed
            return Text(f"{_short(speed)} candles/s" if speed else "reading candles")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bar(*columns, console=Console(stderr=True), refresh_per_second=_BARS_A_SECOND) as bar:
        task = bar.add_task(label, total=None)
        yield lambda progress: bar.update(task, completed=progress.done, total=progress.total)
        bar.update(task, completed=bar.tasks[task].total)


def _short(number: float) -> str:
    """Return *number* with three digits: `950`, `12.3k`, `1.25M`."""
    for unit in ("", "k", "M"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}G"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
