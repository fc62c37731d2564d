"""Partial levels: 10, 20 … 100 % of the way, in profit and in loss, each once a signal."""

from backtestkit_cli.domain.position import NO_PROGRESS, Position
from backtestkit_cli.domain.settings import PartialBasis
from backtestkit_cli.domain.signal import Side

STEP, HIGHEST = 10, 100


def level_price(position: Position, basis: PartialBasis, level: int, *, in_profit: bool) -> float:
    """Return the price at which *level* percent is reached, from the effective price of the position.

    On the basis `revenue` it is the move of the price in percent of the effective price, on `progress` in
    percent of the way to the first target (in profit) or the first stop (in loss).
    """
    effective = position.price_effective
    if basis is PartialBasis.PROGRESS:
        end = position.plan.take_profit if in_profit else position.plan.stop_loss
        return effective + (end - effective) * level / 100
    sign = position.side.sign if in_profit else -position.side.sign
    return effective + sign * effective * level / 100


def reached_pct(position: Position, basis: PartialBasis, price: float, *, in_profit: bool) -> float:
    """Return how far *price* stands, in percent: the inverse of `level_price`."""
    start = position.price_effective
    whole = level_price(position, basis, HIGHEST, in_profit=in_profit) - start
    return (price - start) / whole * 100 if whole else 100.0


def next_band(position: Position, basis: PartialBasis) -> tuple[float | None, float | None]:
    """Return the prices of the next level in loss and in profit; None where no price between stop and target has it."""
    progress, is_long = position.progress, position.side is Side.LONG
    loss: float | None = None
    profit: float | None = None
    if progress.loss_level < HIGHEST:
        price = level_price(position, basis, progress.loss_level + STEP, in_profit=False)
        if price > position.stop_loss if is_long else price < position.stop_loss:
            loss = price
    if progress.profit_level < HIGHEST:
        price = level_price(position, basis, progress.profit_level + STEP, in_profit=True)
        if price < position.take_profit if is_long else price > position.take_profit:
            profit = price
    return loss, profit


def is_out_of_reach(position: Position, basis: PartialBasis) -> bool:
    """Say at once that no level lies between stop and target, as with most; `next_band` says where it does."""
    if basis is PartialBasis.PROGRESS or position.progress is not NO_PROGRESS:
        return False
    effective = position.price_effective
    tenth = effective * STEP / 100
    return abs(position.take_profit - effective) <= tenth and abs(position.stop_loss - effective) <= tenth


def levels_reached(position: Position, basis: PartialBasis, price: float) -> tuple[list[int], list[int]]:
    """Return the levels in profit and those in loss that *price* reaches for the first time, skipped ones included."""
    progress, sign = position.progress, position.side.sign
    profit = [
        level
        for level in range(progress.profit_level + STEP, HIGHEST + 1, STEP)
        if sign * price >= sign * level_price(position, basis, level, in_profit=True)
    ]
    loss = [
        level
        for level in range(progress.loss_level + STEP, HIGHEST + 1, STEP)
        if sign * price <= sign * level_price(position, basis, level, in_profit=False)
    ]
    return profit, loss
