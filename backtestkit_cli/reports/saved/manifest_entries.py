"""The entries of a manifest that reading it relies on, and which of them is not as a run writes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias

from backtestkit_cli.analytics.outcome import CandleFacts, Failure
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.reports.saved.run_folder import HASHES

_Check: TypeAlias = Callable[[Any], bool]


def odd_entry(manifest: Mapping[str, Any]) -> str | None:
    """Return what is expected of the first entry that is not as a run writes it, and what is there; None for none."""
    for name, (expected, is_so) in _ENTRIES.items():
        if name not in manifest:
            return f"expected `{name}` {expected}, found no {name!r}"
        value = manifest[name]
        if not is_so(value):
            return f"expected `{name}` {expected}, found {'null' if value is None else 'something else'}"
    return None


def _is(*kinds: type) -> _Check:
    # JSON tells true from 1, which Python takes for a whole number too.
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _object(**entries: _Check) -> _Check:
    return lambda value: (
        isinstance(value, dict) and all(name in value and is_so(value[name]) for name, is_so in entries.items())
    )


def _object_with(names: Iterable[str]) -> _Check:
    return _object(**dict.fromkeys(names, _anything))


def _anything(_value: object) -> bool:
    return True


def _named(is_so: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(is_so, value.values()))


def _list_of(is_so: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(is_so, value))


def _is_gap(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


def _is_failure(value: object) -> bool:
    return value is None or value in list(Failure)


def _is_candles(value: object) -> bool:
    return _object(gaps=_list_of(_is_gap))(value) and set(value) == _CANDLES  # type: ignore[call-overload]


_CANDLES: Final = {field.name for field in fields(CandleFacts)}
_SETTINGS: Final = [field.name for field in fields(Settings)]
_SESSION: Final[Mapping[str, _Check]] = {
    "strategy": _is(str),
    "symbol": _is(str),
    "trades": _is(int),
    "events": _is(dict),
    "failure": _is_failure,
    **dict.fromkeys(("total_pnl_pct", "net_quote", "error"), _anything),
}
_ENTRIES: Final[Mapping[str, tuple[str, _Check]]] = {
    "mode": ("to be text", _is(str)),
    "exchange": ("to be text", _is(str)),
    "source": ("to be an object", _is(dict)),
    "is_synthetic": ("to be true or false", _is(bool)),
    "versions": ("with btk", _object(btk=_is(str))),
    "frame": ("with name, start and end", _object(name=_is(str), start=_is(int), end=_is(int))),
    "symbols": ("to be a list of texts", _list_of(_is(str))),
    "strategies": (
        "with source_sha256, files and note of each",
        _named(_object_with(("source_sha256", "files", "note"))),
    ),
    "settings": ("of each strategy with all their names", _named(_object_with(_SETTINGS))),
    "candles": (f"of each symbol with {', '.join(sorted(_CANDLES))}", _named(_is_candles)),
    "sessions": (
        "to be a list, each with strategy, symbol, trades, total_pnl_pct, net_quote, events, failure and error",
        _list_of(_object(**_SESSION)),
    ),
    HASHES: ("with the hash of each file", _is(dict)),
}
