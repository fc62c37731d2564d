"""Signals that waited for their entry price: what became of each, and how long it waited."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from backtestkit_cli.analytics.arithmetic import average, percent
from backtestkit_cli.domain.interval import MINUTE_MS

SCHEDULE_KINDS: Final = ("signal_scheduled", "signal_cancelled", "position_opened")
"""The kinds of events that this is about."""


class ScheduleAction(StrEnum):
    """What happened to a signal that waits."""

    SCHEDULED = "scheduled"
    OPENED = "opened"
    CANCELLED = "cancelled"


class ScheduleRow(NamedTuple):
    """One thing that happened to a signal that waited.

    `timestamp` is Unix ms, `price_open` the price it waited for, `minutes` how long it had waited, None as it began
    to. `reason` is that of a cancellation.
    """

    timestamp: int
    action: ScheduleAction
    strategy: str
    symbol: str
    signal_id: str
    position: str
    note: str
    price_open: float | None
    take_profit: float | None
    stop_loss: float | None
    minutes: float | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatistics:
    """What became of the signals that waited; a signal that opened at once is none of them.

    Attributes:
        scheduled, opened, cancelled: Signals that began to wait, and how their waiting ended.
        cancellation_rate_pct: cancelled / scheduled, None where none waited.
        activation_rate_pct: opened / scheduled.
        avg_wait_cancelled_minutes: From scheduling to cancellation, None where none was cancelled.
        avg_wait_opened_minutes: From scheduling to opening, None where none opened.
        by_reason: Cancellations by their reason, most frequent first.
        rows: All of it in the order of the events.
    """

    scheduled: int
    opened: int
    cancelled: int
    cancellation_rate_pct: float | None
    activation_rate_pct: float | None
    avg_wait_cancelled_minutes: float | None
    avg_wait_opened_minutes: float | None
    by_reason: dict[str, int]
    rows: tuple[ScheduleRow, ...]


def schedule_statistics(rows_of_events: Iterable[Mapping[str, Any]]) -> ScheduleStatistics:
    """Return what *rows_of_events* say, which are of `SCHEDULE_KINDS` and in the order of the run."""
    waiting: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    rows: list[ScheduleRow] = []
    for event in rows_of_events:
        key = event["strategy"], event["symbol"], event["signal_id"]
        if event["event"] == "signal_scheduled":
            waiting[key] = event
            rows.append(_row(ScheduleAction.SCHEDULED, event, event))
        elif key in waiting:
            is_open = event["event"] == "position_opened"
            rows.append(_row(ScheduleAction.OPENED if is_open else ScheduleAction.CANCELLED, event, waiting.pop(key)))
    waits = {
        action: [row.minutes for row in rows if row.action is action and row.minutes is not None]
        for action in (ScheduleAction.OPENED, ScheduleAction.CANCELLED)
    }
    opened, cancelled = waits[ScheduleAction.OPENED], waits[ScheduleAction.CANCELLED]
    scheduled = sum(row.action is ScheduleAction.SCHEDULED for row in rows)
    return ScheduleStatistics(
        scheduled=scheduled,
        opened=len(opened),
        cancelled=len(cancelled),
        cancellation_rate_pct=percent(len(cancelled), scheduled),
        activation_rate_pct=percent(len(opened), scheduled),
        avg_wait_cancelled_minutes=average(cancelled),
        avg_wait_opened_minutes=average(opened),
        by_reason=dict(Counter(row.reason for row in rows if row.reason is not None).most_common()),
        rows=tuple(rows),
    )


def _row(action: ScheduleAction, event: Mapping[str, Any], scheduled: Mapping[str, Any]) -> ScheduleRow:
    has_waited = action is not ScheduleAction.SCHEDULED
    return ScheduleRow(
        timestamp=event["at"],
        action=action,
        strategy=event["strategy"],
        symbol=event["symbol"],
        signal_id=event["signal_id"],
        position=scheduled["side"],
        note=scheduled["note"],
        price_open=scheduled["price_open"],
        take_profit=scheduled["take_profit"],
        stop_loss=scheduled["stop_loss"],
        minutes=(event["at"] - scheduled["at"]) / MINUTE_MS if has_waited else None,
        reason=event["reason"] if action is ScheduleAction.CANCELLED else None,
    )
