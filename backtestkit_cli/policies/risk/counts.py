"""How many positions may be open: in all, and of one strategy, symbol, side or group."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge

from backtestkit_cli.domain.risk import OpenPosition, RiskCheck
from backtestkit_cli.policies.risk.rule import BuiltInRule
from backtestkit_cli.policies.risk.symbols import groups_of, unslashed


@dataclass(frozen=True, slots=True)
class _CountRule(BuiltInRule):
    limit: Annotated[int, Ge(1)]

    def _unless_below(self, positions: Iterable[OpenPosition], what: str = "") -> str | None:
        count = sum(1 for _ in positions)
        return None if count < self.limit else f"at most {self.limit} may be open{what}, found {count}"


@dataclass(frozen=True, slots=True)
class MaxOpen(_CountRule):
    """At most `limit` positions of the run at a time."""

    name: ClassVar[str] = "max_open"

    def refusal(self, check: RiskCheck) -> str | None:
        """Count all positions."""
        return self._unless_below(check.positions)


@dataclass(frozen=True, slots=True)
class MaxOpenPerStrategy(_CountRule):
    """At most `limit` positions of one strategy at a time."""

    name: ClassVar[str] = "max_open_per_strategy"

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the positions of the strategy."""
        own = (held for held in check.positions if held.strategy == check.strategy)
        return self._unless_below(own, f" of strategy {check.strategy}")


@dataclass(frozen=True, slots=True)
class MaxOpenPerSymbol(_CountRule):
    """At most `limit` positions of one symbol at a time, of whatever strategy."""

    name: ClassVar[str] = "max_open_per_symbol"

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the positions of the symbol."""
        symbol = unslashed(check.symbol)
        own = (held for held in check.positions if unslashed(held.symbol) == symbol)
        return self._unless_below(own, f" of {check.symbol}")


@dataclass(frozen=True, slots=True)
class MaxOpenPerSide(_CountRule):
    """At most `limit` long positions and `limit` short ones at a time."""

    name: ClassVar[str] = "max_open_per_side"

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the positions of the side."""
        same = (held for held in check.positions if held.side == check.side)
        return self._unless_below(same, f" on the {check.side} side")


@dataclass(frozen=True, slots=True)
class MaxOpenPerGroup(_CountRule):
    """At most `limit` positions of one group at a time; a symbol of several groups must pass each, one of none does."""

    name: ClassVar[str] = "max_open_per_group"
    needs_groups: ClassVar[bool] = True

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the positions of each group of the symbol."""
        for group, members in groups_of(check):
            same = (held for held in check.positions if unslashed(held.symbol) in members)
            refused = self._unless_below(same, f" of group {group}")
            if refused:
                return refused
        return None


@dataclass(frozen=True, slots=True)
class MaxOpenPerGroupSide(_CountRule):
    """At most `limit` long positions and `limit` short ones of one group at a time."""

    name: ClassVar[str] = "max_open_per_group_side"
    needs_groups: ClassVar[bool] = True

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the positions of the side in each group of the symbol."""
        for group, members in groups_of(check):
            same = (held for held in check.positions if held.side == check.side and unslashed(held.symbol) in members)
            refused = self._unless_below(same, f" of group {group} on the {check.side} side")
            if refused:
                return refused
        return None
