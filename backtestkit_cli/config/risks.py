"""What a config says of risk: profiles of built-in rules, groups of symbols, and the account of a run."""

from dataclasses import MISSING, fields
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, field_validator, model_validator

from backtestkit_cli.config.exchanges import Part
from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.values import numbers, profile_names, refuse, symbols
from backtestkit_cli.config.wording import found
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.risk import Rule
from backtestkit_cli.policies.risk.catalogue import RULES, has_parts
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
from backtestkit_cli.policies.risk.hours import A_WINDOW, TradingHours
from backtestkit_cli.policies.risk.losses import CoolDown, MinWinRate
from backtestkit_cli.policies.risk.pace import MaxSignals
from backtestkit_cli.policies.risk.rule import BuiltInRule, field_hints
from backtestkit_cli.policies.risk.symbols import AllowSymbols, BlockSymbols, ListedSymbols


class RiskProfile(Part):
    """A profile by the names of its rules; one that is null or not there is not asked."""

    allow_symbols: AllowSymbols | None = None
    block_symbols: BlockSymbols | None = None
    trading_hours: TradingHours | None = None
    max_open: MaxOpen | None = None
    max_open_per_strategy: MaxOpenPerStrategy | None = None
    max_open_per_symbol: MaxOpenPerSymbol | None = None
    max_open_per_side: MaxOpenPerSide | None = None
    max_open_per_group: MaxOpenPerGroup | None = None
    max_open_per_group_side: MaxOpenPerGroupSide | None = None
    max_position_pct: MaxPositionPct | None = None
    max_symbol_exposure_pct: MaxSymbolExposurePct | None = None
    max_group_exposure_pct: MaxGroupExposurePct | None = None
    max_exposure_pct: MaxExposurePct | None = None
    max_signals: MaxSignals | None = None
    cool_down: CoolDown | None = None
    min_win_rate: MinWinRate | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _spelled_out(cls, value: object, info: ValidationInfo) -> object:
        return None if value is None else _spelled_out(RULES[str(info.field_name)], value)

    @model_validator(mode="after")
    def _has_a_rule(self) -> Self:
        if not rules_of(self):
            refuse(((), "expected at least one rule, found none"))
        return self


def rules_of(profile: RiskProfile) -> tuple[Rule, ...]:
    """Return the rules of *profile* in the order in which they are asked, which is that of the catalogue."""
    given = (getattr(profile, name) for name in RULES)
    return tuple(rule for rule in given if rule is not None)


def _spelled_out(rule: type[BuiltInRule], value: object) -> object:
    """Return *value* with the names of its parts, as the fields of *rule*."""
    if isinstance(value, rule):
        return value
    if rule is TradingHours:
        return _hours(value)
    if has_parts(rule):
        return numbers(value)
    (field,) = field_hints(rule)
    if issubclass(rule, ListedSymbols):
        return {field: symbols(value)}
    return numbers({field: value})


def _hours(value: object) -> TradingHours:
    if not isinstance(value, str):
        refuse(((), f"expected {A_WINDOW}, found {found(value)}"))
    try:
        return TradingHours.from_text(value)
    except ValueError as error:
        refuse(((), str(error)))


def in_risks(loc: Key) -> Key:
    """Return *loc* without the name of the only field of a rule, which no config spells."""
    rule = RULES.get(str(loc[2])) if len(loc) > 3 else None
    return loc if rule is None or has_parts(rule) else loc[:3] + loc[4:]


def rule_hint(name: str, part: str | None) -> object:
    """Return the type of *part* of the rule called *name*, or of the only one; None if that does not say enough."""
    rule = RULES.get(name)
    if rule is None or (part is None and (has_parts(rule) or issubclass(rule, TradingHours | ListedSymbols))):
        return None
    hints = field_hints(rule)
    return hints.get(part) if part is not None else next(iter(hints.values()))


def rule_parts(name: str) -> str:
    """Say what the rule called *name* is given, where that is more than one number."""
    if issubclass(RULES[name], ListedSymbols):
        return "a list of symbols"
    *others, last = (field.name for field in fields(RULES[name]) if field.default is MISSING)
    return f"a mapping with {', '.join(others)} and {last}"


def _keeps_less_than_it_has(portfolio: Portfolio) -> Portfolio:
    if portfolio.reserve >= portfolio.balance:
        limits = f"{portfolio.reserve:g} of {portfolio.balance:g}"
        refuse(((), f"expected reserve to be below balance, found {limits}"))
    return portfolio


RiskProfiles: TypeAlias = dict[str, RiskProfile]
ProfileNames: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(profile_names)]
Account: TypeAlias = Annotated[Portfolio, BeforeValidator(numbers), AfterValidator(_keeps_less_than_it_has)]
Groups: TypeAlias = dict[str, Annotated[tuple[str, ...], BeforeValidator(symbols)]]
