"""`btk list`: the names that can be given to a run, and where each comes from."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from backtestkit_cli.api.registry import Registry
    from backtestkit_cli.api.specs import JobSpec, RiskSpec
    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.domain.sizing import Sizing

Row: TypeAlias = dict[str, Any]
"""Text by column; what has parts, such as the fields of an event, is a list or a mapping."""

_COLUMNS = {
    "strategies": ("name", "interval", "note", "where"),
    "exchanges": ("name", "kind", "options", "note", "where"),
    "frames": ("name", "from", "to", "note", "where"),
    "risks": ("name", "rules", "note", "where"),
    "sizings": ("name", "method", "options", "note", "where"),
    "jobs": ("name", "when", "symbols", "handler", "note", "where"),
    "events": ("name", "kind", "fields", "note"),
    "fill-models": ("name", "note"),
    "settings": ("name", "default", "expected"),
}
_TITLES = {"fill-models": "Fill models", "settings": "Settings, each also a variable CC_<NAME>"}
_FILL_MODELS = {
    "vwap": "the engine polls an average price; exits are booked at their level",
    "candle": "orders rest at the exchange and fill where a candle reaches them",
}


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help=f"One of {', '.join(_COLUMNS)}; all by default."),
    ] = None,
    entry: options.Entry = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """List what can be named: strategies, exchanges, frames, risks, sizings, jobs, events, fill models, settings.

    What a strategy file registers is shown where --entry or the config names one. An event is recorded, or a
    ping that is only made for who listens to it.
    """
    if kind is not None and kind not in _COLUMNS:
        raise UnknownNameError("kind", kind, _COLUMNS, where="btk list")
    loaded = options.load(config, None, {"entry": entry})
    found = {name: rows for name, rows in _everything(loaded).items() if kind in {None, name}}
    if json:
        console.out(console.json_text(found))
    for name, rows in found.items() if not json else ():
        _show(name, rows)
    if "exchanges" in found:
        console.note("every exchange of ccxt can be given by its id too, such as binance")
    if "strategies" in found and loaded.config.entry is None:
        console.note("no strategy file is given, so none of its names is shown: --entry FILE")


def _everything(loaded: "LoadedConfig") -> dict[str, list[Row]]:
    from backtestkit_cli.api.registry import Registry
    from backtestkit_cli.cli.event_kinds import event_kinds
    from backtestkit_cli.domain.settings import FillModelName
    from backtestkit_cli.runs.strategy_file import load_strategies

    with console.stdout_for_data():
        registry = load_strategies(loaded.config.entry).registry if loaded.config.entry else Registry()
    return {
        "strategies": [
            {"name": spec.name, "interval": spec.interval, "note": spec.note, "where": console.short_path(spec.where)}
            for spec in registry.strategies.values()
        ],
        "exchanges": _exchanges(loaded, registry),
        "frames": _frames(loaded, registry),
        "risks": _risks(loaded, registry),
        "sizings": _sizings(loaded, registry),
        "jobs": [_job(spec) for spec in registry.jobs.values()],
        "events": event_kinds(),
        "fill-models": [{"name": model.value, "note": _FILL_MODELS[model.value]} for model in FillModelName],
        "settings": _settings(),
    }


def _exchanges(loaded: "LoadedConfig", registry: "Registry") -> list[Row]:
    """Return what can be named; a name in the config hides one of the strategy file, and both a built-in one."""
    from backtestkit_cli.config.choices import exchange_name, exchange_of

    described = {
        name: _exchange(name, part, _origin(loaded, "exchanges", name))
        for name, part in loaded.config.exchanges.items()
    }
    if not isinstance(loaded.config.exchange, str):
        name = exchange_name(loaded.config)
        described[name] = _exchange(name, loaded.config.exchange, loaded.origins["exchange"])
    registered = {
        name: {
            "name": name,
            "kind": spec.kind,
            "options": _options(spec.options.items()),
            "note": spec.note,
            "where": console.short_path(spec.where),
        }
        for name, spec in registry.exchanges.items()
    }
    built_in = {"demo": _exchange("demo", exchange_of(loaded.config, "demo"), "built in")}
    return list((built_in | registered | described).values())


def _exchange(name: str, part: "BaseModel | None", where: str) -> Row:
    values = part.model_dump(exclude={"name"}, exclude_defaults=True) if part else {}
    kind = str(values.pop("kind", ""))
    return {"name": name, "kind": kind, "options": _options(values.items()), "note": "", "where": where}


def _options(parts: "Iterable[tuple[str, object]]") -> str:
    from backtestkit_cli.config.secrets import without_secrets

    return ", ".join(f"{name} {without_secrets(_value(value))}" for name, value in parts)


def _value(value: object) -> str:
    return value.__qualname__ if isinstance(value, type) else str(value)


def _origin(loaded: "LoadedConfig", section: str, name: str) -> str:
    """Return where the first part of an entry of the config was given."""
    return next(origin for key, origin in loaded.origins.items() if key.startswith(f"{section}.{name}."))


def _frames(loaded: "LoadedConfig", registry: "Registry") -> list[Row]:
    described = {
        name: _frame(name, frame.start_ms, frame.end_ms, "", _origin(loaded, "frames", name))
        for name, frame in loaded.config.frames.items()
    }
    registered = {
        name: _frame(name, spec.start_ms, spec.end_ms, spec.note, console.short_path(spec.where))
        for name, spec in registry.frames.items()
    }
    return list((registered | described).values())


def _frame(name: str, start_ms: int, end_ms: int, note: str, where: str) -> Row:
    from backtestkit_cli.domain.interval import utc_text

    return {"name": name, "from": utc_text(start_ms), "to": utc_text(end_ms), "note": note, "where": where}


def _sizings(loaded: "LoadedConfig", registry: "Registry") -> list[Row]:
    described = {
        name: _sizing(name, sizing, "", _origin(loaded, "sizings", name))
        for name, sizing in loaded.config.sizings.items()
    }
    registered = {
        name: _sizing(name, spec.sizing, spec.note, console.short_path(spec.where))
        for name, spec in registry.sizings.items()
    }
    return list((registered | described).values())


def _sizing(name: str, sizing: "Sizing", note: str, where: str) -> Row:
    from backtestkit_cli.config.origins import dotted
    from backtestkit_cli.config.sizings import sizing_values
    from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly

    row = {"name": name, "method": "its own", "options": "", "note": note, "where": where}
    if not isinstance(sizing, FixedPct | Kelly | Atr):
        return row
    values = {dotted(key): value for key, value in sizing_values(sizing).items() if value is not None}
    return row | {"method": str(values.pop("method")), "options": _options(values.items())}


def _risks(loaded: "LoadedConfig", registry: "Registry") -> list[Row]:
    from backtestkit_cli.runs.risks import profiles_of

    return [_risk(spec) for spec in (registry.risks | profiles_of(loaded)).values()]


def _risk(spec: "RiskSpec") -> Row:
    rules = [rule.name for rule in spec.rules]
    return {"name": spec.name, "rules": rules, "note": spec.note, "where": console.short_path(spec.where)}


def _job(spec: "JobSpec") -> Row:
    return {
        "name": spec.name,
        "when": f"every {spec.every}" if spec.every else f"cron {spec.cron}",
        "symbols": list(spec.symbols or ()),
        "handler": _called(spec.handler),
        "note": spec.note,
        "where": console.short_path(spec.where),
    }


def _called(part: object) -> str:
    """Return how the author calls a function or an object."""
    return str(getattr(part, "__qualname__", type(part).__name__))


def _settings() -> list[Row]:
    from dataclasses import fields
    from typing import get_type_hints

    from backtestkit_cli.config.wording import expected
    from backtestkit_cli.domain.settings import Settings

    hints = get_type_hints(Settings, include_extras=True)
    return [
        {"name": field.name, "default": str(field.default), "expected": expected(hints[field.name])}
        for field in fields(Settings)
    ]


def _show(name: str, rows: "list[Row]") -> None:
    title = _TITLES.get(name, name.capitalize())
    if not rows:
        console.out(f"{title}: none\n")
        return
    keys = [key for key in _COLUMNS[name] if any(row[key] for row in rows)]
    cells = [[_cell(row[key]) for key in keys] for row in rows]
    console.show_table([Heading(key.capitalize()) for key in keys], [cells], title=title)
    console.out("")


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return ", ".join(value) if isinstance(value, list) else str(value)
