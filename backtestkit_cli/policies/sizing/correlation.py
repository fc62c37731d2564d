"""A smaller size for an entry that would earn and lose together with what is open already."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Le, Lt

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.sizing import SizingCheck
from backtestkit_cli.errors import NotEnoughCandlesError

_LEAST_SPREAD = 1e-12
"""The standard deviation of log returns below which a series is constant but for rounding."""


class Companion(NamedTuple):
    """The open position that goes most with an entry, and the correlation of their returns (-1 … 1)."""

    symbol: str
    correlation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Multiply a size by `factor`, once, where the entry would earn together with a position that is open.

    That is one of the same side whose log returns over the last `candles` closed candles of `interval`
    correlate above `threshold`, or one of the opposite side below `-threshold`.
    """

    threshold: Annotated[float, Ge(0), Lt(1)] = 0.8
    factor: Annotated[float, Ge(0), Le(1)] = 0.5
    interval: str = "1h"
    candles: Annotated[int, Ge(4)] = 48

    def companion(self, check: SizingCheck) -> Companion | None:
        """Return the position that goes most with the entry, if one does so beyond the threshold.

        A series that is constant or too short correlates with nothing.
        """
        others = dict.fromkeys((position.symbol, position.side) for position in check.positions)
        mine = self._read(check, check.symbol) if others else None
        if mine is None:
            return None
        found: Companion | None = None
        for symbol, side in others:
            theirs = self._read(check, symbol)
            correlation = 0.0 if theirs is None else correlation_of(mine, theirs)
            together = correlation if side is check.side else -correlation
            if together > max(self.threshold, abs(found.correlation) if found else 0.0):
                found = Companion(symbol, correlation)
        return found

    def _read(self, check: SizingCheck, symbol: str) -> Candles | None:
        try:
            return check.candles(symbol, self.interval, self.candles)
        except NotEnoughCandlesError:
            return None


def correlation_of(one: Candles, other: Candles) -> float:
    """Return Pearson's correlation of the log returns between closes that both have, 0 where there is none.

    There is none for fewer than three returns, for a constant series, and for closes that are no prices.
    """
    _, rows, rows_of_other = np.intersect1d(one.timestamp, other.timestamp, assume_unique=True, return_indices=True)
    if len(rows) < 4:
        return 0.0
    with np.errstate(all="ignore"):  # of closes that are no prices, which the last line finds
        returns = np.diff(np.log([one.close[rows], other.close[rows_of_other]]), axis=1)
        spread = returns.std(axis=1)
        deviations = returns - returns.mean(axis=1, keepdims=True)
        correlation = float((deviations[0] * deviations[1]).mean() / (spread[0] * spread[1]))
    return correlation if np.all(spread > _LEAST_SPREAD) and np.isfinite(correlation) else 0.0
