"""Arithmetic whose answer is None where a figure is undefined or too large for a double: never NaN or infinity."""

import math
from collections.abc import Sequence

import numpy as np

from backtestkit_cli.domain.candle import Floats

ROUNDING = 1e-12
"""Numbers that differ by less than this share of the largest differ by rounding only."""


def finite(value: float) -> float | None:
    """Return *value* as a plain float, None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def total(values: Floats | Sequence[float]) -> float | None:
    """Return the sum, rounded once: it does not depend on the order of *values*."""
    try:
        return finite(math.fsum(values.tolist() if isinstance(values, np.ndarray) else values))
    except (OverflowError, ValueError):  # beyond the largest double, or both infinities
        return None


def average(column: Floats | Sequence[float]) -> float | None:
    """Return the mean, None of nothing."""
    return ratio(total(column), len(column))


def ratio(above: float | None, below: float | None) -> float | None:
    """Return *above* / *below*; None where either is undefined or *below* is 0."""
    if above is None or not below:
        return None
    return finite(above / below)


def percent(above: float | None, below: float | None) -> float | None:
    """Return *above* in percent of *below*, as `ratio` defines it."""
    share = ratio(above, below)
    return None if share is None else finite(share * 100)


def added(*parts: float | None) -> float | None:
    """Return the sum of *parts*, None where one of them is."""
    known = [part for part in parts if part is not None]
    return total(known) if len(known) == len(parts) else None


def deviation(column: Floats, *, scale: float = 0.0) -> float | None:
    """Return the sample deviation (n-1) of two numbers or more; what is rounding only is 0.

    *scale* is the size of what the numbers were computed from, where that is larger than they are.
    """
    if len(column) < 2:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        found = finite(column.std(ddof=1))
        if found is not None and found <= ROUNDING * max(np.abs(column).max(), scale):
            return 0.0
    return found
