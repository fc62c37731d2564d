"""The methods of sizing: fixed percentage, Kelly, and average true range."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated

from annotated_types import Ge, Gt, Le

from backtestkit_cli.domain.sizing import Size, SizingCheck
from backtestkit_cli.errors import NotEnoughCandlesError, UnknownNameError
from backtestkit_cli.policies.sizing.clamps import clamps
from backtestkit_cli.policies.sizing.correlation import Correlation
from backtestkit_cli.policies.sizing.formulas import (
    atr_quantity,
    average_true_range,
    fixed_pct_quantity,
    kelly_quantity,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(ABC):
    """What all methods share: the money to size by, and what bounds a size.

    What a method asks for is multiplied by the factor of `correlation`, then clamped: `max_position_pct` (percent of
    the balance), `min_cost`, `max_cost` (quote money), and never above a cap. `balance` is quote money;
    None is what the check brings. A size that is 0 stays 0.
    """

    balance: Annotated[float, Gt(0)] | None = None
    max_position_pct: Annotated[float, Gt(0), Le(100)] | None = None
    min_cost: Annotated[float, Gt(0)] | None = None
    max_cost: Annotated[float, Gt(0)] | None = None
    correlation: Correlation | None = None

    def size(self, check: SizingCheck) -> Size:
        """Return the size of an entry; what gives none is 0 with the reason."""
        balance = check.balance if self.balance is None else self.balance
        for name, value in (("price", check.price), ("balance", balance)):
            if not (isfinite(value) and value > 0):
                return nothing(f"the {name} is {value:g}")
        try:
            wanted = self._wanted(check, balance)
            if not isinstance(wanted, float):
                return nothing(wanted)
            return self._bounded(check, balance, wanted)
        except (NotEnoughCandlesError, UnknownNameError) as error:
            return nothing(str(error))

    def candles_needed(self) -> Mapping[str, int]:
        """Return how many closed candles of each interval `size` reads."""
        return {self.correlation.interval: self.correlation.candles} if self.correlation else {}

    @abstractmethod
    def _wanted(self, check: SizingCheck, balance: float) -> float | str:
        """Return the quantity by the method alone, or why there is none."""

    def _bounded(self, check: SizingCheck, balance: float, quantity: float) -> Size:
        reasons = []
        companion = self.correlation.companion(check) if self.correlation else None
        if self.correlation and companion:
            quantity *= self.correlation.factor
            symbol, correlation = companion
            reasons.append(f"correlation {correlation:.2f} with {symbol}: times {self.correlation.factor:g}")
        cost = quantity * check.price
        if not isfinite(cost):
            return nothing(f"the size is {cost:g}")
        if cost <= 0:
            return nothing("; ".join(reasons) or "the size is 0")
        for clamp in clamps(cost, balance, self):
            cost = clamp.cost
            reasons += [clamp.name] if clamp.changed else []
        quantity = cost / check.price
        if not (isfinite(quantity) and quantity > 0):
            return nothing(f"{cost:g} at a price of {check.price:g} is no quantity")
        return Size(quantity, cost, "; ".join(reasons))


@dataclass(frozen=True, slots=True)
class FixedPct(Method):
    """Lose `risk_pct` percent of the balance where the stop is hit: `balance · risk% / |entry - stop|`."""

    risk_pct: Annotated[float, Gt(0), Le(100)]

    def _wanted(self, check: SizingCheck, balance: float) -> float | str:
        if not (isfinite(check.stop_loss) and check.stop_loss > 0):
            return f"the stop is {check.stop_loss:g}"
        if check.stop_loss == check.price:
            return "the stop is at the entry"
        return fixed_pct_quantity(balance, self.risk_pct, check.price, check.stop_loss)


@dataclass(frozen=True, slots=True)
class Kelly(Method):
    """Put in `kelly_multiplier` of the Kelly fraction of the balance: `(W·R - (1-W)) / R · multiplier`.

    `win_rate` is the share of winners (0-1), `reward_ratio` the mean win in mean losses.
    """

    win_rate: Annotated[float, Ge(0), Le(1)]
    reward_ratio: Annotated[float, Gt(0)]
    kelly_multiplier: Annotated[float, Gt(0), Le(1)] = 0.25

    def _wanted(self, check: SizingCheck, balance: float) -> float | str:
        quantity = kelly_quantity(balance, check.price, self.win_rate, self.reward_ratio, self.kelly_multiplier)
        return no_edge(self) if quantity <= 0 else quantity


def no_edge(kelly: Kelly) -> str:
    """Return why *kelly*, whose fraction is not above 0, puts nothing in."""
    return f"no edge: win_rate {kelly.win_rate:g} and reward_ratio {kelly.reward_ratio:g} lose in the long run"


@dataclass(frozen=True, slots=True)
class Atr(Method):
    """Lose `risk_pct` percent of the balance when the price moves `atr_multiplier` average true ranges.

    `balance · risk% / (ATR · multiplier)`; the range is the mean over the last `candles` closed candles of
    `interval`, for which one more is read.
    """

    risk_pct: Annotated[float, Gt(0), Le(100)]
    atr_multiplier: Annotated[float, Gt(0)] = 2.0
    interval: str = "1h"
    candles: Annotated[int, Ge(1)] = 14

    def candles_needed(self) -> Mapping[str, int]:
        """Return how many closed candles of each interval `size` reads."""
        beside = Method.candles_needed(self)
        return {**beside, self.interval: max(self.candles + 1, beside.get(self.interval, 0))}

    def _wanted(self, check: SizingCheck, balance: float) -> float | str:
        atr = average_true_range(check.candles(check.symbol, self.interval, self.candles + 1))
        if not (isfinite(atr) and atr > 0):
            return f"the average true range is {atr:g}"
        return atr_quantity(balance, self.risk_pct, atr, self.atr_multiplier)


def nothing(reason: str) -> Size:
    """Return no size, and why."""
    return Size(0.0, 0.0, reason)
