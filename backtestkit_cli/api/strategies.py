"""Registering strategies."""

from collections.abc import Iterable, Mapping
from typing import Any

from backtestkit_cli.api.arguments import check_count, check_interval
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import Columns, GetSignal, StrategySpec
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.events.bus import Handler
from backtestkit_cli.events.facts import (
    PositionActive,
    PositionClosed,
    PositionOpened,
    SessionIdle,
    SignalCancelled,
    SignalScheduled,
    TickPassed,
)


def add_strategy(  # noqa: PLR0913 - one keyword a part, most are left out
    name: str,
    *,
    interval: str = "1m",
    get_signal: GetSignal | None = None,
    entries: Columns | None = None,
    indicators: Columns | Mapping[str, Columns] | None = None,
    warm_up: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    risk: str | Iterable[str] = (),
    sizing: str | None = None,
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
        risk: The risk profile its signals must pass, or several.
        sizing: The sizing of its entries that name no `cost`.
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
    where = caller()
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
        risk=(risk,) if isinstance(risk, str) else tuple(risk),
        sizing=sizing,
        note=note,
        where=where,
    )
    add("strategy", spec, registry().strategies)
