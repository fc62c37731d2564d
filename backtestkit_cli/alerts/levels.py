"""How grave an event is for somebody who is elsewhere, and who wants to hear of it."""

import logging
from dataclasses import dataclass

from backtestkit_cli.domain.alerts import AlertLevel
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.events.facts import Event, JobRan, PortfolioStopped, PositionClosed, SignalRefused
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.lines import level_of
from backtestkit_cli.events.venue_facts import OrderFilled

RANKS = {level: rank for rank, level in enumerate(AlertLevel)}
FREQUENT = frozenset(map(event_kind, (JobRan, OrderFilled, SignalRefused)))
"""Kinds that are told only where they are asked for by name: there are many, or others say the same."""

_BY_LOGGING = {logging.INFO: AlertLevel.INFO, logging.WARNING: AlertLevel.WARNING, logging.ERROR: AlertLevel.ERROR}


def alert_level(event: Event) -> AlertLevel:
    """Return the level of *event*: that of the log, but what ends all trading or came from outside is an error."""
    if isinstance(event, PortfolioStopped):
        return AlertLevel.ERROR
    if isinstance(event, PositionClosed) and event.trade.reason is CloseReason.LIQUIDATED_ELSEWHERE:
        return AlertLevel.ERROR
    return _BY_LOGGING[level_of(event)]


@dataclass(frozen=True, slots=True)
class Interest:
    """What one place wants to hear: events of at least `min_level`, of the kinds `events` or, if None, of most."""

    min_level: AlertLevel = AlertLevel.INFO
    events: frozenset[str] | None = None

    def includes(self, kind: str, level: AlertLevel) -> bool:
        """Say whether an event of *kind* and *level* is told."""
        is_asked_for = kind not in FREQUENT if self.events is None else kind in self.events
        return is_asked_for and RANKS[level] >= RANKS[self.min_level]
