"""Which sizing each strategy of a run has, and what a run must bring for it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from backtestkit_cli.api.own_sizing import OwnSizing
from backtestkit_cli.api.registry import Registry, pick
from backtestkit_cli.api.specs import SizingSpec, StrategySpec
from backtestkit_cli.config.described import checked_sizing
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.sizings import method_name
from backtestkit_cli.domain.sizing import Sizing
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly, Method


def sizings_of(loaded: LoadedConfig, registry: Registry, strategies: Iterable[StrategySpec]) -> dict[str, SizingSpec]:
    """Return the sizing of each of *strategies* that has one, by the name of the strategy.

    That is the one it names, else the one that the config names for all. A name in the config hides
    one of the strategy file. What a strategy file made is held to the rules of a config here.

    Raises:
        ConfigError: no sizing has the name, or one has wrong values.
    """
    known = registry.sizings | _described(loaded)
    found: dict[str, SizingSpec] = {}
    for spec in strategies:
        name, where = spec.sizing, spec.where
        if name is None:
            name, where = loaded.config.sizing, loaded.origins.get("sizing", "sizing")
        if name is not None:
            found[spec.name] = _ready(pick("sizing", name, known, where=where))
    return found


def check_balances(sizings: Iterable[SizingSpec], config: RunConfig) -> None:
    """Refuse *sizings* that size by the account of a run that has none.

    Raises:
        ConfigError: there are such sizings; all of them are named.
    """
    poor = {spec.name: spec for spec in sizings if needs_balance(spec.sizing)}
    if poor and config.portfolio is None:
        raise ConfigError(
            [
                f"{spec.where}: sizing {spec.name!r}: expected a balance to size by, found neither `balance`"
                " in it nor `portfolio:` in the config"
                for spec in poor.values()
            ]
        )


def needs_balance(sizing: Sizing) -> bool:
    """Say whether *sizing* can only size by the account of the run; an author's own answers for itself."""
    return isinstance(sizing, Method) and sizing.balance is None


def sizing_facts(sizings: Mapping[str, SizingSpec]) -> dict[str, Any]:
    """Return what sizes the entries of each strategy, as plain values; of an author's function its name only."""
    facts = {
        name: {"name": spec.name, **(asdict(spec.sizing) if isinstance(spec.sizing, Method) else {})}
        for name, spec in sorted(sizings.items())
    }
    return {"sizings": facts} if facts else {}


def with_candles_of(strategies: Iterable[StrategySpec], sizings: Mapping[str, SizingSpec]) -> tuple[StrategySpec, ...]:
    """Return *strategies* with a warm-up that reaches back as far as their sizings read."""
    return tuple(
        replace(spec, warm_up=_longer(spec.warm_up, sizings[spec.name].sizing)) if spec.name in sizings else spec
        for spec in strategies
    )


def _longer(warm_up: Mapping[str, int], sizing: Sizing) -> dict[str, int]:
    needed = sizing.candles_needed() if isinstance(sizing, Method) else {}
    return {**warm_up, **{interval: max(count, warm_up.get(interval, 0)) for interval, count in needed.items()}}


def _described(loaded: LoadedConfig) -> dict[str, SizingSpec]:
    return {
        name: SizingSpec(name=name, sizing=sizing, note="", where=loaded.origins.get(f"sizings.{name}", "config"))
        for name, sizing in loaded.config.sizings.items()
    }


def _ready(spec: SizingSpec) -> SizingSpec:
    """Return *spec* with a sizing whose answer is a size, whatever it is."""
    if isinstance(spec.sizing, OwnSizing):
        return spec
    if isinstance(spec.sizing, FixedPct | Kelly | Atr) and method_name(spec.sizing):
        return replace(spec, sizing=checked_sizing(spec.sizing, where=f"{spec.where}: sizing {spec.name!r}"))
    return replace(spec, sizing=OwnSizing(spec.sizing.size))
