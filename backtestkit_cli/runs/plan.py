"""What a run is to do, after every name has been resolved and before the first candle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from backtestkit_cli.api.specs import JobSpec, LogSink, RiskSpec, ServiceSpec, SizingSpec, StrategySpec
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.events.bus import Listener
from backtestkit_cli.ports import CandleSource

Unavailable: TypeAlias = DataError | VenueError
"""Why the candles of a symbol could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run: strategies × symbols on one source and one frame.

    `settings` are those in force for each strategy by name, `source_hashes` the SHA-256 of the file each
    came from, and `source_files` those of all its files by their path. `jobs` have their symbols, in the order of
    registration. `max_concurrent` bounds the sessions that are active at once, None for all. `problems`
    are symbols that are known to have no candles: their sessions fail without asking again. `sizings` are by strategy
    name.

    `risks` are the profiles that the signals of each strategy must pass, by its name, in the order they are asked.
    `groups` are symbols by the name of a group. `portfolio` is the one account, None where symbols do not influence
    each other. `coordination_facts` say all of this as plain values for the manifest and the run id.

    `log_sink` is the author's own logger, if there is one. `run_id` is that of the whole run where this is a share
    of it, else empty; `chart_interval` then is that of the whole run as well.
    """

    mode: str
    strategies: tuple[StrategySpec, ...]
    symbols: tuple[str, ...]
    exchange: str
    source: CandleSource
    source_facts: Mapping[str, Any]
    frame: str
    start_ms: int
    end_ms: int
    settings: Mapping[str, Settings]
    source_hashes: Mapping[str, str]
    source_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    jobs: tuple[JobSpec, ...] = ()
    services: Mapping[type, ServiceSpec] = field(default_factory=dict)
    max_concurrent: int | None = None
    problems: Mapping[str, Unavailable] = field(default_factory=dict)
    sizings: Mapping[str, SizingSpec] = field(default_factory=dict)
    risks: Mapping[str, tuple[RiskSpec, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    portfolio: Portfolio | None = None
    coordination_facts: Mapping[str, Any] = field(default_factory=dict)
    log_sink: LogSink | None = None
    run_id: str = ""
    chart_interval: str = ""


def handler_seconds_of(plan: RunPlan, strategy: str) -> float:
    """Return how long a handler of *strategy* may take; of what belongs to none, the longest of all."""
    if strategy in plan.settings:
        return plan.settings[strategy].max_handler_seconds
    return max(settings.max_handler_seconds for settings in plan.settings.values())


def shares_something(plan: RunPlan) -> tuple[str, ...]:
    """Return what the sessions of *plan* share besides candles; with nothing, each may run at another time."""
    shared = []
    if plan.jobs:
        shared.append(f"jobs ({', '.join(job.name for job in plan.jobs)})")
    if plan.services:
        shared.append(f"services ({', '.join(sorted(kind.__name__ for kind in plan.services))})")
    if plan.portfolio is not None:
        shared.append("a portfolio")
    if any(getattr(spec.sizing, "correlation", spec) is not None for spec in plan.sizings.values()):
        shared.append("sizings that look at other positions")
    if plan.risks:
        names = {profile.name: None for profiles in plan.risks.values() for profile in profiles}
        shared.append(f"risk profiles ({', '.join(names)})")
    return tuple(shared)


def may_begin_to_listen(plan: RunPlan) -> bool:
    """Say whether code of the author's runs during *plan*, and may subscribe to what another session does."""
    has_code = (spec.get_signal or spec.callbacks or spec.plugins or spec.validators for spec in plan.strategies)
    return bool(plan.jobs or plan.listeners or plan.services or any(has_code))
