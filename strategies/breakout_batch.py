"""Breakouts from a range: long above its high, short below its low, where the market moves enough to pay the costs.

It shows the batch form: `entries` sees whole columns once and returns the signals of the whole history,
a row a candle. The engine takes a row into account when its candle has closed.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from backtestkit_cli import Candles, add_strategy

RANGE, ATR = 24, 14  # candles of one hour
MIN_ATR_PCT = 0.5
STOP_ATRS, TARGET_ATRS = 2.0, 3.0
HOLD_MINUTES = 1440

Floats = npt.NDArray[np.float64]


def windows(values: Floats, n: int) -> Floats:
    """Return the last *n* values at each row, shape (rows, n), with NaN in front of the first."""
    return sliding_window_view(np.concatenate([np.full(n - 1, np.nan), values]), n)


def before(values: Floats) -> Floats:
    """Return at each row the value of the row before."""
    return np.concatenate([[np.nan], values[:-1]])


def average_true_range(candles: Candles) -> Floats:
    """Return how far the price goes in an hour, the way from the close before it included: a mean of *ATR* hours."""
    close_before = before(candles.close)
    true_range = np.maximum(candles.high, close_before) - np.minimum(candles.low, close_before)
    average: Floats = windows(true_range, ATR).mean(axis=1)
    return average


def entries(candles: Candles) -> dict[str, Floats]:
    """Return side and levels of each row; row *i* uses rows up to *i*, and its range ends with the row before."""
    close, atr = candles.close, average_true_range(candles)
    moves_enough = atr > close * MIN_ATR_PCT / 100
    side = np.zeros(len(close))
    side[moves_enough & (close > before(windows(candles.high, RANGE).max(axis=1)))] = 1
    side[moves_enough & (close < before(windows(candles.low, RANGE).min(axis=1)))] = -1
    return {
        "side": side,
        "take_profit": close + side * atr * TARGET_ATRS,
        "stop_loss": close - side * atr * STOP_ATRS,
        "minutes": np.full(len(close), HOLD_MINUTES, np.float64),
    }


add_strategy(
    "breakout_batch",
    interval="1h",
    entries=entries,
    warm_up={"1h": RANGE + 1},
    note=f"close beyond the last {RANGE} hours, stop {STOP_ATRS} and target {TARGET_ATRS} average true ranges away",
)
