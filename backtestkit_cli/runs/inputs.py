"""What a saved run was computed from, beside what is there now: pure comparisons, an `Input` for each part."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.domain.interval import utc_text

_SHOWN_DIGITS = 8


class InputKind(StrEnum):
    """The kinds of what decides a run."""

    STRATEGY_FILE = "strategy file"
    CONFIG = "config"
    PROGRAM = "program"
    CANDLES = "candles"
    VERSION = "version"


class Input(NamedTuple):
    """One part of what a run was computed from; `change` says what became of it since, None for nothing."""

    kind: InputKind
    name: str
    change: str | None = None


def file_inputs(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Input]:
    """Yield every source file by its path; values are SHA-256."""
    for path in sorted({*then, *now}):
        yield Input(InputKind.STRATEGY_FILE, path, _hash_change(then.get(path), now.get(path)))


def _hash_change(then: str | None, now: str | None) -> str | None:
    if then == now:
        return None
    if now is None:
        return "was there, is not now"
    if then is None:
        return "was not there, is now"
    return f"SHA-256 {then[:_SHOWN_DIGITS]}… then, {now[:_SHOWN_DIGITS]}… now"


def config_inputs(file: str, then: LoadedConfig, now: LoadedConfig) -> list[Input]:
    """Return the keys for which the config *file* gives other values now than it gave then, or else the file."""
    before, after = ({key: value for key, value, _ in describe(loaded)} for loaded in (then, now))
    changed = [
        Input(InputKind.CONFIG, key, f"{before.get(key, 'not there')} then, {after.get(key, 'not there')} now")
        for key in (*before, *(after.keys() - before.keys()))
        if before.get(key) != after.get(key)
    ]
    return changed or [Input(InputKind.CONFIG, file)]


def program_inputs(brought: Iterable[str]) -> Iterator[Input]:
    """Yield what of the run its program registered, which no command can load."""
    for kind in brought:
        yield Input(InputKind.PROGRAM, kind, "registered by the program that started the run, not there now")


def version_inputs(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Input]:
    """Yield the version of each package that a run depends on."""
    for name in sorted({*then, *now}):
        old, new = then.get(name, "none"), now.get(name, "none")
        yield Input(InputKind.VERSION, name, None if old == new else f"{old} then, {new} now")


def candle_inputs(
    then: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Mapping[str, Any]],
    *,
    missing: Mapping[str, str],
    first_difference: Callable[[str], int | None],
) -> Iterator[Input]:
    """Yield the candles of every symbol.

    Args:
        then: `count` and `fingerprint` of what was read, by symbol.
        now: The same of what is read now.
        missing: Why the candles of a symbol cannot be had now.
        first_difference: Returns the time (Unix ms) of the first candle of a symbol that is known to differ.
    """
    for symbol in sorted({*then, *now, *missing}):
        yield Input(InputKind.CANDLES, symbol, _candle_change(symbol, then, now, missing, first_difference))


def _candle_change(
    symbol: str,
    then: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, str],
    first_difference: Callable[[str], int | None],
) -> str | None:
    if symbol in missing:
        return missing[symbol]
    if symbol not in now:
        return "were read then, are not now"
    if symbol not in then:
        return "were not read then, are now"
    old, new = then[symbol], now[symbol]
    if old["fingerprint"] == new["fingerprint"]:
        return None
    said = f"fingerprint {old['fingerprint'][:_SHOWN_DIGITS]}… then, {new['fingerprint'][:_SHOWN_DIGITS]}… now"
    if old["count"] != new["count"]:
        said += f"; {old['count']:,} then, {new['count']:,} now"
    at_ms = first_difference(symbol)
    return said if at_ms is None else f"{said}; the first to differ is that of {utc_text(at_ms)}"
