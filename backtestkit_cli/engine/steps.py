"""What a policy does to a position at a tick, as pure decisions: the position after it, and what to tell."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Entry, Position
from backtestkit_cli.domain.settings import PartialBasis
from backtestkit_cli.engine.commands import added
from backtestkit_cli.engine.exits import BeginsToTrail, BuysRung, MovesToBreakeven, ReachesLevels, Step
from backtestkit_cli.events.facts import (
    CommandRefused,
    Event,
    LossLevelReached,
    MovedBy,
    PositionAveraged,
    ProfitLevelReached,
    StopMoved,
    TargetMoved,
)
from backtestkit_cli.policies.exits.following import breakeven_start, followed, is_tighter
from backtestkit_cli.policies.exits.partial_levels import levels_reached, reached_pct
from backtestkit_cli.policies.exits.rungs import rung_cost, rung_target


class Tick(NamedTuple):
    """When and where a step is taken, and `price(when)`."""

    at_ms: int
    strategy: str
    symbol: str
    price: float

    @property
    def stamp(self) -> tuple[int, str, str]:
        """Return what every event of the tick begins with."""
        return self.at_ms, self.strategy, self.symbol


MoneyProblem = Callable[[float], str | None]
"""Says why an entry of so much quote money more cannot be paid, or None."""


def taken(
    step: Step, position: Position, tick: Tick, costs: Costs, basis: PartialBasis, money_problem: MoneyProblem
) -> tuple[Position, list[Event]]:
    """Return *position* after *step*, and the events of it in their order."""
    match step:
        case ReachesLevels():
            return _levelled(position, tick, basis)
        case BuysRung():
            return _with_rung(position, tick, money_problem)
        case MovesToBreakeven():
            _, stop = breakeven_start(position, costs)
            if not is_tighter(position.side, stop, position.stop_loss):  # a trailing stop has passed it meanwhile
                return position, []
            progress = position.progress._replace(is_breakeven_done=True)
            after = position._replace(stop_loss=stop, progress=progress)
            return after, [StopMoved(*tick.stamp, tick.price, stop, MovedBy.BREAKEVEN, after)]
        case BeginsToTrail():
            begun = position._replace(progress=position.progress._replace(trailed_from_ms=tick.at_ms))
            after = followed(begun, tick.price)
            return after, [StopMoved(*tick.stamp, tick.price, after.stop_loss, MovedBy.TRAILING, after)]


def _levelled(position: Position, tick: Tick, basis: PartialBasis) -> tuple[Position, list[Event]]:
    profit, loss = levels_reached(position, basis, tick.price)
    progress = position.progress
    progress = progress._replace(
        profit_level=max([progress.profit_level, *profit]), loss_level=max([progress.loss_level, *loss])
    )
    after = position._replace(progress=progress)

    def events() -> Iterator[Event]:
        for kind, levels in ((ProfitLevelReached, profit), (LossLevelReached, loss)):
            if levels:
                percent = reached_pct(position, basis, tick.price, in_profit=kind is ProfitLevelReached)
                yield from (kind(*tick.stamp, tick.price, level, percent, after) for level in levels)

    return after, list(events())


def _with_rung(position: Position, tick: Tick, money_problem: MoneyProblem) -> tuple[Position, list[Event]]:
    """Buy the next rung; one that is refused is the ladder's last."""
    cost = rung_cost(position)
    bought = added(position, Entry(tick.at_ms, tick.price, cost))
    problem = bought if isinstance(bought, str) else money_problem(cost)
    if isinstance(bought, str) or problem is not None:
        over = position._replace(progress=position.progress._replace(is_ladder_over=True))
        return over, [CommandRefused(*tick.stamp, "ladder", tick.price, cost, problem or "")]
    events: list[Event] = [PositionAveraged(*tick.stamp, tick.price, cost, bought)]
    target = rung_target(bought)
    if target is None or bought.side.sign * (target - tick.price) <= 0:
        return bought, events
    after = bought._replace(take_profit=target)
    return after, [*events, TargetMoved(*tick.stamp, tick.price, target, MovedBy.LADDER, after)]
