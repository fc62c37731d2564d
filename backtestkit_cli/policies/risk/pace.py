"""How many signals may be let through within a window of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, TypeAlias

from annotated_types import Ge

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.risk import RiskCheck, Stage
from backtestkit_cli.policies.risk.rule import BuiltInRule
from backtestkit_cli.policies.risk.symbols import unslashed

Scope: TypeAlias = Literal["all", "strategy", "symbol"]
"""Whose history counts: that of the run, of the strategy, or of the symbol."""


class Owned(Protocol):
    """What belongs to a strategy and a symbol."""

    @property
    def strategy(self) -> str:
        """Return the name of the strategy."""
        ...

    @property
    def symbol(self) -> str:
        """Return the symbol."""
        ...


def is_in_scope(one: Owned, check: RiskCheck, scope: Scope) -> bool:
    """Say whether *one* counts for the signal of *check*."""
    match scope:
        case "strategy":
            return one.strategy == check.strategy
        case "symbol":
            return unslashed(one.symbol) == unslashed(check.symbol)
        case "all":
            return True


def scope_words(check: RiskCheck, scope: Scope) -> str:
    """Return ` of strategy a` or ` of BTCUSDT`, nothing where all count."""
    return {"all": "", "strategy": f" of strategy {check.strategy}", "symbol": f" of {check.symbol}"}[scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxSignals(BuiltInRule):
    """At most `count` signals are let through within any `minutes`; one of exactly that age counts no more."""

    name: ClassVar[str] = "max_signals"
    count: Annotated[int, Ge(1)]
    minutes: Annotated[int, Ge(1)]
    scope: Scope = "all"

    def refusal(self, check: RiskCheck) -> str | None:
        """Count the signals let through; one that waited was counted when it appeared."""
        if check.stage is Stage.OPENS:
            return None
        found = sum(1 for _ in self._recent(check))
        if found < self.count:
            return None
        whose = scope_words(check, self.scope)
        return f"at most {self.count} signals{whose} in {self.minutes} minutes, found {found}"

    def _recent(self, check: RiskCheck) -> Iterator[None]:
        since_ms = check.at_ms - self.minutes * MINUTE_MS
        for signal in reversed(check.admitted):
            if signal.at_ms <= since_ms:
                return
            if is_in_scope(signal, check, self.scope):
                yield None
