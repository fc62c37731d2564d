"""Who publishes what is of no session under way: of the whole run, of its jobs, or of a session that never was."""

from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.runs.plan import RunPlan, handler_seconds_of


def publisher_for(plan: RunPlan, bus: Bus, *, strategy: str = "", symbol: str = "") -> Publisher:
    """Return a publisher of the run of *plan*; without *strategy* or *symbol* what it tells belongs to none."""
    seconds = handler_seconds_of(plan, strategy)
    return Publisher(bus, strategy=strategy, symbol=symbol, mode=plan.mode, handler_seconds=seconds)
