"""What the calling program itself has registered, alone or beside what an entry registers."""

import hashlib
import sys
from copy import copy
from dataclasses import fields, replace
from pathlib import Path

from backtestkit_cli.api.registry import Registry, add
from backtestkit_cli.runs.strategy_file import LoadedStrategies


def strategies_of_program(own: Registry) -> LoadedStrategies:
    """Return what the program registered in *own*, as it stands now; what it registers later is for later runs."""
    origin = Path(sys.argv[0]).name or "the program"
    return LoadedStrategies(_copy(own), origin, {s.name: _hash_at(s.where) for s in own.strategies.values()})


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


def _copy(registry: Registry) -> Registry:
    return Registry(**{field.name: copy(getattr(registry, field.name)) for field in fields(Registry)})


def _hash_at(place: str) -> str:
    """Return the SHA-256 of the file of *place*, `file:line`; of nothing where that is no file."""
    file = Path(place.rpartition(":")[0])
    return hashlib.sha256(file.read_bytes() if file.is_file() else b"").hexdigest()
