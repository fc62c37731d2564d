"""What a frame amounts to in a year of 365 days: the market never closes."""

import math

from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.domain.interval import DAY_MS

DAYS_A_YEAR = 365
YEAR_MS = DAYS_A_YEAR * DAY_MS
SHORTEST_YEARLY_MS = 14 * DAY_MS
"""The shortest frame that is stretched to a year: a shorter one would multiply the luck of a day or two."""


def yearly(amount: float | None, span_ms: int) -> float | None:
    """Return *amount* · year / *span_ms*: what a frame of that length gives, in a year at the same pace."""
    if amount is None or span_ms < SHORTEST_YEARLY_MS:
        return None
    return finite(amount * (YEAR_MS / span_ms))


def compounded_yearly_pct(growth: float | None, span_ms: int) -> float | None:
    """Return growth^(year / *span_ms*) - 1 in percent for a *growth* (end / begin) above 0."""
    if growth is None or growth <= 0 or span_ms < SHORTEST_YEARLY_MS:
        return None
    try:
        return finite(math.expm1(math.log(growth) * YEAR_MS / span_ms) * 100)
    except OverflowError:
        return None


def annualized(daily: float | None) -> float | None:
    """Return *daily* · √365: how a deviation of days, or a ratio to one, grows over a year of independent days."""
    return None if daily is None else finite(daily * math.sqrt(DAYS_A_YEAR))
