"""Jobs on the run's clock: each is called at its boundaries, before any session gets there."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from backtestkit_cli.analytics.timings import JOB, TimingRecorder
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import JobSpec
from backtestkit_cli.domain.boundaries import cron_boundaries, interval_boundaries, newest_boundary
from backtestkit_cli.domain.job import JobCall
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.engine.failures import as_told, is_from_outside
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.engine.time_limits import called
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event, JobRan
from backtestkit_cli.ports import Clock

_NEVER_MS = sys.maxsize
_MS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPlan:
    """The jobs of one run, in the order of registration, and the frame `[start_ms, end_ms)` they are called in."""

    run_id: str
    mode: str
    exchange: str
    frame: str
    start_ms: int
    end_ms: int
    max_job_seconds: float
    jobs: tuple[JobSpec, ...]


class CalledJobs(Protocol):
    """Which boundaries of jobs are done, over restarts of the process."""

    def newest_ms(self, job: str, symbol: str) -> int | None:
        """Return the newest boundary at which *job* was called for *symbol*, None where it never was."""
        ...

    async def begins(self, call: JobCall) -> None:
        """Keep that the boundary of *call* is done.

        Raises:
            StoreError: it could not be kept.
        """
        ...


class JobRunner:
    """Calls the jobs of a run; `events` is the record of it.

    Its `run` is the first sleeper of the run's clock: who sleeps until the same instant goes on after it.

    With `called` a boundary is kept as done before the job is called, so that no restart calls it twice: where the
    process dies during the call, or just before it, that boundary is over. Of the boundaries that were missed while
    no process was there, the newest is called once, at the start; a job that was never called has missed none.
    """

    def __init__(
        self,
        plan: JobsPlan,
        markets: Markets,
        bus: Bus,
        timings: TimingRecorder,
        publisher_of: Callable[[str], Publisher],
        called: CalledJobs | None = None,
    ) -> None:
        """Prepare the calls, of which *publisher_of* a symbol tells; the author's code runs only in `run`."""
        self._called = called
        self._plan = plan
        self._markets = markets
        self._bus = bus
        self._meter = timings.meter(JOB)
        self._publisher_of = publisher_of
        self._publishers: dict[str, Publisher] = {}
        self.events: list[Event] = []

    async def run(self, clock: Clock) -> None:
        """Live through the frame on *clock*; a job that fails is recorded and called again at its next boundary."""
        timetables = [_Timetable(spec, self._plan.start_ms) for spec in self._plan.jobs]
        await self._call_missed(timetables)
        while (at_ms := min(timetable.next_ms for timetable in timetables)) < self._plan.end_ms:
            while clock.now_ms < at_ms:
                await clock.sleep_until(at_ms)
            for timetable in timetables:
                if timetable.next_ms == at_ms:
                    timetable.step()
                    for symbol in timetable.symbols:
                        await self._call(timetable.spec, JobCall(timetable.spec.name, at_ms, symbol), timetable.next_ms)

    async def _call_missed(self, timetables: list["_Timetable"]) -> None:
        """Call each job once whose newest boundary before the start was missed."""
        for timetable in timetables:
            for symbol in timetable.symbols:
                name = timetable.spec.name
                done_ms = None if self._called is None else self._called.newest_ms(name, symbol)
                missed_ms = None if done_ms is None else timetable.newest_ms(done_ms)
                if missed_ms is not None:
                    await self._call(timetable.spec, JobCall(name, missed_ms, symbol), timetable.next_ms)

    async def _call(self, spec: JobSpec, call: JobCall, next_ms: int) -> None:
        """Call the job once and publish how that went."""
        interval_s, most_s = (next_ms - call.at_ms) / _MS_PER_SECOND, self._plan.max_job_seconds
        limit_s = min(interval_s, most_s)
        ambient.set(self._context(call))
        publisher = self._publisher(call.symbol)
        try:
            if self._called is not None:
                await self._called.begins(call)
        except StoreError as error:  # whether it may be called twice is not ours to decide
            await publisher.publish(publisher.failure(call.at_ms, f"job {spec.name}", error))
            return
        try:
            with self._meter.timing():
                await called(partial(spec.handler, call), limit_s)
        except BaseException as error:
            if is_from_outside(error):
                raise
            told = as_told(error, "its interval" if interval_s <= most_s else "max_job_seconds", limit_s)
            await publisher.publish(publisher.failure(call.at_ms, f"job {spec.name}", told))
        else:
            await publisher.publish(JobRan(call.at_ms, "", call.symbol, spec.name))

    def _publisher(self, symbol: str) -> Publisher:
        """Return who publishes for *symbol*; all of them write one record."""
        found = self._publishers.get(symbol)
        if found is None:
            found = self._publishers[symbol] = self._publisher_of(symbol)
            found.record = self.events
        return found

    def _context(self, call: JobCall) -> RunContext:
        plan = self._plan
        return RunContext(
            run_id=plan.run_id,
            mode=plan.mode,
            exchange=plan.exchange,
            frame=plan.frame,
            symbol=call.symbol,
            when_ms=call.at_ms,
            bus=self._bus,
            markets=self._markets,
        )


class _Timetable:
    """The boundaries of one job, one after the other, from *start_ms* on."""

    def __init__(self, spec: JobSpec, start_ms: int) -> None:
        self.spec = spec
        self.symbols = ("",) if spec.symbols is None else tuple(sorted(spec.symbols))
        self._start_ms = start_ms
        self._boundaries = self._from(start_ms)
        self.next_ms = next(self._boundaries, _NEVER_MS)

    def _from(self, from_ms: int) -> Iterator[int]:
        if self.spec.every is not None:
            return interval_boundaries(self.spec.every, from_ms)
        assert self.spec.cron is not None  # noqa: S101 - registration sees to it
        return cron_boundaries(self.spec.cron, from_ms)

    def newest_ms(self, after_ms: int) -> int | None:
        """Return the newest boundary after *after_ms* and before the start, None for none."""
        return newest_boundary(self._from, after_ms, self._start_ms)

    def step(self) -> None:
        """Go on to the next boundary."""
        self.next_ms = next(self._boundaries, _NEVER_MS)
