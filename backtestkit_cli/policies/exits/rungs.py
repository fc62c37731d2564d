"""The rungs of a ladder: where the next one is bought, for how much, and where the target goes then."""

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side


def rung_price(position: Position) -> float | None:
    """Return the price at which the next rung is bought, None where the ladder has no more."""
    ladder = position.plan.ladder
    if ladder is None or position.progress.is_ladder_over or len(position.entries) >= ladder.entries:
        return None
    if position.side is Side.LONG:
        return position.price_lowest * (1 - ladder.step_pct / 100)
    return position.price_highest * (1 + ladder.step_pct / 100)


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
