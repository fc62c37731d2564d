"""All built-in rules by their names, in the order in which a profile of a config asks them."""

from collections.abc import Mapping

from backtestkit_cli.domain.risk import Rule
from backtestkit_cli.policies.risk.counts import (
    MaxOpen,
    MaxOpenPerGroup,
    MaxOpenPerGroupSide,
    MaxOpenPerSide,
    MaxOpenPerStrategy,
    MaxOpenPerSymbol,
)
from backtestkit_cli.policies.risk.exposure import (
    MaxExposurePct,
    MaxGroupExposurePct,
    MaxPositionPct,
    MaxSymbolExposurePct,
)
from backtestkit_cli.policies.risk.hours import TradingHours
from backtestkit_cli.policies.risk.losses import CoolDown, MinWinRate
from backtestkit_cli.policies.risk.pace import MaxSignals
from backtestkit_cli.policies.risk.rule import BuiltInRule, field_hints
from backtestkit_cli.policies.risk.symbols import AllowSymbols, BlockSymbols

_ALL: tuple[type[BuiltInRule], ...] = (
    AllowSymbols,
    BlockSymbols,
    TradingHours,
    MaxOpen,
    MaxOpenPerStrategy,
    MaxOpenPerSymbol,
    MaxOpenPerSide,
    MaxOpenPerGroup,
    MaxOpenPerGroupSide,
    MaxPositionPct,
    MaxSymbolExposurePct,
    MaxGroupExposurePct,
    MaxExposurePct,
    MaxSignals,
    CoolDown,
    MinWinRate,
)
RULES: Mapping[str, type[BuiltInRule]] = {rule.name: rule for rule in _ALL}


def has_parts(rule: type[BuiltInRule]) -> bool:
    """Say whether a config spells *rule* as a mapping; of any other it is one value."""
    return rule is not TradingHours and len(field_hints(rule)) > 1


def spelled(rule: Rule) -> object:
    """Return *rule* the way a config spells it: a value, or a mapping of several; `a function` of an author's."""
    if isinstance(rule, TradingHours):
        return str(rule)
    if not isinstance(rule, BuiltInRule):
        return "a function"
    parts = {field: getattr(rule, field) for field in field_hints(type(rule))}
    return parts if has_parts(type(rule)) else next(iter(parts.values()))
