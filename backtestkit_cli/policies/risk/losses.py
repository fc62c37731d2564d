"""What closed trades say: a cool-down after losses, and a symbol that loses too often."""

from collections import deque
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.risk import RiskCheck
from backtestkit_cli.policies.risk.pace import Scope, is_in_scope, scope_words
from backtestkit_cli.policies.risk.rule import BuiltInRule
from backtestkit_cli.policies.risk.symbols import unslashed


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown(BuiltInRule):
    """After `losses` losing trades within `within_minutes`, nothing opens for `minutes`.

    The window is half-open: a loss of exactly `within_minutes` before another is not within it. Each loss that
    completes such a number starts the time anew.
    """

    name: ClassVar[str] = "cool_down"
    losses: Annotated[int, Ge(1)]
    within_minutes: Annotated[int, Ge(1)]
    minutes: Annotated[int, Ge(1)]
    scope: Scope = "all"

    def refusal(self, check: RiskCheck) -> str | None:
        """Look for the newest loss that completed the number and is not over."""
        since_ms = check.at_ms - self.minutes * MINUTE_MS
        newest_first: deque[int] = deque(maxlen=self.losses)
        for trade in reversed(check.trades):
            if trade.closed_at_ms <= since_ms - self.within_minutes * MINUTE_MS:
                return None
            if trade.net >= 0 or not is_in_scope(trade, check, self.scope):
                continue
            newest_first.append(trade.closed_at_ms)
            completed_ms = newest_first[0]
            if completed_ms <= since_ms:
                return None
            is_full = len(newest_first) == self.losses
            if is_full and trade.closed_at_ms > completed_ms - self.within_minutes * MINUTE_MS:
                return self._reason(check, completed_ms)
        return None

    def _reason(self, check: RiskCheck, completed_ms: int) -> str:
        whose, until = scope_words(check, self.scope), utc_text(completed_ms + self.minutes * MINUTE_MS)
        return f"{self.losses} losses{whose} in {self.within_minutes} minutes, nothing opens until {until}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinWinRate(BuiltInRule):
    """A symbol is disabled by the trade that takes its win rate below `percent`, from `trades` closed trades on.

    A trade wins if it earns more than nothing after costs. `again_after_minutes` later the symbol may open
    again, and only trades that close after that count; None disables it for the rest of the run.
    """

    name: ClassVar[str] = "min_win_rate"
    percent: Annotated[float, Gt(0), Le(100)]
    trades: Annotated[int, Ge(1)]
    again_after_minutes: Annotated[int, Ge(1)] | None = None

    def refusal(self, check: RiskCheck) -> str | None:
        """Go through the trades of the symbol."""
        symbol = unslashed(check.symbol)
        wins = count = 0
        pause_ms = None if self.again_after_minutes is None else self.again_after_minutes * MINUTE_MS
        again_ms: int | None = None
        reason = ""
        for trade in check.trades:
            if unslashed(trade.symbol) != symbol or (again_ms is not None and trade.closed_at_ms <= again_ms):
                continue
            count += 1
            wins += trade.net > 0
            if count < self.trades or wins * 100 >= self.percent * count:
                continue
            reason = f"at least {self.percent:g} % of the trades of {check.symbol} must win, found {wins} of {count}"
            if pause_ms is None:
                return reason
            again_ms = trade.closed_at_ms + pause_ms
            wins = count = 0
        if again_ms is None or check.at_ms >= again_ms:
            return None
        return f"{reason}; it opens again from {utc_text(again_ms)}"
