"""Position commands as pure decisions: the position after the command, or the reason why not."""

import math
from typing import Any, assert_never

from backtestkit_cli.domain.money import Costs, breakeven_price
from backtestkit_cli.domain.numbers import cost_problem, is_positive
from backtestkit_cli.domain.position import Entry, Position, average_in, sell_part
from backtestkit_cli.domain.settings import AveragingPolicy
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.domain.wording import shown
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.policies.exits.following import is_tighter

NO_POSITION = "no position is open"
NOTHING_WAITS = "no signal is waiting"


def decide_average(
    position: Position, price: float, cost: object, at_ms: int, policy: AveragingPolicy
) -> Position | str:
    """Return *position* with a further entry, or why the policy or the numbers forbid it."""
    if problem := cost_problem("cost", cost):
        return problem
    sound: Any = cost
    limit = _averaging_limit(position, policy)
    is_long = position.side is Side.LONG
    if limit is not None and not (price < limit if is_long else price > limit):
        way, which = ("below", "lowest") if is_long else ("above", "highest")
        what = f"{which} entry" if policy is AveragingPolicy.BELOW_LOWEST else "effective price"
        return f"price {price!r} is not {way} the {what} {limit!r} ({policy})"
    return added(position, Entry(at_ms, price, float(sound)))


def added(position: Position, entry: Entry) -> Position | str:
    """Return *position* with *entry*, or why not: beside a sum too large or too small the other would not count."""
    after, quantity = average_in(position, entry), entry.cost / entry.price
    counts = after.cost_left not in (position.cost_left, entry.cost, math.inf)
    if not counts or after.quantity_left in (position.quantity_left, quantity, math.inf):
        return f"cost must be a sum that counts beside the {position.cost_left!r} already in, was {entry.cost!r}"
    return after


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
    if not is_positive(percent) or percent > 100:
        return f"percent must be above 0 and at most 100, was {shown(percent)}"
    after = sell_part(position, at_ms, price, float(percent), costs)
    if after.cost_left == position.cost_left:
        return f"percent must be a part that counts, was {shown(percent)}"
    return after


def decide_stop(position: Position, price: float, stop: object) -> Position | str:
    """Return *position* with its stop at *stop*, or why not: it may only be tightened, and not beyond the price."""
    if not is_positive(stop):
        return f"stop_loss must be a finite number above 0, was {shown(stop)}"
    stop = float(stop)
    tighter, beyond = ("above", "below") if position.side is Side.LONG else ("below", "above")
    if not is_tighter(position.side, stop, position.stop_loss):
        return f"stop_loss of a {position.side} may only go {tighter} {position.stop_loss!r}, was {stop!r}"
    if not is_tighter(position.side, price, stop):
        return f"stop_loss of a {position.side} must be {beyond} the price {price!r}, was {stop!r}"
    if not is_tighter(position.side, position.take_profit, stop):
        return f"stop_loss of a {position.side} must be {beyond} take_profit {position.take_profit!r}, was {stop!r}"
    return position._replace(stop_loss=stop)


def decide_target(position: Position, price: float, target: object) -> Position | str:
    """Return *position* with its target at *target*, or why not: it must be beyond the price."""
    if not is_positive(target):
        return f"take_profit must be a finite number above 0, was {shown(target)}"
    target = float(target)
    if not is_tighter(position.side, target, price):
        way = "above" if position.side is Side.LONG else "below"
        return f"take_profit of a {position.side} must be {way} the price {price!r}, was {target!r}"
    return position._replace(take_profit=target)


def decide_breakeven(position: Position, price: float, costs: Costs) -> Position | str:
    """Return *position* with its stop where the rest ends without loss, or why not: once the price is beyond that."""
    level = breakeven_price(position.side, position.price_effective, costs)
    if not is_tighter(position.side, price, level):
        way = "above" if position.side is Side.LONG else "below"
        return f"price {price!r} is not yet {way} the breakeven price {level!r}"
    return decide_stop(position, price, level)


def activation_problem(waiting: Waiting, price: float) -> str | None:
    """Return why *waiting* may not open at *price* now, or None: it would stand beyond its own stop or target."""
    signal: Signal = waiting.signal
    low, high = sorted((signal.stop_loss, signal.take_profit))
    if low < price < high:
        return None
    return f"price {price!r} is not between stop_loss {signal.stop_loss!r} and take_profit {signal.take_profit!r}"
