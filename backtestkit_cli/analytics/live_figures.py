"""What a strategy does, event by event, and what its closed positions come to so far: figures of a run under way."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from backtestkit_cli.analytics.trade_figures import TradeFigures, figures_of_pnl
from backtestkit_cli.domain.interval import MINUTE_MS

EventRow: TypeAlias = Mapping[str, Any]

ACTIONS: Final = {
    "signal_scheduled": "scheduled",
    "signal_cancelled": "cancelled",
    "signal_invalid": "invalid",
    "signal_refused": "refused",
    "position_opened": "opened",
    "position_averaged": "averaged",
    "position_reduced": "reduced",
    "profit_level_reached": "profit level",
    "loss_level_reached": "loss level",
    "stop_moved": "stop moved",
    "target_moved": "target moved",
    "command_refused": "command refused",
    "error_occurred": "error",
    "position_closed": "closed",
}
"""What an event is called; a kind that is not here is called as it is, with spaces."""

CLOSED: Final = ACTIONS["position_closed"]


_PRICES: Final = ("price_open", "take_profit", "stop_loss")


class LiveRow(NamedTuple):
    """One event; None where it has no such thing.

    `timestamp` is Unix ms. Prices are before slippage: `price_current` that of the tick, `price_open` the effective
    entry (of a waiting signal, the price it waits for); levels are those in force after the event. `pnl_pct` is net.
    `minutes` is how long the position has been open. `note` is that of the signal, or what was wrong.
    """

    timestamp: int
    action: str
    symbol: str
    signal_id: str | None
    position: str | None
    note: str
    price_current: float | None
    price_open: float | None
    take_profit: float | None
    stop_loss: float | None
    pnl_pct: float | None
    close_reason: str | None
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatistics:
    """`figures` are those of the closed rows, in their order; `rows` are all events, oldest first."""

    total_events: int
    figures: TradeFigures
    rows: tuple[LiveRow, ...]


@dataclass(frozen=True, slots=True)
class _Signal:
    """What earlier events said of a signal and a later one does not repeat."""

    side: str | None = None
    note: str = ""
    price_open: float | None = None
    take_profit: float | None = None
    stop_loss: float | None = None
    opened_at: int | None = None


def live_statistics(rows_of_events: Iterable[EventRow]) -> LiveStatistics:
    """Return what *rows_of_events*, all those of a strategy in their order, come to."""
    signals: dict[tuple[str, str], _Signal] = {}
    rows = []
    for event in rows_of_events:
        key = (event["symbol"], event.get("signal_id", ""))
        signal = signals[key] = _after(event, signals.get(key, _Signal()) if key[1] else _Signal())
        rows.append(_row(event, signal))
    closed = [row for row in rows if row.action == CLOSED]
    pnl = np.array([np.nan if row.pnl_pct is None else row.pnl_pct for row in closed], np.float64)
    held = [row.minutes for row in closed if row.minutes is not None]
    return LiveStatistics(
        total_events=len(rows),
        figures=replace(figures_of_pnl(pnl), avg_minutes=sum(held) / len(held) if held else None),
        rows=tuple(rows),
    )


def _after(event: EventRow, signal: _Signal) -> _Signal:
    """Return what is known of *signal* with what *event* says of it."""
    known: dict[str, Any] = {name: event[name] for name in ("side", "note") if event.get(name) is not None}
    known |= {name: _number(event[name]) for name in _PRICES if event.get(name) is not None}
    if event["event"] == "position_opened":
        known |= {"price_open": event["price"], "opened_at": event["at"]}
    if event["event"] == "position_closed":
        known["opened_at"] = event["opened_at"]
    if event.get("price_effective") is not None:
        known["price_open"] = event["price_effective"]
    return replace(signal, **known)


def _row(event: EventRow, signal: _Signal) -> LiveRow:
    kind = event["event"]
    is_close = kind == "position_closed"
    action = ACTIONS.get(kind, kind.replace("_", " "))
    opened_at = signal.opened_at
    return LiveRow(
        timestamp=event["at"],
        action=f"{action} {event['level']} %" if "level" in event else action,
        symbol=event["symbol"],
        signal_id=event.get("signal_id"),
        position=None if signal.side is None else str(signal.side),
        note=_TELLS[kind](event) if kind in _TELLS else signal.note,
        price_current=_number(event.get("price")),
        price_open=signal.price_open,
        take_profit=signal.take_profit,
        stop_loss=signal.stop_loss,
        pnl_pct=event["pnl_pct"] if is_close else None,
        close_reason=event["reason"] if is_close or kind == "signal_cancelled" else None,
        minutes=None if opened_at is None else (event["at"] - opened_at) / MINUTE_MS,
    )


def _number(value: object) -> float | None:
    """Return *value* as a price; levels of a signal are what an author wrote, a number or a ladder's text."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# What went wrong is worth more than the note of the signal.
_TELLS: Final[dict[str, Callable[[EventRow], str]]] = {
    "signal_invalid": lambda event: "; ".join(event["problems"]),
    "signal_refused": lambda event: f"{event['profile']}.{event['rule']}: {event['reason']}",
    "command_refused": lambda event: f"{event['command']}: {event['problem']}",
    "error_occurred": lambda event: f"{event['source']}: {event['error']}",
}
