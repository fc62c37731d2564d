"""Everything a strategy module registers by name."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from backtestkit_cli.api.arguments import check_count, check_interval, instant
from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.exchange_class import cache_option, check_exchange_class
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.events.bus import Audience, Handler, Listener
from backtestkit_cli.events.facts import (
    PositionActive,
    PositionClosed,
    PositionOpened,
    SessionIdle,
    SignalCancelled,
    SignalScheduled,
    TickPassed,
)

GetSignal: TypeAlias = Callable[[str, datetime, float], Any]
"""`get_signal(symbol, when, price)`: returns a Signal, None, or an awaitable of either."""
Columns: TypeAlias = Callable[[Candles], Any]
"""A function of whole candle columns that returns named columns of the same length: a mapping or a polars frame."""

E = TypeVar("E")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySpec:
    """A registered strategy; exactly one of `get_signal` and `entries` is set."""

    name: str
    interval: str
    get_signal: GetSignal | None
    entries: Columns | None
    indicators: Mapping[str, Columns]
    warm_up: Mapping[str, int]
    settings: Mapping[str, Any]
    callbacks: Mapping[type, Handler[Any]]
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


N = TypeVar("N", bound=Named)


@dataclass(slots=True)
class Registry:
    """What has been registered so far; a run gets one of its own."""

    strategies: dict[str, StrategySpec] = field(default_factory=dict)
    exchanges: dict[str, ExchangeSpec] = field(default_factory=dict)
    frames: dict[str, FrameSpec] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)


def pick(kind: str, name: str, table: Mapping[str, N], *, where: str = "") -> N:
    """Return the entry called *name*, for which *where* asks.

    Raises:
        UnknownNameError: there is none; the message names the nearest.
    """
    if name not in table:
        raise UnknownNameError(kind, name, table, where=where)
    return table[name]


_registry: ContextVar[Registry] = ContextVar("btk_registry")


def registry() -> Registry:
    """Return the registry that registrations go to: that of the module being loaded, or the program's own."""
    found = _registry.get(None)
    if found is None:
        found = Registry()
        _registry.set(found)
    return found


@contextmanager
def registering_in(target: Registry) -> Iterator[Registry]:
    """Send registrations to *target* within the block."""
    token = _registry.set(target)
    try:
        yield target
    finally:
        _registry.reset(token)


def _add(kind: str, entry: N, table: dict[str, N]) -> None:
    name: object = entry.name
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{entry.where}: a {kind} needs a name, was {name!r}")
    if entry.name in table:
        raise ConfigError(
            f"{entry.where}: {kind} {entry.name!r} is registered twice, first at {table[entry.name].where}"
        )
    table[entry.name] = entry


