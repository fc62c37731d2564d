"""Partial levels that the positions of a run reached: each of them, and how many."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.events.facts import LossLevelReached, ProfitLevelReached


class PartialAction(StrEnum):
    """On which side of the entry a level lies."""

    PROFIT = "profit"
    LOSS = "loss"


class PartialRow(NamedTuple):
    """One level that one position reached.

    `timestamp` is Unix ms, `level` percent (10, 20 … 100) on the `partial_basis` of the settings, `price` the
    price of the tick before slippage, `position` the side, `mode` what kind of run it was.
    """

    timestamp: int
    action: PartialAction
    strategy: str
    symbol: str
    signal_id: str
    position: Side
    level: int
    price: float
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialStatistics:
    """How often levels were reached; `profit_levels` and `loss_levels` map a level in percent to a count, rising.

    `rows` are in the order of the events, all of them.
    """

    total_events: int
    profit_events: int
    loss_events: int
    profit_levels: dict[int, int]
    loss_levels: dict[int, int]
    rows: tuple[PartialRow, ...]


def partial_statistics(outcome: RunOutcome, strategy: str | None = None) -> PartialStatistics:
    """Return the partial levels that positions of *strategy*, or of all strategies, reached."""
    rows = tuple(
        PartialRow(
            timestamp=event.at_ms,
            action=PartialAction.PROFIT if isinstance(event, ProfitLevelReached) else PartialAction.LOSS,
            strategy=event.strategy,
            symbol=event.symbol,
            signal_id=event.position.id,
            position=event.position.side,
            level=event.level,
            price=event.price,
            mode=outcome.facts.mode,
        )
        for event in outcome.events
        if isinstance(event, ProfitLevelReached | LossLevelReached) and strategy in (None, event.strategy)
    )
    counts = {
        action: dict(sorted(Counter(row.level for row in rows if row.action is action).items()))
        for action in PartialAction
    }
    return PartialStatistics(
        total_events=len(rows),
        profit_events=sum(counts[PartialAction.PROFIT].values()),
        loss_events=sum(counts[PartialAction.LOSS].values()),
        profit_levels=counts[PartialAction.PROFIT],
        loss_levels=counts[PartialAction.LOSS],
        rows=rows,
    )
