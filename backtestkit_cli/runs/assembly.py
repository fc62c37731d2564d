"""The composition root: from a config and a strategy module to a plan whose every part is real."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from backtestkit_cli.api.registry import Registry, StrategySpec, pick
from backtestkit_cli.config.choices import exchange_name, exchange_of, frame_of
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.schema import ExchangeConfig
from backtestkit_cli.config.settings import settings_from
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError, StrategyError, UnknownNameError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.sources import build_source
from backtestkit_cli.runs.strategy_file import LoadedStrategies, load_strategies

RUN_WIDE = ("avg_price_candles", "gaps")
"""Settings that shape the candles all sessions share, so that no single strategy may set them."""


def assemble(loaded: LoadedConfig, *, mode: str = "backtest") -> RunPlan:
    """Return the plan of the run that *loaded* describes.

    Raises:
        ConfigError: a name is unknown, or something a run needs is missing.
        StrategyError: the entry does not load or does not hold the strategy.
    """
    config = loaded.config
    if config.entry is None:
        raise ConfigError("no strategy: give --entry FILE (or entry: in the config), such as strategies/sma_cross.py")
    module = load_strategies(config.entry)
    strategies = chosen_strategies(config.strategy, module)
    exchange, source, source_facts = _source(loaded, module.registry)
    frame, start_ms, end_ms = _frame(loaded, module.registry)
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
        max_concurrent=config.max_concurrent,
    )


def with_fill_model(plan: RunPlan, model: FillModelName) -> RunPlan:
    """Return *plan* with *model* for every strategy."""
    return replace(plan, settings={name: replace(s, fill_model=model) for name, s in plan.settings.items()})


def chosen_strategies(wanted: Iterable[str] | None, module: LoadedStrategies) -> tuple[StrategySpec, ...]:
    """Return the strategies a run uses: those it names, or the only one there is."""
    there = module.registry.strategies
    if wanted is None:
        if len(there) > 1:
            names = ", ".join(sorted(there))
            raise StrategyError(f"{module.origin}: registers {len(there)} strategies ({names}): choose with --strategy")
        return tuple(there.values())
    return tuple(pick("strategy", name, there) for name in sorted(set(wanted)))


def _settings(spec: StrategySpec, loaded: LoadedConfig) -> Settings:
    for name in RUN_WIDE:
        if name in spec.settings:
            raise ConfigError(f"{spec.where}: {name} holds for the whole run and cannot be set by a strategy")
    settings_from(spec.settings, where=spec.where)
    return settings_from({**spec.settings, **loaded.settings_given}, where=spec.where)


def _source(loaded: LoadedConfig, registry: Registry) -> tuple[str, CandleSource, dict[str, Any]]:
    """Return the name of the exchange, its source, and the facts that a rerun needs."""
    name, kind, options, where = _exchange(loaded, registry)
    source = build_source(name, kind, options, where)
    shown = {key: value for key, value in options.items() if value is not None}
    if "path" in shown:  # equal runs on two machines have equal ids
        shown["path"] = str(shown["path"]).replace("\\", "/").rstrip("/").rpartition("/")[2]
    return name, source, {"kind": kind, **shown}


def _exchange(loaded: LoadedConfig, registry: Registry) -> tuple[str, str, dict[str, Any], str]:
    """Return name, kind and options of the run's exchange, and the place that asks for it."""
    config = loaded.config
    name, where = exchange_name(config), loaded.origins.get("exchange", "exchange")
    found = exchange_of(config, name)
    if found is not None:
        return name, found.kind, options_of(found), where
    if name in registry.exchanges:
        spec = registry.exchanges[name]
        return name, spec.kind, dict(spec.options), spec.where
    raise UnknownNameError("exchange", name, {*config.exchanges, *registry.exchanges, "demo"}, where=where)


def options_of(exchange: ExchangeConfig) -> dict[str, Any]:
    """Return the options of *exchange* that are set, without its kind and name."""
    return exchange.model_dump(exclude={"kind", "name"}, exclude_none=True)


def _frame(loaded: LoadedConfig, registry: Registry) -> tuple[str, int, int]:
    """Return name, start and end of the run's frame."""
    found = frame_of(loaded.config)
    if not isinstance(found, str):
        return found
    if found in registry.frames:
        spec = registry.frames[found]
        return found, spec.start_ms, spec.end_ms
    known = {*loaded.config.frames, *registry.frames}
    raise UnknownNameError("frame", found, known, where=loaded.origins.get("frame", "frame"))
