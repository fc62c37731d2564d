"""How far each trade stood in the red and in the black between its opening and its close (MAE and MFE).

The net result is looked at in percent of the money finally put in, as if all that is left were sold, fees and
slippage paid, with the fills up to then: at the low and at the high of every 1-minute candle that opened at or
after the opening and closed before the candle of the exit did, at the price of each fill right after it, and
at the close itself. So the worst (MAE) is never above the result of the trade, and the best (MFE) never below.
The candle of the exit is left out, for nobody knows what of it came before the exit.
Source: Sweeney (1997), Maximum Adverse Excursion.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from backtestkit_cli.analytics.equity import ledger_of
from backtestkit_cli.analytics.outcome import TradePath
from backtestkit_cli.analytics.trade_columns import Flags, Times
from backtestkit_cli.domain.account import net_lines
from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import NOTHING, Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import CloseReason

_AT_A_LEVEL = frozenset({CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT})


class _Segment(NamedTuple):
    """The time `[start_ms, end_ms)` from a fill at `price` to the next, and what the position was then."""

    start_ms: int
    end_ms: int
    price: float
    sign: float
    realised_net: float
    cost_left: float
    price_effective: float


def trade_paths(
    trades: Sequence[Trade], candles: Candles, costs: Costs, *, is_touch_model: bool
) -> tuple[TradePath, ...]:
    """Return the path of each of *trades*, which belong to one session, in their order.

    Args:
        trades: Closed trades.
        candles: The 1-minute candles of the session, oldest first; one that is missing is not looked at.
        costs: What trading cost.
        is_touch_model: Whether an exit fills where a candle touches its level, as in the fill model `candle`: only
            then can a candle leave open which of two levels came first.
    """
    if not trades:
        return ()
    segments: list[_Segment] = []
    firsts: list[int] = []
    for trade in trades:
        firsts.append(len(segments))
        segments += _segments(trade, costs)
    start_ms, end_ms, price, sign, net, left, effective = (np.array(column) for column in zip(*segments, strict=True))
    starts, ends = np.searchsorted(candles.timestamp, start_ms), np.searchsorted(candles.timestamp, end_ms)
    with np.errstate(over="ignore", invalid="ignore"):
        fixed, per_price = net_lines(sign, net, left, effective, costs)
        at_low = fixed + per_price * _extreme(np.minimum, candles.low, starts, ends, price)
        at_high = fixed + per_price * _extreme(np.maximum, candles.high, starts, ends, price)
        scale = 100 / np.array([trade.invested for trade in trades])
        worst = np.minimum.reduceat(np.minimum(at_low, at_high), firsts) * scale
        best = np.maximum.reduceat(np.maximum(at_low, at_high), firsts) * scale
    final = np.array([trade.pnl_pct for trade in trades])
    doubts = _is_ambiguous(trades, candles) if is_touch_model else np.zeros(len(trades), np.bool_)
    columns = np.minimum(worst, final).tolist(), np.maximum(best, final).tolist(), doubts.tolist()
    return tuple(map(TradePath._make, zip(*columns, strict=True)))


def _segments(trade: Trade, costs: Costs) -> Iterator[_Segment]:
    """Yield the times between the fills of *trade*; the last ends where the candle of the exit opens."""
    exit_opened_ms, sign = trade.closed_at_ms - MINUTE_MS, float(trade.side.sign)
    if len(trade.entries) == 1 and not trade.partials:  # nearly always, and there are many
        at_ms, price, cost = trade.entries[0]
        yield _Segment(at_ms, exit_opened_ms, price, sign, NOTHING.net, cost, price)
        return
    ledger = list(ledger_of(trade, costs))
    ends = [*(at_ms for at_ms, _, _ in ledger[1:]), exit_opened_ms]
    for (at_ms, price, position), end_ms in zip(ledger, ends, strict=True):
        now = position.realised.net, position.cost_left, position.price_effective
        yield _Segment(at_ms, min(end_ms, exit_opened_ms), price, sign, *now)


def _extreme(furthest: np.ufunc, column: Floats, starts: Times, ends: Times, price: Floats) -> Floats:
    """Return the extreme of *column* over each of the rows `[start, end)`, which may be none, and of *price*."""
    found = price.copy()
    some = starts < ends
    if some.any():
        bounds = np.stack((starts[some], ends[some]), axis=1).reshape(-1)
        # One row more, for reduceat takes no bound behind the last; every second result is of the rows between.
        rows = column if bounds.max() < len(column) else np.append(column, column[-1])
        found[some] = furthest(found[some], furthest.reduceat(rows, bounds)[::2])
    return found


def _is_ambiguous(trades: Sequence[Trade], candles: Candles) -> Flags:
    """Say of each of *trades* whether it ended at a level and its last candle reached the other one as well."""
    if not len(candles):
        return np.zeros(len(trades), np.bool_)
    opened_ms = np.array([trade.closed_at_ms for trade in trades]) - MINUTE_MS
    rows = np.minimum(np.searchsorted(candles.timestamp, opened_ms), len(candles) - 1)
    levels = np.array([(trade.take_profit, trade.stop_loss) for trade in trades])
    found: Flags = candles.timestamp[rows] == opened_ms
    found &= (candles.low[rows] <= levels.min(axis=1)) & (candles.high[rows] >= levels.max(axis=1))
    found &= [trade.reason in _AT_A_LEVEL for trade in trades]
    return found
