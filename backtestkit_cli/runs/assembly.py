"""The composition root: from a config and a strategy module to a plan whose every part is real."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from backtestkit_cli.api.registry import Registry, pick
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.config.choices import exchange_name, exchange_of, frame_of
from backtestkit_cli.config.described import exchange_from
from backtestkit_cli.config.exchanges import CacheExchange, CcxtExchange
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.settings import settings_from
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError, StrategyError, UnknownNameError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.sources import (
    OWN_CLASS,
    DataAccess,
    access_of,
    build_own_source,
    build_source,
    facts_of_own,
    facts_of_source,
)
from backtestkit_cli.runs.strategy_file import LoadedStrategies, load_strategies

RUN_WIDE = ("avg_price_candles", "gaps")
"""Settings that shape the candles all sessions share, so that no single strategy may set them."""


def assemble(loaded: LoadedConfig, *, mode: str = "backtest", access: DataAccess | None = None) -> RunPlan:
    """Return the plan of the run that *loaded* describes, with candles by *access* (default: as *loaded* says).

    Raises:
        ConfigError: a name is unknown, or something a run needs is missing.
        StrategyError: the entry does not load or does not hold the strategy.
    """
    config = loaded.config
    if config.entry is None:
        raise ConfigError("no strategy: give --entry FILE (or entry: in the config), such as strategies/sma_cross.py")
    module = load_strategies(config.entry, where=loaded.origins["entry"])
    strategies = chosen_strategies(config.strategy, module, where=loaded.origins["strategy"])
    exchange, source, source_facts = source_of(loaded, module.registry, access or access_of(loaded))
    frame, start_ms, end_ms = frame_span(loaded, module.registry)
    settings = {spec.name: _settings(spec, loaded) for spec in strategies}
    return RunPlan(
        mode=mode,
        strategies=strategies,
        symbols=tuple(config.symbols),
        exchange=exchange,
        source=source,
        source_facts=source_facts,
        frame=frame,
        start_ms=start_ms,
        end_ms=end_ms,
        settings=settings,
        source_hashes={spec.name: module.source_hash for spec in strategies},
        listeners=tuple(module.registry.listeners),
        services=dict(module.registry.services),
        max_concurrent=config.max_concurrent,
    )


def with_fill_model(plan: RunPlan, model: FillModelName) -> RunPlan:
    """Return *plan* with *model* for every strategy."""
    return replace(plan, settings={name: replace(s, fill_model=model) for name, s in plan.settings.items()})


def chosen_strategies(
    wanted: Iterable[str] | None, module: LoadedStrategies, *, where: str = ""
) -> tuple[StrategySpec, ...]:
    """Return the strategies a run uses: those that *where* names, or the only one there is."""
    there = module.registry.strategies
    if wanted is None:
        if len(there) > 1:
            names = ", ".join(sorted(there))
            raise StrategyError(f"{module.origin}: registers {len(there)} strategies ({names}): choose with --strategy")
        return tuple(there.values())
    return tuple(pick("strategy", name, there, where=where) for name in sorted(set(wanted)))


def _settings(spec: StrategySpec, loaded: LoadedConfig) -> Settings:
    for name in RUN_WIDE:
        if name in spec.settings:
            raise ConfigError(f"{spec.where}: {name} holds for the whole run and cannot be set by a strategy")
    settings_from(spec.settings, where=spec.where)
    return settings_from({**spec.settings, **loaded.settings_given}, where=spec.where)


def source_of(loaded: LoadedConfig, registry: Registry, access: DataAccess) -> tuple[str, CandleSource, dict[str, Any]]:
    """Return the name of the run's exchange, its source, and the facts that a rerun needs.

    A name that neither the config nor *registry* knows is an exchange of ccxt, or one of the cache.

    Raises:
        ConfigError: there is no such exchange, or it cannot be built.
    """
    config = loaded.config
    name, where = exchange_name(config), loaded.origins.get("exchange", "exchange")
    described = exchange_of(config, name)
    if described is None and name in registry.exchanges:
        spec = registry.exchanges[name]
        if spec.kind == OWN_CLASS:
            theirs, cached = spec.options["source"], bool(spec.options["cache"])
            return name, build_own_source(name, theirs, access, cached=cached, where=spec.where), facts_of_own(theirs)
        described = exchange_from(spec.kind, spec.options, where=spec.where)
    described = described or _unwritten(name, config, registry, access, where)
    try:
        return name, build_source(name, described, access), facts_of_source(described)
    except ConfigError as error:
        raise ConfigError([f"{where}: {problem}" for problem in error.problems]) from error


def _unwritten(
    name: str, config: RunConfig, registry: Registry, access: DataAccess, where: str
) -> CcxtExchange | CacheExchange:
    """Return what *name* stands for though nothing describes it."""
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.exchange.ids import exchange_ids

    if name in exchange_ids():
        return CcxtExchange(kind="ccxt", id=name)
    cached = CacheFolder(access.folder).exchanges()
    if name in cached:
        return CacheExchange(kind="cache", name=name)
    known = {*config.exchanges, *registry.exchanges, *cached, *exchange_ids(), "demo"}
    raise UnknownNameError("exchange", name, known, where=where)


def frame_span(loaded: LoadedConfig, registry: Registry) -> tuple[str, int, int]:
    """Return name, start and end of the run's frame."""
    found = frame_of(loaded.config)
    if not isinstance(found, str):
        return found
    if found in registry.frames:
        spec = registry.frames[found]
        return found, spec.start_ms, spec.end_ms
    known = {*loaded.config.frames, *registry.frames}
    raise UnknownNameError("frame", found, known, where=loaded.origins.get("frame", "frame"))
