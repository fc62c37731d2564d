"""What one session runs, and the gate that it makes."""

from dataclasses import dataclass, field

from backtestkit_cli.analytics.timings import TimingRecorder
from backtestkit_cli.api.specs import RiskSpec, SizingSpec, StrategySpec
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.engine.clock import new_timings
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.gate import SessionGate


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What one session runs; `sees_ahead` allows it to sleep until something happens, see `DeskPlan`.

    `runs_ahead` says that nothing in the run can begin to listen, so that a batch session nobody hears need not wait
    for the clock. `shared` is what it shares with the other sessions of the run, None where they share nothing.
    `timings` are told how long its work takes. Without `keeps_record` its events are in the record of the bus alone.
    """

    run_id: str
    mode: str
    exchange: str
    frame: str
    symbol: str
    strategy: StrategySpec
    settings: Settings
    start_ms: int
    end_ms: int
    sees_ahead: bool = True
    runs_ahead: bool = False
    keeps_record: bool = True
    shared: Coordination | None = None
    profiles: tuple[RiskSpec, ...] = ()
    sizing: SizingSpec | None = None
    timings: TimingRecorder = field(default_factory=new_timings)


def gate_of(plan: SessionPlan, markets: Markets) -> SessionGate | None:
    """Return where the session of *plan* asks for leave to open, None where it needs none."""
    if plan.shared is None:
        return None
    return SessionGate(
        plan.shared,
        strategy=plan.strategy.name,
        symbol=plan.symbol,
        settings=plan.settings,
        profiles=plan.profiles,
        sizing=plan.sizing,
        markets=markets,
    )
