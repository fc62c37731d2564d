"""What a strategy may know of its open position at a tick: figures, nothing that changes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from backtestkit_cli.domain.interval import MINUTE_MS, to_datetime
from backtestkit_cli.domain.money import Costs, breakeven_price
from backtestkit_cli.domain.position import Entry, Partial, Position
from backtestkit_cli.domain.signal import Side


class Extreme(NamedTuple):
    """The best or worst price of a tick since the opening, and what the position would have won there, costs paid."""

    price: float
    at_ms: int
    pnl_pct: float

    @property
    def at(self) -> datetime:
        """Return the tick, an aware datetime."""
        return to_datetime(self.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """An open position at one tick: `price` is `price(when)` and `at_ms` the tick.

    Best and worst are prices of ticks, the opening included, as seen from the position: of a short the best is the
    lowest. All money is quote money, all percentages are 0-100 of the money put in.
    """

    position: Position
    price: float
    at_ms: int
    costs: Costs
    best: Extreme
    worst: Extreme

    @property
    def id(self) -> str:
        """Return the id of the signal."""
        return self.position.id

    @property
    def side(self) -> Side:
        """Return which way it earns."""
        return self.position.side

    @property
    def note(self) -> str:
        """Return the note of the signal."""
        return self.position.note

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return all purchases, oldest first."""
        return self.position.entries

    @property
    def partials(self) -> tuple[Partial, ...]:
        """Return all partial closes, oldest first."""
        return self.position.partials

    @property
    def levels(self) -> tuple[float, ...]:
        """Return the price of each entry, oldest first."""
        return tuple(entry.price for entry in self.entries)

    @property
    def entry_count(self) -> int:
        """Return how many entries there are."""
        return len(self.entries)

    @property
    def partial_count(self) -> int:
        """Return how many parts have been sold."""
        return len(self.partials)

    @property
    def take_profit(self) -> float:
        """Return the target in force."""
        return self.position.take_profit

    @property
    def stop_loss(self) -> float:
        """Return the stop in force."""
        return self.position.stop_loss

    @property
    def price_open(self) -> float:
        """Return the price of the first entry."""
        return self.position.price_open

    @property
    def price_effective(self) -> float:
        """Return money over quantity of what is left."""
        return self.position.price_effective

    @property
    def price_breakeven(self) -> float:
        """Return the price at which the rest would end without gain or loss, costs paid."""
        return breakeven_price(self.side, self.price_effective, self.costs)

    @property
    def invested(self) -> float:
        """Return all money that was put in."""
        return self.position.invested

    @property
    def cost_left(self) -> float:
        """Return the money still in it."""
        return self.position.cost_left

    @property
    def quantity_left(self) -> float:
        """Return how much of the base asset is still held."""
        return self.position.quantity_left

    @property
    def held_pct(self) -> float:
        """Return how much of the money put in is still in it, in percent."""
        return self.cost_left / self.invested * 100

    @property
    def pnl_cost(self) -> float:
        """Return the gain if the rest were sold now, parts already sold included, after costs."""
        return self.position.value_at(self.price, self.costs).net

    @property
    def pnl_pct(self) -> float:
        """Return `pnl_cost` in percent of the money put in."""
        return self.pnl_cost / self.invested * 100

    @property
    def profit_level(self) -> int:
        """Return the highest partial level reached in profit, 0 for none."""
        return self.position.progress.profit_level

    @property
    def loss_level(self) -> int:
        """Return the highest partial level reached in loss, 0 for none."""
        return self.position.progress.loss_level

    @property
    def opened_at(self) -> datetime:
        """Return when it opened, an aware datetime."""
        return to_datetime(self.position.opened_at_ms)

    @property
    def minutes_open(self) -> int:
        """Return how many minutes it has been open."""
        return (self.at_ms - self.position.opened_at_ms) // MINUTE_MS

    @property
    def minutes_left(self) -> int | None:
        """Return how many minutes it may stay open, None without a limit."""
        return None if self.position.minutes is None else self.position.minutes - self.minutes_open

    @property
    def since_best(self) -> timedelta:
        """Return how long ago the price was best."""
        return timedelta(milliseconds=self.at_ms - self.best.at_ms)

    def overlaps_entry(self, tolerance_pct: float = 1.5) -> bool:
        """Say whether the price is within *tolerance_pct* of an earlier entry: a rung there would be a duplicate."""
        return _is_near(self.price, (entry.price for entry in self.entries), tolerance_pct)

    def overlaps_partial(self, tolerance_pct: float = 1.5) -> bool:
        """Say whether the price is within *tolerance_pct* of an earlier partial close."""
        return _is_near(self.price, (partial.price for partial in self.partials), tolerance_pct)


def _is_near(price: float, others: Iterable[float], tolerance_pct: float) -> bool:
    return any(abs(price - other) <= other * tolerance_pct / 100 for other in others)
