"""The rungs of a ladder: where the next one is bought, for how much, and where the target goes then."""

import math

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side


def rung_price(position: Position) -> float | None:
    """Return the price at which the next rung is bought, None where the ladder has no more.

    However small the step, it is beyond what was paid: a tick buys one rung.
    """
    ladder = position.plan.ladder
    if ladder is None or position.progress.is_ladder_over or len(position.entries) >= ladder.entries:
        return None
    if position.side is Side.LONG:
        lowest = position.price_lowest
        return min(lowest * (1 - ladder.step_pct / 100), math.nextafter(lowest, 0))
    highest = position.price_highest
    return max(highest * (1 + ladder.step_pct / 100), math.nextafter(highest, math.inf))


def rung_cost(position: Position) -> float:
    """Return the quote money of the next rung."""
    ladder = position.plan.ladder
    if ladder is None or ladder.cost is None:
        return position.entries[0].cost
    return float(ladder.cost)


def rung_target(position: Position) -> float | None:
    """Return where the target of *position* goes after a rung, None where it stays."""
    ladder = position.plan.ladder
    if ladder is None or ladder.take_profit_pct is None:
        return None
    return position.price_effective * (1 + position.side.sign * ladder.take_profit_pct / 100)
