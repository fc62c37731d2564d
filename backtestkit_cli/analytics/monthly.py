"""What an account won in each calendar month, from its daily curve."""

from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from backtestkit_cli.analytics.arithmetic import finite, ratio
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.trade_columns import Times

Months: TypeAlias = npt.NDArray[np.datetime64]


class MonthReturn(NamedTuple):
    """One month UTC (`2025-05`) as far as the frame reaches into it.

    `return_pct` is in percent of the equity it began with, None where that is nothing or less: the months of
    a curve compound to its return. `net_quote` is the same in money.
    """

    month: str
    return_pct: float | None
    net_quote: float | None
    days: int


def months_of(ends_ms: Times) -> Months:
    """Return the month UTC of what ended at each of *ends_ms*: a midnight ends the day, and the month, before it."""
    return (ends_ms - 1).astype("datetime64[ms]").astype("datetime64[M]")


def month_returns(curve: DailyCurve) -> list[MonthReturn]:
    """Return the months of *curve*, oldest first; the day that a midnight ends belongs to the month before it."""
    months, starts = np.unique(months_of(curve.times_ms), return_index=True)
    bounds = [*starts.tolist(), curve.days]
    equity = pairwise(curve.values[bounds].tolist())
    lengths = np.diff(bounds).tolist()
    return [
        MonthReturn(str(month), _return_pct(before, after), finite(after - before), days)
        for month, (before, after), days in zip(months, equity, lengths, strict=True)
    ]


def _return_pct(before: float, after: float) -> float | None:
    grown = ratio(after, before) if before > 0 else None
    return None if grown is None else finite((grown - 1) * 100)
