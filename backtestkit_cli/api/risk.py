"""Registering risk profiles: named lists of rules, the built-in ones and functions of the author's."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from backtestkit_cli.api.arguments import check_function
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import RiskSpec
from backtestkit_cli.domain.risk import RiskCheck, Rule
from backtestkit_cli.errors import ConfigError

RuleFunction: TypeAlias = Callable[[RiskCheck], str | None]
"""A rule of the author's: None allows, a text or anything raised refuses."""

_OURS = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionRule:
    """A rule of the author's, held to its contract: whatever else it answers is a refusal.

    What it raises is for who asks, who makes a refusal of that too.
    """

    name: str
    function: RuleFunction
    needs_account: bool = False
    needs_groups: bool = False

    def refusal(self, check: RiskCheck) -> str | None:
        """Ask the function; only None allows."""
        answer: object = self.function(check)
        if answer is None:
            return None
        if isinstance(answer, str):
            return " ".join(answer.split()) or f"{self.name} refused without a reason"
        if inspect.iscoroutine(answer):
            answer.close()  # or Python warns that nobody awaited it
        return f"{self.name}: expected None or a text, found {type(answer).__name__}"


def add_risk(
    name: str,
    *,
    rules: Iterable[Rule | RuleFunction],
    on_allowed: Callable[[RiskCheck], Any] | None = None,
    on_rejected: Callable[[RiskCheck, str], Any] | None = None,
    note: str = "",
) -> None:
    """Register a risk profile that strategies name with `add_strategy(…, risk=…)` and configs with `risk:`.

    Args:
        name: How strategies and configs call it.
        rules: Built-in rules such as `MaxOpen(3)`, and functions of a `RiskCheck` that return None to allow a
            signal and a text, or raise, to refuse it. They are asked in this order up to the first refusal.
        on_allowed: Called with the check once for each signal that the profile lets through.
        on_rejected: Called with the check and the reason once for each that it refuses.
        note: One line for people.

    Raises:
        ConfigError: the name is taken, a rule is none, or two of them have one name.
    """
    where = f"{caller()}: risk profile {name!r}"
    given: object = rules
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise ConfigError(f"{where}: rules must be a list, was {given!r}")
    named: dict[str, Rule] = {}
    for part in given:
        rule = _rule(part, where)
        if rule.name in named:
            raise ConfigError(f"{where}: has two rules called {rule.name!r}")
        named[rule.name] = rule
    if not named:
        raise ConfigError(f"{where}: needs at least one rule")
    if on_allowed is not None:
        check_function(on_allowed, 1, "on_allowed, a function of the check", where)
    if on_rejected is not None:
        check_function(on_rejected, 2, "on_rejected, a function of the check and the reason", where)
    spec = RiskSpec(
        name=name,
        rules=tuple(named.values()),
        on_allowed=on_allowed,
        on_rejected=on_rejected,
        note=note,
        where=caller(),
    )
    add("risk profile", spec, registry().risks)


def _rule(part: Any, where: str) -> Rule:  # noqa: ANN401 - whatever the author lists
    """Return *part* as a rule; what is not our own is held to its contract."""
    if isinstance(part, type):
        raise ConfigError(f"{where}: expected a rule such as MaxOpen(3), found the class {part.__name__}")
    function = getattr(part, "refusal", part)
    label = getattr(part, "name", getattr(part, "__name__", None))
    if not callable(function):
        raise ConfigError(f"{where}: expected a rule such as MaxOpen(3) or a function, found {part!r}")
    if not isinstance(label, str) or not label.strip():
        raise ConfigError(f"{where}: a rule needs a name, found {part!r}")
    # An object with an async __call__ is no coroutine function itself.
    if any(map(_is_async, (function, getattr(function, "__call__", None)))):  # noqa: B004
        raise ConfigError(f"{where}: rule {label!r} must be a plain function, found an async one")
    try:
        inspect.signature(function).bind(None)
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: rule {label!r} must take one argument, a RiskCheck") from None
    if type(part).__module__.partition(".")[0] == _OURS:
        ours: Rule = part
        return ours
    needs = {name: bool(getattr(part, name, False)) for name in ("needs_account", "needs_groups")}
    return FunctionRule(name=label, function=function, **needs)


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
