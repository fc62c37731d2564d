"""Partial levels that the positions of a run reached: each of them, and how many."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from backtestkit_cli.domain.signal import Side

LEVEL_KINDS: Final = ("profit_level_reached", "loss_level_reached")
"""The kinds of events that this is about."""


_SIDES = {side.value: side for side in Side}


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


def partial_statistics(rows_of_events: Iterable[Mapping[str, Any]], mode: str) -> PartialStatistics:
    """Return the partial levels among *rows_of_events*, which are of `LEVEL_KINDS`, of a run of this *mode*."""
    rows = tuple(
        PartialRow(
            timestamp=row["at"],
            action=PartialAction.PROFIT if row["event"] == LEVEL_KINDS[0] else PartialAction.LOSS,
            strategy=row["strategy"],
            symbol=row["symbol"],
            signal_id=row["signal_id"],
            position=_SIDES[row["side"]],
            level=row["level"],
            price=math.nan if row["price"] is None else row["price"],
            mode=mode,
        )
        for row in rows_of_events
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
