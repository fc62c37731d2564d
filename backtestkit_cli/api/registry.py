"""The tables that registrations fill, each by name."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import (
    ExchangeSpec,
    FrameSpec,
    GivenSetting,
    JobSpec,
    LogSink,
    Named,
    RiskSpec,
    ServiceSpec,
    SizingSpec,
    StrategySpec,
)
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.events.bus import Listener

N = TypeVar("N", bound=Named)


@dataclass(slots=True)
class Registry:
    """What has been registered so far; a run gets one of its own."""

    strategies: dict[str, StrategySpec] = field(default_factory=dict)
    exchanges: dict[str, ExchangeSpec] = field(default_factory=dict)
    frames: dict[str, FrameSpec] = field(default_factory=dict)
    risks: dict[str, RiskSpec] = field(default_factory=dict)
    sizings: dict[str, SizingSpec] = field(default_factory=dict)
    jobs: dict[str, JobSpec] = field(default_factory=dict)
    services: dict[type, ServiceSpec] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    settings: dict[str, GivenSetting] = field(default_factory=dict)
    log_sink: LogSink | None = None


def pick(kind: str, name: str, table: Mapping[str, N], *, where: str = "") -> N:
    """Return the entry called *name*, for which *where* asks.

    Raises:
        UnknownNameError: there is none; the message names the nearest.
    """
    if name not in table:
        raise UnknownNameError(kind, name, table, where=where)
    return table[name]


_PROGRAMS_OWN = Registry()
_registry: ContextVar[Registry] = ContextVar("btk_registry", default=_PROGRAMS_OWN)


def registry() -> Registry:
    """Return the registry that registrations go to: that of the module being loaded, or the program's own."""
    return _registry.get()


@contextmanager
def registering_in(target: Registry) -> Iterator[Registry]:
    """Send registrations to *target* within the block."""
    token = _registry.set(target)
    try:
        yield target
    finally:
        _registry.reset(token)


def add(kind: str, entry: N, table: dict[str, N]) -> None:
    """Put *entry* into *table*.

    Raises:
        ConfigError: it has no name, or its name is taken; the message names both places.
    """
    if ambient.get(None) is not None and _registry.get(None) is None:
        raise ConfigError(f"{entry.where}: a {kind} is registered before a run begins, found inside one")
    name: object = entry.name
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{entry.where}: a {kind} needs a name, was {name!r}")
    if entry.name in table:
        raise ConfigError(
            f"{entry.where}: {kind} {entry.name!r} is registered twice, first at {table[entry.name].where}"
        )
    table[entry.name] = entry


def caller() -> str:
    """Return the line, `file:line`, that called the function that asks."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to name the line that registers
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
