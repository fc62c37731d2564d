"""What a strategy returns, and the rules it must keep."""

import math
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Self

from backtestkit_cli.domain.order import EntryOrder, is_order
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


class CancelReason(StrEnum):
    """Why a waiting entry never opened."""

    TIMEOUT = "timeout"
    PRICE_REJECT = "price_reject"
    FRAME_END = "frame_end"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to open a position, with both of its exits; prices are in the quote asset.

    `price_open` left out means at market; `entry` says any other way in, such as `Stop(price)`, in its place.
    `post_only` and `reduce_only` are for the broker: the limit must not be taken at once, the exits must not
    turn the position around. `minutes` is the longest life of the position, None
    for no limit where the settings allow it. `cost` is quote money, None for `position_cost`.
    Nothing is checked here: `problems_of` judges a signal at the price it arrives at.
    """

    position: Side | str
    take_profit: float
    stop_loss: float
    minutes: int | None = None
    price_open: float | None = None
    cost: float | None = None
    note: str = ""
    entry: EntryOrder | None = None
    post_only: bool = False
    reduce_only: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the names of the order flags that are set."""
        if self.post_only or self.reduce_only:
            return tuple(name for name in _FLAGS if getattr(self, name))
        return ()


_FLAGS = ("post_only", "reduce_only")


def problems_of(signal: Signal, price: float, settings: Settings) -> list[str]:
    """Return every rule that *signal* breaks at market *price*, each with both numbers; none is good."""
    if _has_sound_numbers(signal):
        entry = price if signal.price_open is None else signal.price_open
        problems = _level_problems(signal, entry, settings)
    else:
        problems = _unusual_problems(signal, price, settings)
    return problems + _minutes_problems(signal, settings)


def _has_sound_numbers(signal: Signal) -> bool:
    """Say at once that nothing is wrong, as with nearly every signal; `_unusual_problems` says what is."""
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
        and signal.entry is None
        and signal.post_only is False
        and signal.reduce_only is False
    )


def _unusual_problems(signal: Signal, price: float, settings: Settings) -> list[str]:
    """Judge what `_has_sound_numbers` did not let pass, which may still be right: an `entry`, a flag, whole numbers."""
    problems = _number_problems(signal) + _entry_problems(signal)
    kind = "market" if signal.price_open is None else "limit"
    if not problems:
        sign = 1 if signal.position == "long" else -1
        expected = price if signal.price_open is None else signal.price_open
        opens_now = sign * (price - expected) <= 0
        if signal.entry is not None:
            kind, (opens_now, expected) = signal.entry.kind, signal.entry.placement(sign, price)
        if not _is_positive(expected):  # an order of the author's own may say anything
            return [f"the {kind} entry must expect a finite price above 0, was {expected!r}"]
        problems = _level_problems(signal, expected, settings)
        if signal.post_only and kind == "limit" and opens_now:
            way = "below" if sign > 0 else "above"
            problems.append(f"a post_only {signal.position} must be {way} price {price!r}, was {expected!r}")
    elif is_order(signal.entry):
        kind = signal.entry.kind
    if signal.post_only is True and kind != "limit":
        problems.append(f"post_only needs a limit (price_open), was {kind!r}")
    return problems


def _entry_problems(signal: Signal) -> list[str]:
    entry: Any = signal.entry
    problems = []
    if entry is not None and signal.price_open is not None:
        problems.append(f"only one of entry and price_open may be given, were {entry!r} and {signal.price_open!r}")
    if is_order(entry):
        for name, value in entry.levels().items():
            if not _is_positive(value):
                problems.append(f"{name} of the {entry.kind} entry must be a finite number above 0, was {value!r}")
    elif entry is not None:
        problems.append(f"entry must be an order such as Stop(price=…), was {entry!r}")
    for name in _FLAGS:
        value = getattr(signal, name)
        if type(value) is not bool:
            problems.append(f"{name} must be True or False, was {value!r}")
    return problems


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
    name = "entry" if signal.entry is not None else "price" if signal.price_open is None else "price_open"
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
