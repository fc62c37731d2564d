"""Two moving averages: long when the fast one crosses above the slow one, short when it crosses below.

It shows `get_signal`, asked once per interval, and indicator columns, computed once for the whole history.
"""

from datetime import datetime

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from backtestkit_cli import Candles, Side, Signal, add_strategy, get_indicator

FAST, SLOW = 20, 60  # candles of 15 minutes
STOP_PCT, TARGET_PCT = 1.5, 3.0
HOLD_MINUTES = 720

Floats = npt.NDArray[np.float64]


def sma(values: Floats, n: int) -> Floats:
    """Return the mean of the last *n* values at each row, NaN where there are fewer."""
    means = np.full(len(values), np.nan)
    means[n - 1 :] = sliding_window_view(values, n).mean(axis=1)
    return means


def averages(candles: Candles) -> dict[str, Floats]:
    """Return the columns that `get_indicator` reads by name; row *i* may use rows up to *i*."""
    return {"fast": sma(candles.close, FAST), "slow": sma(candles.close, SLOW)}


async def get_signal(_symbol: str, _when: datetime, price: float) -> Signal | None:
    """Return a signal where the averages have just changed places; rows that have not closed cannot be read."""
    before, after = get_indicator("fast", 2) - get_indicator("slow", 2)
    if before <= 0 < after:
        return bracket(Side.LONG, price)
    if before >= 0 > after:
        return bracket(Side.SHORT, price)
    return None


def bracket(side: Side, price: float) -> Signal:
    """Return a signal at market, with both exits at fixed distances from *price*."""
    return Signal(
        position=side,
        take_profit=price * (1 + side.sign * TARGET_PCT / 100),
        stop_loss=price * (1 - side.sign * STOP_PCT / 100),
        minutes=HOLD_MINUTES,
    )


add_strategy(
    "sma_cross",
    interval="15m",
    get_signal=get_signal,
    indicators=averages,
    warm_up={"15m": SLOW + 1},  # the first call already sees both averages at two rows
    note=f"cross of the {FAST} and {SLOW} candle averages, both ways, stop {STOP_PCT} %, target {TARGET_PCT} %",
)