def _caller() -> str:
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to name the line that registers
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def add_strategy(  # noqa: PLR0913 - one keyword a part, most are left out
    name: str,
    *,
    interval: str = "1m",
    get_signal: GetSignal | None = None,
    entries: Columns | None = None,
    indicators: Columns | Mapping[str, Columns] | None = None,
    warm_up: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    note: str = "",
    on_schedule: Handler[SignalScheduled] | None = None,
    on_open: Handler[PositionOpened] | None = None,
    on_active: Handler[PositionActive] | None = None,
    on_close: Handler[PositionClosed] | None = None,
    on_cancel: Handler[SignalCancelled] | None = None,
    on_tick: Handler[TickPassed] | None = None,
    on_idle: Handler[SessionIdle] | None = None,
) -> None:
    """Register a strategy: either `get_signal`, asked once per slot of *interval*, or `entries`, whole columns.

    Args:
        name: How configs and reports call it.
        interval: `1m` … `1d`, the slot of `get_signal` or the candles of `entries`.
        get_signal: `(symbol, when, price)` → `Signal` or None, sync or async.
        entries: `candles` → columns `side` (1, -1, 0), `take_profit`, `stop_loss`, and optionally
            `price_open`, `minutes`, `cost`; row *i* may use rows up to *i*. A flat session takes the row of
            the newest closed candle, once a slot, just as it would ask `get_signal`.
        indicators: `candles` → named columns, read with `get_indicator`; of the strategy's interval,
            or a mapping from interval to function.
        warm_up: Closed candles needed before the frame starts, by interval: `{"1h": 50}`.
        settings: Defaults of this strategy for the run's settings; config and flags override them.
        note: One line for people.
        on_schedule: A signal of this strategy waits for its entry.
        on_open: A position opened.
        on_active: Every minute that a position stays open; the place for commands.
        on_close: A position became a trade.
        on_cancel: A waiting signal ended without opening.
        on_tick: Every minute of the frame.
        on_idle: Every minute with nothing open and nothing waiting.

    Raises:
        ConfigError: the name is taken, or the parts contradict each other.
    """
    where = _caller()
    if (get_signal is None) == (entries is None):
        raise ConfigError(f"{where}: strategy {name!r} needs either get_signal or entries, and not both")
    by_interval = {interval: indicators} if callable(indicators) else dict(indicators or {})
    for text in (interval, *by_interval, *(warm_up or {})):
        check_interval(text, where)
    for text, count in (warm_up or {}).items():
        check_count(text, count, where)
    pairs = (
        (SignalScheduled, on_schedule),
        (PositionOpened, on_open),
        (PositionActive, on_active),
        (PositionClosed, on_close),
        (SignalCancelled, on_cancel),
        (TickPassed, on_tick),
        (SessionIdle, on_idle),
    )
    spec = StrategySpec(
        name=name,
        interval=interval,
        get_signal=get_signal,
        entries=entries,
        indicators=by_interval,
        warm_up=dict(warm_up or {}),
        settings=dict(settings or {}),
        callbacks={kind: handler for kind, handler in pairs if handler is not None},
        note=note,
        where=where,
    )
    _add("strategy", spec, registry().strategies)


def add_exchange(name: str, *, kind: str | None = None, source: object = None, note: str = "", **options: Any) -> None:  # noqa: ANN401 - options of any kind
    """Register a candle source: one of a *kind* such as `demo`, `csv` or `sql` with its options, or *source*.

    That is a class made without arguments, or an instance, with `get_candles(symbol, interval, since, limit)` (sync
    or async), `format_price(symbol, price)` and `format_quantity(symbol, quantity)`; `cache=True` keeps its candles.

    Raises:
        ConfigError: the name is taken, neither or both of *kind* and *source* are given, or an option is unknown.
        StrategyError: *source* lacks a method, or one takes other arguments.
    """
    where = _caller()
    if (kind is None) == (source is None):
        raise ConfigError(f"{where}: exchange {name!r} needs either kind or source, and not both")
    if source is not None:
        check_exchange_class(source, f"{where}: exchange {name!r}")
        options = {"source": source, "cache": cache_option(options, where)}
    spec = ExchangeSpec(name=name, kind=kind or "class", options=options, note=note, where=where)
    _add("exchange", spec, registry().exchanges)


def add_frame(name: str, *, start: datetime | str, end: datetime | str, note: str = "") -> None:
    """Register a history window `[start, end)`; datetimes or ISO 8601 text, UTC where nothing else is said."""
    where = _caller()
    start_ms, end_ms = (instant(moment, where) for moment in (start, end))
    if start_ms >= end_ms:
        raise ConfigError(f"{where}: frame {name!r} must start before it ends, was {start} to {end}")
    _add("frame", FrameSpec(name=name, start_ms=start_ms, end_ms=end_ms, note=note, where=where), registry().frames)


def listen(
    kind: type[E],
    handler: Handler[E],
    *,
    strategy: str | None = None,
    symbol: str | None = None,
    mode: str | None = None,
    where: Callable[[E], bool] | None = None,
    once: bool = False,
) -> Callable[[], None]:
    """Call *handler* (sync or async) for every event of *kind* that passes the filters; return how to stop it.

    In a strategy module it holds for every run of the module, inside a run for that run. An error in
    a handler is an `ErrorOccurred` event and ends nothing.
    """
    listener = Listener(kind, handler, Audience(strategy=strategy, symbol=symbol, mode=mode), where, once)
    running = ambient.get(None)
    if running is not None:
        return running.bus.subscribe(listener)
    listeners = registry().listeners
    listeners.append(listener)

    def unsubscribe() -> None:
        if listener in listeners:
            listeners.remove(listener)
        inside = ambient.get(None)
        if inside is not None:
            inside.bus.drop(listener)

    return unsubscribe
