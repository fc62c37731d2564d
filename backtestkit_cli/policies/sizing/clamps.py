"""The clamps that every method of sizing shares, in the order in which they apply."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple, Protocol


class Clamp(NamedTuple):
    """What one clamp did: `limit_cost` is its bound, `cost` what it left, both quote money."""

    name: str
    limit_cost: float
    cost: float
    changed: bool


class Bounds(Protocol):
    """What bounds a size: percent of the balance, and quote money; None is no bound."""

    @property
    def max_position_pct(self) -> float | None:
        """Return the most that a position may cost, in percent of the balance."""
        ...

    @property
    def min_cost(self) -> float | None:
        """Return the least that a position is to cost."""
        ...

    @property
    def max_cost(self) -> float | None:
        """Return the most that a position may cost."""
        ...


def clamps(cost: float, balance: float, bounds: Bounds) -> Iterator[Clamp]:
    """Yield what each of *bounds* that is set makes of *cost*, quote money above 0.

    The order is `max_position_pct`, `min_cost`, `max_cost`. `min_cost` lifts a smaller size, but never above
    either cap: where it is beyond one, that cap is the size.
    """
    most_by_pct = inf if bounds.max_position_pct is None else balance * bounds.max_position_pct / 100
    most = inf if bounds.max_cost is None else bounds.max_cost
    if bounds.max_position_pct is not None:
        cut = min(cost, most_by_pct)
        yield Clamp(f"max_position_pct {bounds.max_position_pct:g}", most_by_pct, cut, cut < cost)
        cost = cut
    if bounds.min_cost is not None:
        lifted = max(cost, min(bounds.min_cost, most_by_pct, most))
        yield Clamp(f"min_cost {bounds.min_cost:g}", bounds.min_cost, lifted, lifted > cost)
        cost = lifted
    if bounds.max_cost is not None:
        cut = min(cost, most)
        yield Clamp(f"max_cost {bounds.max_cost:g}", most, cut, cut < cost)
