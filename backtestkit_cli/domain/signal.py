"""What a strategy returns, and the rules it must keep."""

import math
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Self

from backtestkit_cli.domain.ladder import Ladder
from backtestkit_cli.domain.settings import Settings


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


class CancelReason(StrEnum):
    """Why a waiting entry never opened."""

    TIMEOUT = "timeout"
    PRICE_REJECT = "price_reject"
    FRAME_END = "frame_end"
    USER = "user"
    RISK = "risk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to open a position, with both of its exits; prices are in the quote asset.

    `price_open` left out means at market. `minutes` is the longest life of the position, None
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

    @property
    def has_policies(self) -> bool:
        """Say whether anything but its levels and its time moves or ends the position by itself."""
        return (
            self.trailing_stop_pct is not None
            or self.breakeven_at_pct is not None
            or self.ladder is not None
            or self.trailing_activation_pct is not None
        )


def problems_of(signal: Signal, price: float, settings: Settings) -> list[str]:
    """Return every rule that *signal* breaks at market *price*, each with both numbers; none is good."""
    problems = [] if _has_sound_numbers(signal) else _number_problems(signal)
    if signal.has_policies:
        problems += _policy_problems(signal)
    if not problems:
        entry = price if signal.price_open is None else signal.price_open
        problems = _level_problems(signal, entry, settings)
    return problems + _minutes_problems(signal, settings)


def _has_sound_numbers(signal: Signal) -> bool:
    """Say at once that nothing is wrong, as with nearly every signal; `_number_problems` says what is."""
    cost, price_open = signal.cost, signal.price_open
    position: Any = signal.position
    return (
        type(signal.take_profit) is float
        and type(signal.stop_loss) is float
        and 0 < signal.take_profit < math.inf
        and 0 < signal.stop_loss < math.inf
        and (cost is None or (type(cost) is float and 0 < cost < math.inf))
        and (price_open is None or (type(price_open) is float and 0 < price_open < math.inf))
        and isinstance(position, str)
        and (position == "long" or position == "short")  # noqa: PLR1714 - a set costs more
    )


def _number_problems(signal: Signal) -> list[str]:
    problems = []
    position: Any = signal.position
    if not isinstance(position, str) or position not in ("long", "short"):
        problems.append(f"position must be 'long' or 'short', was {position!r}")
    optional = [(n, v) for n, v in (("price_open", signal.price_open), ("cost", signal.cost)) if v is not None]
    for name, value in (("take_profit", signal.take_profit), ("stop_loss", signal.stop_loss), *optional):
        if not _is_positive(value):
            problems.append(f"{name} must be a finite number above 0, was {value!r}")
    return problems


def _policy_problems(signal: Signal) -> list[str]:
    names = ("trailing_stop_pct", "trailing_activation_pct", "breakeven_at_pct")
    given = [(name, value) for name in names if (value := getattr(signal, name)) is not None]
    problems = [
        f"{name} must be a number above 0 and below 100, was {value!r}"
        for name, value in given
        if not _is_positive(value) or float(value) >= 100
    ]
    if signal.trailing_activation_pct is not None and signal.trailing_stop_pct is None:
        problems.append("trailing_activation_pct needs trailing_stop_pct")
    ladder: Any = signal.ladder
    if ladder is None:
        return problems
    if not isinstance(ladder, Ladder):
        return [*problems, f"ladder must be a Ladder, was {type(ladder).__name__}"]
    count: Any = ladder.entries
    if not _is_positive(ladder.step_pct) or float(ladder.step_pct) >= 100:
        problems.append(f"step_pct of a ladder must be a number above 0 and below 100, was {ladder.step_pct!r}")
    if type(count) is bool or not isinstance(count, Integral) or int(count) < 2:
        problems.append(f"entries of a ladder must be a whole number of at least 2, was {count!r}")
    for name in ("cost", "take_profit_pct"):
        value = getattr(ladder, name)
        if value is not None and not _is_positive(value):
            problems.append(f"{name} of a ladder must be a finite number above 0, was {value!r}")
    return problems


def _is_positive(value: Any) -> bool:  # noqa: ANN401 - whatever the author put there
    if type(value) is bool or not isinstance(value, Real):
        return False
    try:
        return 0 < float(value) < math.inf
    except OverflowError:
        return False


def _level_problems(signal: Signal, entry: float, settings: Settings) -> list[str]:
    take_profit, stop_loss = signal.take_profit, signal.stop_loss
    sign = 1 if signal.position == "long" else -1
    profit_pct = sign * (take_profit - entry) / entry * 100
    loss_pct = sign * (entry - stop_loss) / entry * 100
    least_loss = settings.min_stop_loss_pct
    is_far_enough = profit_pct >= settings.min_take_profit_pct and least_loss <= loss_pct <= settings.max_stop_loss_pct
    if is_far_enough and profit_pct > 0 and loss_pct > 0:
        return []
    name = "price" if signal.price_open is None else "price_open"
    problems = []
    if profit_pct <= 0:
        way = "above" if sign > 0 else "below"
        problems.append(f"take_profit of a {signal.position} must be {way} {name} {entry!r}, was {take_profit!r}")
    elif profit_pct < settings.min_take_profit_pct:
        problems.append(
            f"take_profit must be at least {settings.min_take_profit_pct} % from {name} {entry!r}, "
            f"was {take_profit!r} ({profit_pct:.4f} %)"
        )
    if loss_pct <= 0:
        way = "below" if sign > 0 else "above"
        problems.append(f"stop_loss of a {signal.position} must be {way} {name} {entry!r}, was {stop_loss!r}")
    elif not least_loss <= loss_pct <= settings.max_stop_loss_pct:
        problems.append(
            f"stop_loss must be {settings.min_stop_loss_pct} to {settings.max_stop_loss_pct} % "
            f"from {name} {entry!r}, was {stop_loss!r} ({loss_pct:.4f} %)"
        )
    return problems


def _minutes_problems(signal: Signal, settings: Settings) -> list[str]:
    minutes: Any = signal.minutes
    longest = settings.max_minutes
    if minutes is None:
        if longest is None:
            return []
        return [f"minutes must be a whole number from 1 to {longest} (max_minutes), was None"]
    if type(minutes) is bool or not isinstance(minutes, Integral) or int(minutes) < 1:
        return [f"minutes must be a whole number of at least 1, was {minutes!r}"]
    if longest is not None and int(minutes) > longest:
        return [f"minutes must be at most {longest} (max_minutes), was {minutes}"]
    return []
