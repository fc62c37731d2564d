"""The jobs of a run: which there are, what tells them apart from others, and their place on its clock."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from backtestkit_cli.api.registry import Registry
from backtestkit_cli.api.specs import ALL_SYMBOLS, JobSpec
from backtestkit_cli.engine.clock import SessionBody
from backtestkit_cli.engine.jobs import CalledJobs, JobRunner, JobsPlan
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan


def jobs_of(registry: Registry, symbols: Iterable[str]) -> tuple[JobSpec, ...]:
    """Return the jobs of *registry* for a run over *symbols*."""
    listed = tuple(sorted(set(symbols)))
    return tuple(replace(job, symbols=listed) if job.symbols == ALL_SYMBOLS else job for job in registry.jobs.values())


def job_facts(job: JobSpec) -> dict[str, Any]:
    """Return what *job* is, for the id of the run and its manifest; its code is in the hash of the strategy file."""
    return {"name": job.name, "every": job.every, "cron": job.cron, "symbols": job.symbols}


def job_runner(
    plan: RunPlan, run_id: str, book: MarketBook, life: RunLife, called: CalledJobs | None = None
) -> JobRunner:
    """Return what calls the jobs of *plan* during *life*; *called* says which boundaries are done already."""
    jobs = JobsPlan(
        run_id=run_id,
        mode=plan.mode,
        exchange=plan.exchange,
        frame=plan.frame,
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        max_job_seconds=next(iter(plan.settings.values())).max_job_seconds,  # a setting of the whole run
        jobs=plan.jobs,
    )
    return JobRunner(jobs, book, life.bus, life.timings, lambda symbol: life.publisher(symbol=symbol), called)


def jobs_first(runner: JobRunner, sessions: Sequence[SessionBody], start_ms: int) -> list[SessionBody]:
    """Return the sleepers of a clock such that at each instant, *start_ms* included, jobs come before *sessions*."""
    return [runner.run, *(_from_start(start_ms, session) for session in sessions)]


def _from_start(start_ms: int, session: SessionBody) -> SessionBody:
    """Return *session* that begins at *start_ms*, and not as soon as there is a clock."""

    async def begin(clock: Clock) -> None:
        await clock.sleep_until(start_ms)
        await session(clock)

    return begin
