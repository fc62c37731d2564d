"""Stops that follow: at a distance from the best price, or once to where nothing is lost."""

import math

from backtestkit_cli.domain.money import Costs, breakeven_price
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side


def is_tighter(side: Side, stop: float, than: float) -> bool:
    """Say whether *stop* keeps more than the stop *than*."""
    return stop > than if side is Side.LONG else stop < than


def trail_factor(position: Position) -> float:
    """Return what the best price is multiplied with to give the trailing stop."""
    assert position.plan.trailing_stop_pct is not None  # noqa: S101 - asked of a position that trails
    return 1 - position.side.sign * position.plan.trailing_stop_pct / 100


def trailing_start(position: Position) -> float:
    """Return the price at which the stop begins to follow: activated, and tighter than the stop in force."""
    sign, effective = position.side.sign, position.price_effective
    tightens = math.nextafter(position.stop_loss / trail_factor(position), sign * math.inf)
    activation = position.plan.trailing_activation_pct
    if activation is None:
        return tightens
    activates = effective + sign * effective * activation / 100
    return max(tightens, activates) if sign > 0 else min(tightens, activates)


def breakeven_start(position: Position, costs: Costs) -> tuple[float, float]:
    """Return the price from which the stop moves to breakeven, and where to; beyond both, as costs may exceed it."""
    assert position.plan.breakeven_at_pct is not None  # noqa: S101 - asked of a position that has the policy
    sign, effective = position.side.sign, position.price_effective
    from_price = effective + sign * effective * position.plan.breakeven_at_pct / 100
    level = breakeven_price(position.side, effective, costs)
    beyond = math.nextafter(level, sign * math.inf)
    return (max(from_price, beyond) if sign > 0 else min(from_price, beyond)), level


def followed(position: Position, best: float) -> Position:
    """Return *position* with its trailing stop behind *best*, the best price since it follows."""
    stop = best * trail_factor(position)
    progress = position.progress._replace(trailed_best=best)
    if is_tighter(position.side, stop, position.stop_loss):
        return position._replace(stop_loss=stop, progress=progress)
    return position._replace(progress=progress)
