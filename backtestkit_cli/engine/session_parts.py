"""What a session is made of: its desk, who publishes for it, and what the author's code sees of it."""

from backtestkit_cli.engine.ambient import Markets, SessionContext
from backtestkit_cli.engine.columns import Indicators
from backtestkit_cli.engine.command_desk import CommandDesk
from backtestkit_cli.engine.desk import Desk, DeskPlan
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.session_plan import SessionPlan, gate_of
from backtestkit_cli.events.bus import Bus


def desk_of(plan: SessionPlan, market: Market, markets: Markets, *, is_settled: bool) -> Desk:
    """Return the desk of the session of *plan*; a venue settles what it decides where it *is_settled*."""
    desk_plan = DeskPlan(
        strategy=plan.strategy.name,
        symbol=plan.symbol,
        settings=plan.settings,
        last_row=market.last_row(plan.end_ms),
        sees_ahead=plan.sees_ahead,
        is_settled=is_settled,
    )
    return Desk(desk_plan, market, gate_of(plan, markets))


def publisher_of(plan: SessionPlan, bus: Bus) -> Publisher:
    """Return who publishes for the session of *plan* on *bus*."""
    names = {"strategy": plan.strategy.name, "symbol": plan.symbol, "mode": plan.mode}
    publisher = Publisher(bus, plan.timings, **names, handler_seconds=plan.settings.max_handler_seconds)
    publisher.keeps_record = plan.keeps_record
    return publisher


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
