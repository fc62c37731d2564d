"""The account that all sessions of a run share, as it is described."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le


class StopAction(StrEnum):
    """What a stop of the portfolio does: no new entries, or all positions closed as well."""

    BLOCK_ENTRIES = "block_entries"
    CLOSE_ALL = "close_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """One account: what it begins with, what it keeps back, and when it stops; money is in the quote asset.

    A drawdown is measured from the highest equity so far and ends trading for good; a daily loss from
    the equity at midnight UTC and holds until the next midnight.
    """

    balance: Annotated[float, Gt(0)]
    reserve: Annotated[float, Ge(0)] = 0.0
    max_drawdown_pct: Annotated[float, Gt(0), Le(100)] | None = None
    on_drawdown: StopAction = StopAction.CLOSE_ALL
    max_daily_loss_pct: Annotated[float, Gt(0), Le(100)] | None = None
    on_daily_loss: StopAction = StopAction.CLOSE_ALL
