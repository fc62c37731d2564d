"""`btk check config`: what a run would be told, and by whom."""

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.errors import BacktestKitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtestkit_cli.api.registry import Registry
    from backtestkit_cli.api.specs import StrategySpec
    from backtestkit_cli.config.loader import LoadedConfig

_NEEDS = {"symbols": "--symbols A,B", "entry": "--entry FILE", "frame": "--from and --to, or --frame NAME"}
Row: TypeAlias = tuple[str, str, str]


def check_config(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    frame: options.Frame = None,
    from_: options.From = None,
    to: options.To = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    out: options.Out = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    offline: options.Offline = False,
    max_concurrent: options.MaxConcurrent = None,
    workers: options.Workers = None,
    json: options.Json = False,
) -> None:
    """Show every value of a config with its origin, and every mistake in it.

    Takes the flags of `btk backtest`, so that it shows what that command would be told. Where an entry is
    given it is loaded, for what it sets by `set_config` and for its strategies; one that does not load is a
    mistake. Exit codes: 0 the config is right, 2 it is not.
    """
    flags = {
        "symbols": options.joined(symbols),
        "entry": entry,
        "strategy": options.split(strategy),
        "exchange": exchange,
        "frame": frame,
        "from": from_,
        "to": to,
        "fill_model": fill_model,
        "out": out,
        "data": data,
        **options.reach(no_cache=no_cache, offline=offline),
        "max_concurrent": max_concurrent,
        "workers": workers,
    }
    rows: list[Row] = []
    missing: list[str] = []
    problem: BacktestKitError | None = None
    try:
        loaded = options.load(config, sets, flags)
        rows, missing = _described(loaded, None, ()), _missing(loaded)
        if "entry" not in missing:
            rows = _described(loaded, *_of_entry(loaded, is_whole="frame" not in missing))
    except BacktestKitError as error:
        problem = error
    _show(rows, missing, problem, json=json)
    raise typer.Exit(0 if problem is None else problem.exit_code)


def _missing(loaded: "LoadedConfig") -> list[str]:
    return [name for name in _NEEDS if not getattr(loaded.config, name)]


def _of_entry(loaded: "LoadedConfig", *, is_whole: bool) -> "tuple[Registry, Sequence[StrategySpec]]":
    """Return what the entry registers and which of its strategies would run.

    All that names something is looked up before, if there *is_whole* run to look at.
    """
    from backtestkit_cli.runs.assembly import assemble, chosen_strategies, entry_of, settings_of

    with console.stdout_for_data():
        module = entry_of(loaded)
        if is_whole:
            return module.registry, assemble(loaded, module=module).strategies
        strategies = chosen_strategies(loaded.config.strategy, module, where=loaded.origins["strategy"])
        for spec in strategies:
            settings_of(spec, module.registry, loaded)
        return module.registry, strategies


def _described(loaded: "LoadedConfig", registry: "Registry | None", strategies: "Sequence[StrategySpec]") -> list[Row]:
    """Return key, value and origin; a default that every strategy replaces by its own is left out."""
    from backtestkit_cli.config.describe import describe

    rows: list[Row] = []
    for key, value, origin in describe(loaded):
        section, _, name = key.partition(".")
        is_open = section == "settings" and name not in loaded.settings_given
        own = [spec for spec in strategies if is_open and name in spec.settings]
        rows += [(key, _text(spec.settings[name]), _origin(spec)) for spec in own]
        if own and len(own) == len(strategies):
            continue
        given = registry.settings.get(name) if registry and is_open else None
        if given is None:
            rows.append((key, value, origin))
        else:
            rows.append((key, _text(given.value), f"set_config ({console.short_path(given.where)})"))
    return rows


def _text(value: object) -> str:
    return "none" if value is None else str(value.value if isinstance(value, Enum) else value)


def _origin(spec: "StrategySpec") -> str:
    return f"strategy {spec.name} ({console.short_path(spec.where)})"


def _show(rows: "Sequence[Row]", missing: "Sequence[str]", problem: BacktestKitError | None, *, json: bool) -> None:
    if json:
        values = [dict(zip(("key", "value", "origin"), row, strict=True)) for row in rows]
        errors = list(console.problems_of(problem)) if problem else []
        document = {"ok": problem is None, "values": values, "missing": missing, "errors": errors}
        console.out(console.json_text(document))
    elif rows:
        console.show_table([Heading("Key"), Heading("Value"), Heading("Origin")], [rows])
    for name in missing:
        console.note(f"{name} is not set; btk backtest also needs {_NEEDS[name]}")
    if problem is not None:
        console.fail(problem)
