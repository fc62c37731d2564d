"""Position commands as pure decisions: the position after the command, or the reason why not."""

import math
from typing import assert_never

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Entry, Position, average_in, sell_part
from backtestkit_cli.domain.settings import AveragingPolicy
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.lifecycle import Waiting

NO_POSITION = "no position is open"
NOTHING_WAITS = "no signal is waiting"


def decide_average(
    position: Position, price: float, cost: object, at_ms: int, policy: AveragingPolicy
) -> Position | str:
    """Return *position* with a further entry, or why the policy or the numbers forbid it."""
    if not isinstance(cost, int | float) or isinstance(cost, bool) or not 0 < cost < math.inf:
        return f"cost must be a finite number above 0, was {cost!r}"
    limit = _averaging_limit(position, policy)
    is_long = position.side is Side.LONG
    if limit is not None and not (price < limit if is_long else price > limit):
        way, which = ("below", "lowest") if is_long else ("above", "highest")
        what = f"{which} entry" if policy is AveragingPolicy.BELOW_LOWEST else "effective price"
        return f"price {price!r} is not {way} the {what} {limit!r} ({policy})"
    return average_in(position, Entry(at_ms, price, float(cost)))


def _averaging_limit(position: Position, policy: AveragingPolicy) -> float | None:
    match policy:
        case AveragingPolicy.ANY:
            return None
        case AveragingPolicy.BELOW_EFFECTIVE:
            return position.price_effective
        case AveragingPolicy.BELOW_LOWEST:
            return position.price_lowest if position.side is Side.LONG else position.price_highest
        case _:
            assert_never(policy)


def decide_partial(position: Position, price: float, percent: object, at_ms: int, costs: Costs) -> Position | str:
    """Return *position* after *percent* of what is left was sold, or why not; 100 is a close and not decided here."""
    if not isinstance(percent, int | float) or isinstance(percent, bool) or not 0 < percent <= 100:
        return f"percent must be above 0 and at most 100, was {percent!r}"
    return sell_part(position, at_ms, price, float(percent), costs)


def activation_problem(waiting: Waiting, price: float) -> str | None:
    """Return why *waiting* may not open at *price* now, or None: it would stand beyond its own stop or target."""
    signal: Signal = waiting.signal
    low, high = sorted((signal.stop_loss, signal.take_profit))
    if low < price < high:
        return None
    return f"price {price!r} is not between stop_loss {signal.stop_loss!r} and take_profit {signal.take_profit!r}"
