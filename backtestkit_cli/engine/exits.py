"""The next act of an open position, found with vector operations: how it ends, and what its policies do before.

Exits come first at a row; a policy acts only at a row where nothing ended the position. A stop that follows has
followed the price of the row before any other policy acts there; those act in the order of `Step`.
"""

from typing import NamedTuple, TypeAlias

import numpy as np

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.settings import PartialBasis
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.engine.market import Market
from backtestkit_cli.policies.exits.following import breakeven_start, is_tighter, trail_factor, trailing_start
from backtestkit_cli.policies.exits.partial_levels import is_out_of_reach, next_band
from backtestkit_cli.policies.exits.rungs import rung_price
from backtestkit_cli.policies.fills.model import FillModel, Touch
from backtestkit_cli.policies.fills.search import first_beyond, first_outside

_FIRST_CHUNK = 256
_GROWTH = 4


class ReachesLevels(NamedTuple):
    """The price of a tick reaches a partial level for the first time, or several."""

    row: int


class BuysRung(NamedTuple):
    """The ladder buys its next rung."""

    row: int


class MovesToBreakeven(NamedTuple):
    """The stop moves to where nothing is lost."""

    row: int


class BeginsToTrail(NamedTuple):
    """The stop begins to follow the best price; from then on it does so silently."""

    row: int


Step: TypeAlias = ReachesLevels | BuysRung | MovesToBreakeven | BeginsToTrail
"""What a policy does to a position that stays open."""


class Rules(NamedTuple):
    """What a position of one session is judged by."""

    market: Market
    model: FillModel
    costs: Costs
    basis: PartialBasis
    last_row: int


def next_exit(rules: Rules, position: Position, start: int, stop: int) -> Touch | None:
    """Return the first row of `[start, stop)` where *position* ends: by a level, its time or the frame's end.

    The trailing stop of *position* must be settled up to the row before *start*.
    """
    market, model = rules.market, rules.model
    expiry = levels_until = stop
    minutes = position.plan.minutes
    if minutes is not None:
        expiry = max(market.row_from(position.opened_at_ms + minutes * MINUTE_MS), start)
        levels_until = min(stop, expiry if model.time_first else expiry + 1)
    if position.progress.trailed_from_ms is None:
        touch = model.first_exit(market, position.side, position.take_profit, position.stop_loss, start, levels_until)
    else:
        touch = _next_trailed_exit(rules, position, start, levels_until)
    if touch is not None:
        return touch
    if expiry < stop:
        return Touch(expiry, CloseReason.TIME_EXPIRED, model.prices(market).item(expiry))
    if rules.last_row < stop:
        return Touch(rules.last_row, CloseReason.FRAME_END, model.prices(market).item(rules.last_row))
    return None


def _next_trailed_exit(rules: Rules, position: Position, start: int, stop: int) -> Touch | None:
    """Return the first fill of the target or of a stop that follows the best price of the rows before each row."""
    market, model, side = rules.market, rules.model, position.side
    is_long, factor = side is Side.LONG, trail_factor(position)
    (low, high), prices = model.reach(market), model.prices(market)
    best, chunk = position.progress.trailed_best, _FIRST_CHUNK
    furthest, tightest = (np.maximum, np.maximum) if is_long else (np.minimum, np.minimum)
    while start < stop:
        end = min(stop, start + chunk)
        seen: Floats = np.empty(end - start)
        seen[0], seen[1:] = best, prices[start : end - 1]
        furthest.accumulate(seen, out=seen)
        stops = tightest(seen * factor, position.stop_loss)
        if is_long:
            ends = (low[start:end] <= stops) | (high[start:end] >= position.take_profit)
        else:
            ends = (high[start:end] >= stops) | (low[start:end] <= position.take_profit)
        found = ends.tobytes().find(1)
        if found >= 0:
            row = start + found
            return model.first_exit(market, side, position.take_profit, stops.item(found), row, row + 1)
        best = furthest(seen[-1], prices[end - 1])
        start, chunk = end, chunk * _GROWTH
    return None


def next_step(rules: Rules, position: Position, start: int, stop: int) -> Step | None:
    """Return the first row of `[start, stop)` where a policy of *position* does something; earlier kinds win a tie."""
    found: Step | None = None
    if not is_out_of_reach(position, rules.basis):
        row = _next_levels(rules, position, start, stop)
        if row is not None:
            found, stop = ReachesLevels(row), row
    if position.plan.has_policies:
        return _next_policy(rules, position, start, stop) or found
    return found


def _next_levels(rules: Rules, position: Position, start: int, stop: int) -> int | None:
    loss, profit = next_band(position, rules.basis)
    if loss is None and profit is None:
        return None
    prices = rules.model.prices(rules.market)
    floor, ceiling = (loss, profit) if position.side is Side.LONG else (profit, loss)
    floor, ceiling = -np.inf if floor is None else floor, np.inf if ceiling is None else ceiling
    return first_outside(prices, prices, floor, ceiling, start, stop)


def _next_policy(rules: Rules, position: Position, start: int, stop: int) -> Step | None:
    """Return the first rung, move to breakeven or begin of trailing; of two at one row the earlier named."""
    prices, is_long = rules.model.prices(rules.market), position.side is Side.LONG
    plan, progress = position.plan, position.progress
    found: Step | None = None
    rung = rung_price(position)
    if rung is not None:
        row = first_beyond(prices, rung, start, stop, rising=not is_long)
        if row is not None:
            found, stop = BuysRung(row), row
    if plan.breakeven_at_pct is not None and not progress.is_breakeven_done:
        from_price, level = breakeven_start(position, rules.costs)
        if is_tighter(position.side, level, position.stop_loss):
            row = first_beyond(prices, from_price, start, stop, rising=is_long)
            if row is not None:
                found, stop = MovesToBreakeven(row), row
    if plan.trailing_stop_pct is not None and progress.trailed_from_ms is None:
        row = first_beyond(prices, trailing_start(position), start, stop, rising=is_long)
        if row is not None:
            found = BeginsToTrail(row)
    return found
