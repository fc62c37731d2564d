"""The ambient context of a session, made of its plan and its desk."""

from backtestkit_cli.engine.ambient import Markets, SessionContext
from backtestkit_cli.engine.columns import Indicators
from backtestkit_cli.engine.command_desk import CommandDesk
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.events.bus import Bus


def context_of(plan: SessionPlan, desk: Desk, bus: Bus, markets: Markets) -> SessionContext:
    """Return what the author's code sees of the session of *plan*."""
    return SessionContext(
        run_id=plan.run_id,
        mode=plan.mode,
        strategy=plan.strategy.name,
        exchange=plan.exchange,
        frame=plan.frame,
        symbol=plan.symbol,
        bus=bus,
        markets=markets,
        indicators=Indicators(plan.strategy.indicators, desk.market),
        commands=CommandDesk(desk, desk.market, desk.columns, plan.settings),
    )
