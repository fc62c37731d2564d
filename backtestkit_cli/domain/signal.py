"""What a strategy returns, and the rules it must keep."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from backtestkit_cli.domain.ladder import Ladder
from backtestkit_cli.domain.order import EntryOrder


class Side(StrEnum):
    """Which way a position earns; `sign` is +1 where a rising price earns, -1 where a falling one does."""

    sign: int

    LONG = "long", 1
    SHORT = "short", -1

    def __new__(cls, value: str, sign: int) -> Self:
        """Keep *sign* with the member: Python 3.11 takes ten times as long to find `Side.LONG` by its name."""
        side = str.__new__(cls, value)
        side._value_ = value
        side.sign = sign
        return side


class CloseReason(StrEnum):
    """Why a position ended."""

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TIME_EXPIRED = "time_expired"
    CLOSED = "closed"
    FRAME_END = "frame_end"
    PORTFOLIO_STOP = "portfolio_stop"
    LIQUIDATED_ELSEWHERE = "liquidated_elsewhere"


class CancelReason(StrEnum):
    """Why a waiting entry never opened."""

    TIMEOUT = "timeout"
    PRICE_REJECT = "price_reject"
    FRAME_END = "frame_end"
    USER = "user"
    RISK = "risk"


FLAGS = ("post_only", "reduce_only")
"""The fields of a signal that only a broker reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to open a position, with both of its exits; prices are in the quote asset.

    `price_open` left out means at market; `entry` says any other way in, such as `Stop(price)`, in its place.
    `post_only` and `reduce_only` are for the broker: the limit must not be taken at once, the exits must not
    turn the position around. `minutes` is the longest life of the position, None
    for no limit where the settings allow it. `cost` is quote money, None for `position_cost`.

    Policies need no code, and act at ticks: from the tick whose price stands `trailing_activation_pct` in
    profit (at once without it) the stop follows the best price since at a distance of `trailing_stop_pct`;
    at `breakeven_at_pct` in profit it moves to where the position ends without a loss; `ladder` buys more.
    Nothing is checked here: `problems_of` judges a signal at the price it arrives at.
    """

    position: Side | str
    take_profit: float
    stop_loss: float
    minutes: int | None = None
    price_open: float | None = None
    cost: float | None = None
    note: str = ""
    trailing_stop_pct: float | None = None
    trailing_activation_pct: float | None = None
    breakeven_at_pct: float | None = None
    ladder: Ladder | None = None
    entry: EntryOrder | None = None
    post_only: bool = False
    reduce_only: bool = False

    @property
    def has_policies(self) -> bool:
        """Say whether anything but its levels and its time moves or ends the position by itself."""
        return (
            self.trailing_stop_pct is not None
            or self.breakeven_at_pct is not None
            or self.ladder is not None
            or self.trailing_activation_pct is not None
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the names of the order flags that are set."""
        if self.post_only or self.reduce_only:
            return tuple(name for name in FLAGS if getattr(self, name))
        return ()
