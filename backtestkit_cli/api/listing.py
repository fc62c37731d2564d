"""What has been registered so far, by kind."""

from backtestkit_cli.api.registry import registry
from backtestkit_cli.api.specs import ExchangeSpec, FrameSpec, JobSpec, RiskSpec, SizingSpec, StrategySpec


def list_strategies() -> tuple[StrategySpec, ...]:
    """Return the strategies, in the order of their registration."""
    return tuple(registry().strategies.values())


def list_exchanges() -> tuple[ExchangeSpec, ...]:
    """Return the exchanges, in the order of their registration; those of configs and venues are not among them."""
    return tuple(registry().exchanges.values())


def list_frames() -> tuple[FrameSpec, ...]:
    """Return the frames, in the order of their registration."""
    return tuple(registry().frames.values())


def list_risks() -> tuple[RiskSpec, ...]:
    """Return the risk profiles, in the order of their registration."""
    return tuple(registry().risks.values())


def list_sizings() -> tuple[SizingSpec, ...]:
    """Return the sizings, in the order of their registration."""
    return tuple(registry().sizings.values())


def list_jobs() -> tuple[JobSpec, ...]:
    """Return the jobs, in the order of their registration."""
    return tuple(registry().jobs.values())
