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

    def in_floats(self) -> "Ladder":
        """Return the same ladder in plain numbers, whatever kinds of numbers an author gave."""
        cost = None if self.cost is None else float(self.cost)
        target = None if self.take_profit_pct is None else float(self.take_profit_pct)
        return Ladder(step_pct=float(self.step_pct), entries=int(self.entries), cost=cost, take_profit_pct=target)
