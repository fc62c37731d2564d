"""How much of the account may be in positions, in percent of its equity, the entry that is asked for included."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import fsum
from typing import Annotated, ClassVar

from annotated_types import Gt, Le

from backtestkit_cli.domain.risk import OpenPosition, RiskCheck
from backtestkit_cli.policies.risk.rule import BuiltInRule
from backtestkit_cli.policies.risk.symbols import groups_of, unslashed

_ROUNDING = 1e-9  # a share computed as 20 % of the equity is 20 %, whatever its last bit says


@dataclass(frozen=True, slots=True)
class _ExposureRule(BuiltInRule):
    limit_pct: Annotated[float, Gt(0), Le(100)]
    needs_account: ClassVar[bool] = True

    def _unless_within(self, check: RiskCheck, positions: Iterable[OpenPosition], what: str) -> str | None:
        if check.account is None:
            return f"{self.name} is measured by the account, and the run has none"
        equity = check.account.equity
        # An exact sum, so that the order of positions does not matter.
        cost = fsum([check.cost, *(held.cost for held in positions)])
        if cost <= equity * self.limit_pct / 100 * (1 + _ROUNDING):
            return None
        share = f"{cost / equity * 100:.4g} %" if equity > 0 else "all"
        return (
            f"at most {self.limit_pct:g} % of the equity may be in {what}, found {share} ({cost:.2f} of {equity:.2f})"
        )


@dataclass(frozen=True, slots=True)
class MaxSymbolExposurePct(_ExposureRule):
    """At most `limit_pct` percent of the equity in positions of one symbol."""

    name: ClassVar[str] = "max_symbol_exposure_pct"

    def refusal(self, check: RiskCheck) -> str | None:
        """Sum up the positions of the symbol."""
        symbol = unslashed(check.symbol)
        same = (held for held in check.positions if unslashed(held.symbol) == symbol)
        return self._unless_within(check, same, check.symbol)


@dataclass(frozen=True, slots=True)
class MaxGroupExposurePct(_ExposureRule):
    """At most `limit_pct` percent of the equity in one group; a symbol of several groups must pass each."""

    name: ClassVar[str] = "max_group_exposure_pct"
    needs_groups: ClassVar[bool] = True

    def refusal(self, check: RiskCheck) -> str | None:
        """Sum up the positions of each group of the symbol."""
        for group, members in groups_of(check):
            same = (held for held in check.positions if unslashed(held.symbol) in members)
            refused = self._unless_within(check, same, f"group {group}")
            if refused:
                return refused
        return None


@dataclass(frozen=True, slots=True)
class MaxExposurePct(_ExposureRule):
    """At most `limit_pct` percent of the equity in positions."""

    name: ClassVar[str] = "max_exposure_pct"

    def refusal(self, check: RiskCheck) -> str | None:
        """Sum up all positions."""
        return self._unless_within(check, check.positions, "positions")


@dataclass(frozen=True, slots=True)
class MaxPositionPct(_ExposureRule):
    """At most `limit_pct` percent of the equity in one entry."""

    name: ClassVar[str] = "max_position_pct"

    def refusal(self, check: RiskCheck) -> str | None:
        """Look at the entry alone."""
        return self._unless_within(check, (), "one position")
