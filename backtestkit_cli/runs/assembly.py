"""The composition root: from a config and a strategy module to a plan whose every part is real."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from backtestkit_cli.api.registry import Registry, pick
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.config.choices import exchange_name, exchange_of, frame_of
from backtestkit_cli.config.described import exchange_from
from backtestkit_cli.config.exchanges import CacheExchange, CcxtExchange, ExchangeConfig
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.settings import settings_from
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError, StrategyError, UnknownNameError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.jobs import jobs_of
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.risks import coordination_facts, risks_of_each
from backtestkit_cli.runs.sizings import check_balances, sizing_facts, sizings_of, with_candles_of
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

RUN_WIDE = ("avg_price_candles", "gaps", "max_job_seconds")
"""Settings of the candles and jobs that all sessions share, so that no single strategy may set them."""


def assemble(
    loaded: LoadedConfig,
    *,
    mode: str = "backtest",
    access: DataAccess | None = None,
    module: LoadedStrategies | None = None,
    span: tuple[str, int, int] | None = None,
) -> RunPlan:
    """Return the plan of the run that *loaded* describes.

    Candles come by *access* (default: as *loaded* says), strategies from *module* (default: its entry, loaded anew).
    *span* is name, start and end of what takes the place of its frame.

    Raises:
        ConfigError: a name is unknown, or something a run needs is missing.
        StrategyError: the entry does not load or does not hold the strategy.
    """
    config = loaded.config
    module = module or entry_of(loaded)
    strategies = chosen_strategies(config.strategy, module, where=loaded.origins["strategy"])
    sizings = sizings_of(loaded, module.registry, strategies)
    check_balances(sizings.values(), config)
    strategies = with_candles_of(strategies, sizings)
    exchange, source, source_facts = source_of(loaded, module.registry, access or access_of(loaded))
    frame, start_ms, end_ms = span or frame_span(loaded, module.registry)
    risks = risks_of_each(strategies, loaded, module.registry)
    settings = {spec.name: settings_of(spec, module.registry, loaded) for spec in strategies}
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
        source_hashes={spec.name: module.source_hashes[spec.name] for spec in strategies},
        source_files={spec.name: module.source_files[spec.name] for spec in strategies},
        listeners=tuple(module.registry.listeners),
        jobs=jobs_of(module.registry, config.symbols),
        log_sink=module.registry.log_sink,
        services=dict(module.registry.services),
        max_concurrent=config.max_concurrent,
        sizings=sizings,
        risks=risks,
        groups=config.groups,
        portfolio=config.portfolio,
        coordination_facts=coordination_facts(risks, config.groups, config.portfolio) | sizing_facts(sizings),
    )


def entry_of(loaded: LoadedConfig) -> LoadedStrategies:
    """Return the strategies of the entry that *loaded* names.

    Raises:
        ConfigError: it names none.
        StrategyError: the entry does not load.
    """
    if loaded.config.entry is None:
        raise ConfigError("no strategy: give --entry FILE (or entry: in the config), such as strategies/sma_cross.py")
    return load_strategies(loaded.config.entry, where=loaded.origins["entry"])


def with_fill_model(loaded: LoadedConfig, model: FillModelName) -> LoadedConfig:
    """Return *loaded* with *model*, whatever its strategies ask for."""
    settings = replace(loaded.config.settings, fill_model=model)
    key = "settings.fill_model"
    return replace(
        loaded,
        config=loaded.config.model_copy(update={"settings": settings}),
        settings_given={**loaded.settings_given, "fill_model": model},
        origins={**loaded.origins, key: f"fill model {model}"},
        given={**loaded.given, key: model.value},
    )


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


def settings_of(spec: StrategySpec, registry: Registry, loaded: LoadedConfig) -> Settings:
    """Return what the strategy *spec* runs by: *loaded* before its own settings, and these before `set_config`.

    Raises:
        ConfigError: a setting is unknown, wrong, or not for a single strategy to decide.
    """
    for name in RUN_WIDE:
        if name in spec.settings:
            raise ConfigError(f"{spec.where}: {name} holds for the whole run and cannot be set by a strategy")
    settings_from(spec.settings, where=spec.where)
    given = {**settings_of_module(registry), **spec.settings, **loaded.settings_given}
    return settings_from(given, where=spec.where)


def settings_of_module(registry: Registry) -> dict[str, object]:
    """Return what `set_config` gave in the module of *registry*.

    Raises:
        ConfigError: values are wrong; all of them are named, each with its line.
    """
    problems: list[str] = []
    for name, given in registry.settings.items():
        try:
            settings_from({name: given.value}, where=given.where)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return {name: given.value for name, given in registry.settings.items()}


def source_of(loaded: LoadedConfig, registry: Registry, access: DataAccess) -> tuple[str, CandleSource, dict[str, Any]]:
    """Return the name of the run's exchange, its source, and the facts that a rerun needs.

    A name that neither the config nor *registry* knows is an exchange of ccxt, or one of the cache.

    Raises:
        ConfigError: there is no such exchange, or it cannot be built.
    """
    name, described = exchange_in(loaded, registry, access)
    where = loaded.origins.get("exchange", "exchange")
    if described is None:
        spec = registry.exchanges[name]
        theirs, cached = spec.options["source"], bool(spec.options["cache"])
        return name, build_own_source(name, theirs, access, cached=cached, where=spec.where), facts_of_own(theirs)
    try:
        return name, build_source(name, described, access), facts_of_source(described)
    except ConfigError as error:
        raise ConfigError([f"{where}: {problem}" for problem in error.problems]) from error


def exchange_in(loaded: LoadedConfig, registry: Registry, access: DataAccess) -> tuple[str, ExchangeConfig | None]:
    """Return the name of the run's exchange and what describes it; None where that is a class of the author's.

    Raises:
        ConfigError: there is no such exchange.
    """
    config = loaded.config
    name, where = exchange_name(config), loaded.origins.get("exchange", "exchange")
    described = exchange_of(config, name)
    if described is None and name in registry.exchanges:
        spec = registry.exchanges[name]
        return name, None if spec.kind == OWN_CLASS else exchange_from(spec.kind, spec.options, where=spec.where)
    return name, described or _unwritten(name, config, registry, access, where)


def venue_described(loaded: LoadedConfig, registry: Registry, access: DataAccess) -> CcxtExchange:
    """Return what *loaded* or *registry* says of the run's exchange, which is a venue of ccxt."""
    name, where = exchange_name(loaded.config), loaded.origins.get("exchange", "exchange")
    described = exchange_of(loaded.config, name)
    if described is None and name in registry.exchanges:
        spec = registry.exchanges[name]
        described = exchange_from(spec.kind, spec.options, where=spec.where)
    described = described or _unwritten(name, loaded.config, registry, access, where)
    assert isinstance(described, CcxtExchange)  # noqa: S101 - its kind has been looked at
    return described


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
