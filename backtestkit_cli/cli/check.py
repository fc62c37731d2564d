"""`btk check config`: what a run would be told, and by whom."""

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.errors import BacktestKitError

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    Takes the flags of `btk backtest`, so that it shows what that command would be told. Exit codes: 0 the
    config is right, 2 it is not.
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
        rows, missing = _described(loaded, ()), _missing(loaded)
        if not {"entry", "frame"} & set(missing):
            rows = _described(loaded, _strategies(loaded))
    except BacktestKitError as error:
        problem = error
    _show(rows, missing, problem, json=json)
    raise typer.Exit(0 if problem is None else problem.exit_code)


def _missing(loaded: "LoadedConfig") -> list[str]:
    return [name for name in _NEEDS if not getattr(loaded.config, name)]


def _strategies(loaded: "LoadedConfig") -> "Sequence[StrategySpec]":
    """Return the strategies that would run, after everything that names something has been looked up."""
    from backtestkit_cli.runs.assembly import assemble

    with console.stdout_for_data():
        return assemble(loaded).strategies


def _described(loaded: "LoadedConfig", strategies: "Sequence[StrategySpec]") -> list[Row]:
    """Return key, value and origin; a default that every strategy replaces by its own is left out."""
    from backtestkit_cli.config.describe import describe

    rows: list[Row] = []
    for key, value, origin in describe(loaded):
        section, _, name = key.partition(".")
        is_open = section == "settings" and name not in loaded.settings_given
        own = [spec for spec in strategies if is_open and name in spec.settings]
        rows += [(key, _text(spec.settings[name]), _origin(spec)) for spec in own]
        if not own or len(own) < len(strategies):
            rows.append((key, value, origin))
    return rows


def _text(value: object) -> str:
    return str(value.value if isinstance(value, Enum) else value)


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
