"""Writes the reports of a run that goes on, beside its trading."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.errors import BacktestKitError
from backtestkit_cli.reports.markdown.kinds import report
from backtestkit_cli.reports.saved.event_log import EventLog
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saving import save_run
from backtestkit_cli.runs.sources import now_ms


def save_replay(outcome: RunOutcome, out: Path, told: Mapping[str, Any]) -> None:
    """Write everything that a replay leaves, below *out*; *told* is what the manifest says besides.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    finished = to_datetime(now_ms()).isoformat(timespec="milliseconds")
    record = record_of(outcome, {**told, "finished_at": finished, "exit_code": outcome.exit_code})
    for _ in save_run(record, out):
        pass


class Reporter:
    """Writes in a thread, one report at a time; what is asked for meanwhile is written once, after it.

    `on_trouble` is told why something cannot be written, once for each reason: trading goes on without.
    """

    def __init__(
        self,
        out: Path,
        told: Mapping[str, Any],
        so_far: Callable[[], tuple[RunOutcome, EventLog]],
        on_trouble: Callable[[str], None],
    ) -> None:
        """Write what *so_far* returns below *out*; *told* is what the manifest says besides."""
        self._out = out
        self._told = told
        self._so_far = so_far
        self._on_trouble = on_trouble
        self._is_wanted = False
        self._writing: asyncio.Task[None] | None = None
        self._trouble = ""

    def ask(self) -> None:
        """Ask for the reports as of now, once what is under way has ended."""
        self._is_wanted = True
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            outcome, events = self._so_far()
            try:
                await asyncio.to_thread(self._write_running, outcome, events)
                self._trouble = ""
            except BacktestKitError as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    self._on_trouble(f"no report was written: {error}")

    def _write_running(self, outcome: RunOutcome, events: EventLog) -> None:
        """Write the report that is looked at while the run goes on, and its folder, for who kills it."""
        record = self._record(outcome, events)
        for strategy in sorted(record.facts.settings):
            report.live.write(record, strategy, self._out)
        write_run(record, self._out)

    async def finish(self, outcome: RunOutcome, events: EventLog) -> None:
        """Write everything that *outcome* leaves.

        Raises:
            OutputError: a file could not be written; the message names it and says why.
        """
        self._is_wanted = False
        if self._writing is not None:
            await self._writing
        await asyncio.to_thread(lambda: [*save_run(self._record(outcome, events), self._out)])

    def _record(self, outcome: RunOutcome, events: EventLog) -> RunRecord:
        finished = to_datetime(outcome.facts.end_ms).isoformat(timespec="milliseconds")
        extra = {**self._told, "finished_at": finished, "exit_code": outcome.exit_code}
        return replace(record_of(outcome, extra), events=events)
