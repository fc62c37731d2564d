"""A config as plain values, which a manifest keeps, and the config that they make again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, Final

from backtestkit_cli.config.flat import flat
from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.schema import RunConfig, settings_names
from backtestkit_cli.config.secrets import open_part, without_secrets
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import ConfigError

HIDDEN: Final = "***"
_UNUSED = "store"  # what is run again keeps no state


def snapshot_of(loaded: LoadedConfig) -> dict[str, Any]:
    """Return what a manifest keeps of *loaded*, without secrets.

    `config` has every value, defaults included, as a config file could spell it; `config_settings_given` names the
    settings that go before those of a strategy; `config_given` has what flags and variables said, by dotted key;
    `config_file` and its SHA-256 are None where no file was read.
    """
    return {
        "config": _hidden(_tree(loaded.config), ()),
        "config_settings_given": sorted(loaded.settings_given),
        "config_given": {key: _hidden(_plain(value), tuple(key.split("."))) for key, value in loaded.given.items()},
        "config_file": loaded.file,
        "config_file_sha256": loaded.file_sha256,
    }


def is_snapshot(told: Mapping[str, Any]) -> bool:
    """Say whether *told* has all that `snapshot_of` returns."""
    named, file = told.get("config_settings_given"), told.get("config_file", 0)
    return (
        isinstance(told.get("config"), Mapping)
        and isinstance(told.get("config_given"), Mapping)
        and isinstance(named, list)
        and set(settings_names()).issuperset(map(str, named))
        and isinstance(file, str | None)
        and "config_file_sha256" in told
    )


def from_snapshot(snapshot: Mapping[str, Any], *, where: str, now: LoadedConfig | None = None) -> LoadedConfig:
    """Return the config of *snapshot*, with the secrets that *now*, what its file says today, has in their places.

    Raises:
        ConfigError: it holds what is no config today, or a secret that *now* does not know.
    """
    values = _revealed(snapshot["config"], {} if now is None else _tree(now.config))
    hidden = [place for place in _hidden_places(values) if place[0] != _UNUSED]
    if hidden:
        place = ".".join(hidden[0])
        raise ConfigError(f"{where}: config.{place}: expected a password, found it hidden; write it as ${{NAME}}")
    loaded = load_config(
        None, flags=values, sets=(), environ={}, dotenv=None, required=(), default=None, called=lambda _: where
    )
    names = snapshot["config_settings_given"]
    return replace(
        loaded,
        settings_given={name: getattr(loaded.config.settings, name) for name in names},
        given=snapshot["config_given"],
        file=snapshot["config_file"],
        file_sha256=snapshot["config_file_sha256"],
    )


def resolved_now(
    snapshot: Mapping[str, Any], *, built_in: Callable[[str], Mapping[str, object] | None]
) -> LoadedConfig | None:
    """Return what the flags of *snapshot* and its config file, as that is today, make; None where there was no file.

    Raises:
        ConfigError: the file is gone, or wrong.
    """
    if snapshot["config_file"] is None:
        return None
    return load_config(
        Path(snapshot["config_file"]),
        flags={},
        sets=[f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in snapshot["config_given"].items()],
        environ={},
        dotenv=None,
        required=(),
        built_in=built_in,
    )


def _tree(config: RunConfig) -> dict[str, Any]:
    """Return the values of *config* as nested mappings; an empty collection is as one that is not there."""
    tree: dict[str, Any] = {}
    for key, value in flat(config).items():
        *parents, last = map(str, key)
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        if isinstance(value, int) and key[0] in {"frame", "frames"}:
            node[last] = utc_text(value)
        elif value != ():
            node[last] = _plain(value)
    return tree


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON can hold
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case PurePath():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            return value


def _hidden(value: Any, key: Key) -> Any:  # noqa: ANN401 - see above
    match open_part(key, value):
        case dict():
            return {name: _hidden(part, (*key, name)) for name, part in value.items()}
        case list():
            return [_hidden(part, key) for part in value]
        case str(text):
            return without_secrets(text)
        case _:
            return value


def _revealed(value: Any, now: Any) -> Any:  # noqa: ANN401 - see above
    """Return *value* with the texts of *now* that are the same but for their secrets."""
    if isinstance(value, dict):
        known = now if isinstance(now, dict) else {}
        return {name: _revealed(part, known.get(name)) for name, part in value.items()}
    is_same = isinstance(value, str) and isinstance(now, str) and without_secrets(now) == value
    return now if is_same else value


def _hidden_places(value: Any) -> list[tuple[str, ...]]:  # noqa: ANN401 - see above
    if isinstance(value, dict):
        return [(name, *place) for name, part in value.items() for place in _hidden_places(part)]
    return [()] if isinstance(value, str) and HIDDEN in value else []
