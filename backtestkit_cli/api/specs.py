"""What is known of each registered thing, as a value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.risk import RiskCheck, Rule
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.domain.sizing import Sizing
from backtestkit_cli.events.bus import Handler

GetSignal: TypeAlias = Callable[[str, datetime, float], Any]
"""`get_signal(symbol, when, price)`: returns a Signal, None, or an awaitable of either."""
Columns: TypeAlias = Callable[[Candles], Any]
"""A function of whole candle columns that returns named columns of the same length: a mapping or a polars frame."""

Validator: TypeAlias = Callable[[Signal, float], str | None]
"""`validate(signal, price)`: returns why the signal must not be, or None where nothing speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySpec:
    """A registered strategy; exactly one of `get_signal` and `entries` is set.

    `validators` are asked in order about a signal that keeps the rules; `plugins` are objects, or classes
    of which every run makes its own.
    """

    name: str
    interval: str
    get_signal: GetSignal | None
    entries: Columns | None
    indicators: Mapping[str, Columns]
    warm_up: Mapping[str, int]
    settings: Mapping[str, Any]
    callbacks: Mapping[type, Handler[Any]]
    risk: tuple[str, ...]
    sizing: str | None
    validators: tuple[Validator, ...]
    plugins: tuple[object, ...]
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSpec:
    """A registered candle source: its kind and the options of that kind."""

    name: str
    kind: str
    options: Mapping[str, Any]
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """A named history window `[start_ms, end_ms)`."""

    name: str
    start_ms: int
    end_ms: int
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSpec:
    """A registered risk profile: rules in the order they are asked, and who hears of each decision."""

    name: str
    rules: tuple[Rule, ...]
    on_allowed: Callable[[RiskCheck], Any] | None
    on_rejected: Callable[[RiskCheck, str], Any] | None
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingSpec:
    """A registered way to size entries."""

    name: str
    sizing: Sizing
    note: str
    where: str


ALL_SYMBOLS = ("all",)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A registered job; exactly one of `every` (an interval) and `cron` (five fields, UTC) is set.

    With `symbols` it is called once for each of them at every boundary, without once in all; `ALL_SYMBOLS` stands
    for those of the run until it is known which these are.
    """

    name: str
    every: str | None
    cron: str | None
    symbols: tuple[str, ...] | None
    handler: Callable[..., Any]
    note: str
    where: str


class GivenSetting(NamedTuple):
    """A value that `set_config` gives a setting, and the line that gave it."""

    value: object
    where: str


LogSink: TypeAlias = Callable[[int, str, Mapping[str, str]], None]
"""Takes a line of the internals: its level, as of `logging`, its text, and the names it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A service by its class, and what makes the one of a run."""

    kind: type
    factory: Callable[[], Any]
    where: str


class Named(Protocol):
    """Whatever is registered under a name."""

    @property
    def name(self) -> str:
        """Return the name."""
        ...

    @property
    def where(self) -> str:
        """Return the place of registration, `file:line`."""
        ...
