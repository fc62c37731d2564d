"""Averaging that needs no code: a further entry at each step against the position."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Buy again whenever the price stands `step_pct` percent beyond the lowest entry (of a short: the highest).

    `entries` is how many there may be in all, the first included. A rung costs `cost` quote money, None
    for as much as the first entry. With `take_profit_pct` the target moves with every rung to that
    distance from the effective price.
    """

    step_pct: float
    entries: int
    cost: float | None = None
    take_profit_pct: float | None = None
