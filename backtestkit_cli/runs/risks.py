"""Which risk profiles the signals of each strategy must pass, found by their names before the first candle."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from backtestkit_cli.api.registry import Registry, pick
from backtestkit_cli.api.specs import RiskSpec, StrategySpec
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.origins import dotted
from backtestkit_cli.config.risks import rules_of
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.engine.gate import PORTFOLIO, SIZING
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.policies.risk.catalogue import spelled


def risks_of_each(
    strategies: Iterable[StrategySpec], loaded: LoadedConfig, registry: Registry
) -> dict[str, tuple[RiskSpec, ...]]:
    """Return the profiles of each strategy by its name: first its own, then those of the whole run, each once.

    A profile of the config hides one of the strategy file that has the same name.

    Raises:
        UnknownNameError: there is no such profile.
        ConfigError: a rule needs an account or groups, and the config has none.
    """
    config = loaded.config
    known = registry.risks | profiles_of(loaded)
    run_wide = dict.fromkeys(config.risk, loaded.origins.get("risk", "risk"))
    found: dict[str, tuple[RiskSpec, ...]] = {}
    for strategy in strategies:
        wanted = dict.fromkeys(strategy.risk, strategy.where) | run_wide
        picked = tuple(_pick(name, known, where) for name, where in wanted.items())
        for profile in picked:
            if profile.name in {PORTFOLIO, SIZING}:
                raise ConfigError(f"{profile.where}: {profile.name!r} is how refusals of the run itself are called")
            _check_needs(profile, loaded)
        if picked:
            found[strategy.name] = picked
    return found


def _pick(name: object, known: Mapping[str, RiskSpec], where: str) -> RiskSpec:
    if not isinstance(name, str):
        raise ConfigError(f"{where}: expected the name of a risk profile, found {name!r}")
    return pick("risk profile", name, known, where=where)


def profiles_of(loaded: LoadedConfig) -> dict[str, RiskSpec]:
    """Return the profiles that the config describes, by name."""
    return {
        name: RiskSpec(
            name=name,
            rules=rules_of(profile),
            on_allowed=None,
            on_rejected=None,
            note="",
            where=loaded.origins[dotted(("risks", name))],
        )
        for name, profile in loaded.config.risks.items()
    }


def _check_needs(profile: RiskSpec, loaded: LoadedConfig) -> None:
    """Refuse a rule that measures by something the run does not have: it would refuse or allow everything."""
    for rule in profile.rules:
        place = f"{profile.where}: risk profile {profile.name!r}: {rule.name}"
        if getattr(rule, "needs_account", False) and loaded.config.portfolio is None:
            raise ConfigError(
                f"{place} needs an account: expected `portfolio:` with a balance in the config, found none"
            )
        if getattr(rule, "needs_groups", False) and not loaded.config.groups:
            raise ConfigError(f"{place} needs groups: expected `groups:` in the config, found none")


def coordination_facts(
    risks: Mapping[str, tuple[RiskSpec, ...]], groups: Mapping[str, tuple[str, ...]], portfolio: Portfolio | None
) -> dict[str, Any]:
    """Return what decides between symbols as plain values that JSON can hold; nothing where nothing does.

    A function of the author's is only named: the hash of its file says what it does.
    """
    profiles = {profile.name: profile for of_strategy in risks.values() for profile in of_strategy}
    facts: dict[str, Any] = {
        "risk": {name: [profile.name for profile in of_strategy] for name, of_strategy in sorted(risks.items())},
        # A list of pairs, because which rule is asked first decides what is counted.
        "risks": {
            name: [[rule.name, _plain(spelled(rule))] for rule in profile.rules]
            for name, profile in sorted(profiles.items())
        },
        "groups": {name: list(symbols) for name, symbols in sorted(groups.items())},
        "portfolio": None if portfolio is None else {k: _plain(v) for k, v in asdict(portfolio).items()},
    }
    return {name: part for name, part in facts.items() if part}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, str) else value
