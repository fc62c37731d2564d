"""What the command line sets: `--set key=value`, and flags named by config key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

from backtestkit_cli.config.layers import Override
from backtestkit_cli.config.origins import Mistake, Origin, Rank
from backtestkit_cli.config.schema import RunConfig, settings_names
from backtestkit_cli.config.store_keys import deepest_in_store
from backtestkit_cli.config.wording import found, near
from backtestkit_cli.config.yaml_file import parse_value
from backtestkit_cli.errors import suggestion
from backtestkit_cli.policies.risk.catalogue import RULES, has_parts

_DEPTHS = {
    "settings": 2,
    "exchange": 2,
    "frame": 2,
    "exchanges": 3,
    "frames": 3,
    "sizings": 4,
    "risks": 3,
    "groups": 2,
    "portfolio": 2,
    "trading": 2,
    "paper": 2,
    "alerts": 3,
}
_ENDS = ("from", "to")
_SET = Origin(Rank.SET, "flag --set")


def from_sets(sets: Sequence[str]) -> Iterator[Override | Mistake]:
    """Yield what each `key=value` sets; the value is a YAML scalar, `[list]` or `{mapping}`."""
    for text in sets:
        name, sign, raw = (part.strip() for part in text.partition("="))
        if not sign or not name:
            yield Mistake(_SET, (), f"expected key=value, found {found(text)}")
            continue
        key = _key(name)
        if key is None:
            yield Mistake(_SET, (), f"unknown key {name!r}{_nearest(name)}")
            continue
        try:
            yield Override(key, parse_value(raw), _SET)
        except ValueError:
            yield Mistake(_SET, key, f"expected a YAML value, found {found(raw)}")


def called_flag(name: str) -> str:
    """Return how messages call the flag of the key *name*."""
    return f"flag --{name.replace('_', '-')}"


def from_flags(flags: Mapping[str, object], called: Callable[[str], str] = called_flag) -> Iterator[Override | Mistake]:
    """Yield what each flag sets; a flag that is None was not given. *called* says how messages name it."""
    for name, value in flags.items():
        if value is None:
            continue
        origin = Origin(Rank.FLAG, called(name))
        key = _key(name)
        if key is None:
            yield Mistake(origin, (), f"unknown key {name!r}{_nearest(name)}")
        else:
            yield Override(key, str(value) if isinstance(value, PurePath) else value, origin)


def _key(name: str) -> tuple[str, ...] | None:
    """Return the key called *name*: dotted, or the bare name of a setting or of an end of the frame."""
    parts = tuple(name.split("."))
    if parts[0] in RunConfig.model_fields:
        return parts if all(parts) and len(parts) <= _deepest(parts) else None
    if name in settings_names():
        return ("settings", name)
    return ("frame", name) if name in _ENDS else None


def _deepest(parts: tuple[str, ...]) -> int:
    """Return how many parts a key can have that begins as *parts*."""
    if parts[0] == "store":
        return deepest_in_store(parts[1:])
    return _DEPTHS.get(parts[0], 1) + ("columns" in parts[1:-1] or _may_be_in_parts(parts))


def _may_be_in_parts(parts: tuple[str, ...]) -> bool:
    """Say whether the key is within a risk rule, which is not known to be one value."""
    return parts[0] == "risks" and len(parts) == 4 and (parts[2] not in RULES or has_parts(RULES[parts[2]]))


def _nearest(name: str) -> str:
    settings = (f"settings.{setting}" for setting in settings_names())
    names = (*RunConfig.model_fields, *settings_names(), *_ENDS, *settings)
    return near(name, names) or suggestion(name, RunConfig.model_fields)
