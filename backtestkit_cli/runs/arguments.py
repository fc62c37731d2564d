"""What a program says about a run: the flags of the command line, as keywords."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypedDict

from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.runs.sources import venue_called


class RunArguments(TypedDict, total=False):
    """The keywords of a run; None says as little as leaving one out. Lists may be texts with commas."""

    config: str | Path | None
    entry: str | Path | None
    strategy: str | Sequence[str] | None
    symbols: str | Sequence[str] | None
    exchange: str | Mapping[str, object] | None
    frame: str | None
    start: datetime | str | None
    end: datetime | str | None
    settings: Mapping[str, object] | None
    portfolio: Mapping[str, object] | None
    groups: Mapping[str, Sequence[str]] | None
    risk: str | Sequence[str] | None
    risks: Mapping[str, Mapping[str, object]] | None
    sizing: str | None
    sizings: Mapping[str, Mapping[str, object]] | None
    fill_model: str | None
    out: str | Path | None
    data: str | Path | None
    cache: bool | None
    offline: bool | None
    max_concurrent: int | None


_KEYS: Final = {"start": "from", "end": "to"}  # those that a config calls otherwise
_ARGUMENTS: Final = {key: argument for argument, key in _KEYS.items()}


def load_arguments(what: Mapping[str, object], *, needs_entry: bool) -> LoadedConfig:
    """Return the config that *what*, the environment, `.env` and the file named by `config` make together.

    Raises:
        ConfigError: something is wrong, with the messages of the command line.
    """
    unknown = what.keys() - RunArguments.__annotations__.keys()
    if unknown:
        raise UnknownNameError("argument", min(unknown), RunArguments.__annotations__)
    config = what.get("config")
    if not isinstance(config, str | Path | None):
        raise ConfigError(f"argument config: expected a path, found {config!r}")
    flags = {_KEYS.get(name, name): value for name, value in what.items() if name != "config"}
    if isinstance(names := flags.get("strategy"), str):
        flags["strategy"] = names.split(",")
    return load_config(
        None if config is None else Path(config),
        flags=flags,
        sets=(),
        environ=os.environ,
        dotenv=Path(".env"),
        required=("symbols", "entry", "frame") if needs_entry else ("symbols", "frame"),
        built_in=venue_called,
        default=None,
        called=lambda key: f"argument {_ARGUMENTS.get(key, key)}",
    )
