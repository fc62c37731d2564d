"""Jobs on the run's clock: each is called at its boundaries, before any session gets there."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from backtestkit_cli.analytics.timings import JOB, TimingRecorder
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import JobSpec
from backtestkit_cli.domain.boundaries import cron_boundaries, interval_boundaries
from backtestkit_cli.domain.job import JobCall
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.engine.failures import as_told, is_from_outside
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.engine.time_limits import called
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


class JobRunner:
    """Calls the jobs of a run; `events` is the record of it.

    Its `run` is the first sleeper of the run's clock: who sleeps until the same instant goes on after it.
    """

    def __init__(
        self,
        plan: JobsPlan,
        markets: Markets,
        bus: Bus,
        timings: TimingRecorder,
        publisher_of: Callable[[str], Publisher],
    ) -> None:
        """Prepare the calls, of which *publisher_of* a symbol tells; the author's code runs only in `run`."""
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
        while (at_ms := min(timetable.next_ms for timetable in timetables)) < self._plan.end_ms:
            while clock.now_ms < at_ms:
                await clock.sleep_until(at_ms)
            for timetable in timetables:
                if timetable.next_ms == at_ms:
                    timetable.step()
                    for symbol in timetable.symbols:
                        await self._call(timetable.spec, JobCall(timetable.spec.name, at_ms, symbol), timetable.next_ms)

    async def _call(self, spec: JobSpec, call: JobCall, next_ms: int) -> None:
        """Call the job once and publish how that went."""
        interval_s, most_s = (next_ms - call.at_ms) / _MS_PER_SECOND, self._plan.max_job_seconds
        limit_s = min(interval_s, most_s)
        ambient.set(self._context(call))
        publisher = self._publisher(call.symbol)
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
        if spec.every is not None:
            self._boundaries = interval_boundaries(spec.every, start_ms)
        else:
            assert spec.cron is not None  # noqa: S101 - registration sees to it
            self._boundaries = cron_boundaries(spec.cron, start_ms)
        self.next_ms = next(self._boundaries, _NEVER_MS)

    def step(self) -> None:
        """Go on to the next boundary."""
        self.next_ms = next(self._boundaries, _NEVER_MS)
