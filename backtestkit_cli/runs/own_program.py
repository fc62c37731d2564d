"""What the calling program itself has registered, alone or beside what an entry registers."""

import sys
from copy import copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

from backtestkit_cli.api.registry import Registry, add
from backtestkit_cli.runs.source_files import source_files
from backtestkit_cli.runs.strategy_file import LoadedStrategies

BY_PROGRAM: Final = "by_program"
"""The key of a manifest that says what of a run the program registered that started it, see `brought_by`."""


def strategies_of_program(own: Registry) -> LoadedStrategies:
    """Return what the program registered in *own*, as it stands now; what it registers later is for later runs."""
    origin = Path(sys.argv[0]).name or "the program"
    places = {spec.name: _file_of(spec.where) for spec in own.strategies.values()}
    files = {name: {} if file is None else source_files(file) for name, file in places.items()}
    hashes = {name: "" if file is None else files[name][file.name] for name, file in places.items()}
    return LoadedStrategies(_copy(own), origin, hashes, files)


def beside_program(module: LoadedStrategies, own: Registry) -> LoadedStrategies:
    """Return *module* with what the program has a name for as well, and with its listeners, after those of the module.

    Its services and its logger serve where the module has none of its own. Strategies and jobs of the program
    are not part of a run of other strategies.

    Raises:
        ConfigError: both have registered the same name.
    """
    theirs = _copy(module.registry)
    for kind in ("exchange", "frame", "risk", "sizing"):
        for entry in getattr(own, f"{kind}s").values():
            add(kind, entry, getattr(theirs, f"{kind}s"))
    theirs.listeners.extend(own.listeners)
    theirs.services.update({kind: spec for kind, spec in own.services.items() if kind not in theirs.services})
    theirs.log_sink = theirs.log_sink or own.log_sink
    return replace(module, registry=theirs)


def brought_by(own: Registry, *, is_own: bool) -> list[str]:
    """Return what a run has from the program's *own* registry, which no command can load again.

    Its strategies and jobs only where *is_own*: else the run has those of an entry.
    """
    kinds = ("strategies", "jobs", "settings") if is_own else ()
    shared = ("exchanges", "frames", "risks", "sizings", "services", "listeners")
    return [kind for kind in (*kinds, *shared) if getattr(own, kind)]


def _copy(registry: Registry) -> Registry:
    return Registry(**{field.name: copy(getattr(registry, field.name)) for field in fields(Registry)})


def _file_of(place: str) -> Path | None:
    """Return the file of *place*, `file:line`, if it is one."""
    file = Path(place.rpartition(":")[0]).resolve()
    return file if file.is_file() else None
