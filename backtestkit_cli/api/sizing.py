"""Registering ways to size entries."""

import inspect
from collections.abc import Callable

from backtestkit_cli.api.own_sizing import OwnSizing
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import SizingSpec
from backtestkit_cli.domain.sizing import Size, Sizing, SizingCheck
from backtestkit_cli.errors import StrategyError


def add_sizing(name: str, sizing: Sizing | Callable[[SizingCheck], float | Size], *, note: str = "") -> None:
    """Register a way to size the entries of strategies that name it and whose signals name no `cost`.

    Args:
        name: How strategies and configs call it.
        sizing: `FixedPct(…)`, `Kelly(…)`, `Atr(…)`, another object with `size(check)`, or a function
            `check` → cost in quote money, or a `Size`. 0 means no entry; an answer that is no such number
            and an exception mean the same, with the reason. `check.balance` is NaN without a portfolio.
        note: One line for people.

    Raises:
        ConfigError: the name is taken.
        StrategyError: *sizing* is none of these, or answers only when awaited.
    """
    where = caller()
    function = sizing.size if hasattr(sizing, "size") else sizing
    if not callable(function) or isinstance(sizing, type):
        raise StrategyError(
            f"{where}: sizing {name!r}: expected FixedPct(…), Kelly(…), Atr(…) or a function of the check,"
            f" found {sizing!r}"
        )
    if inspect.iscoroutinefunction(function):
        raise StrategyError(f"{where}: sizing {name!r}: expected a function that answers at once, found an async one")
    kept = sizing if hasattr(sizing, "size") else OwnSizing(sizing)
    add("sizing", SizingSpec(name=name, sizing=kept, note=note, where=where), registry().sizings)
