"""The rules a signal must keep, judged at the price it arrives at."""

import math
from numbers import Integral
from typing import Any

from backtestkit_cli.domain.ladder import Ladder
from backtestkit_cli.domain.numbers import MAX_COST, MIN_COST, cost_problem, is_positive
from backtestkit_cli.domain.order import is_order
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import FLAGS, Signal
from backtestkit_cli.domain.wording import shown


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
        and (cost is None or (type(cost) is float and MIN_COST <= cost <= MAX_COST))
        and (price_open is None or (type(price_open) is float and 0 < price_open < math.inf))
        and isinstance(position, str)
        and (position == "long" or position == "short")  # noqa: PLR1714 - a set costs more
        and signal.entry is None
        and signal.post_only is False
        and signal.reduce_only is False
        and type(signal.note) is str
        and signal.trailing_stop_pct is signal.trailing_activation_pct is None
        and signal.breakeven_at_pct is None
        and signal.ladder is None
    )


def _unusual_problems(signal: Signal, price: float, settings: Settings) -> list[str]:
    """Judge what `_has_sound_numbers` did not let pass; an `entry`, a policy or a whole number may still be right."""
    problems = _number_problems(signal) + _entry_problems(signal) + _policy_problems(signal)
    note: Any = signal.note
    if not isinstance(note, str):
        problems.append(f"note must be a text, was {shown(note)}")
    kind = "market" if signal.price_open is None else "limit"
    if not problems:
        sign = 1 if signal.position == "long" else -1
        expected = price if signal.price_open is None else signal.price_open
        opens_now = sign * (price - expected) <= 0
        if signal.entry is not None:
            kind, (opens_now, expected) = signal.entry.kind, signal.entry.placement(sign, price)
        if not is_positive(expected):  # an order of the author's own may say anything
            return [f"the {kind} entry must expect a finite price above 0, was {shown(expected)}"]
        problems = _level_problems(signal, expected, settings)
        if signal.post_only and kind == "limit" and opens_now:
            way = "below" if sign > 0 else "above"
            problems.append(f"a post_only {signal.position} must be {way} price {price!r}, was {shown(expected)}")
    elif is_order(signal.entry):
        kind = signal.entry.kind
    if signal.post_only is True and kind != "limit":
        problems.append(f"post_only needs a limit (price_open), was {kind!r}")
    return problems


def _entry_problems(signal: Signal) -> list[str]:
    entry: Any = signal.entry
    problems = []
    if entry is not None and signal.price_open is not None:
        problems.append(
            f"only one of entry and price_open may be given, were {shown(entry)} and {shown(signal.price_open)}"
        )
    if is_order(entry):
        for name, value in entry.levels().items():
            if not is_positive(value):
                problems.append(f"{name} of the {entry.kind} entry must be a finite number above 0, was {shown(value)}")
    elif entry is not None:
        problems.append(f"entry must be an order such as Stop(price=…), was {shown(entry)}")
    for name in FLAGS:
        value = getattr(signal, name)
        if type(value) is not bool:
            problems.append(f"{name} must be True or False, was {shown(value)}")
    return problems


def _number_problems(signal: Signal) -> list[str]:
    problems = []
    position: Any = signal.position
    if not isinstance(position, str) or position not in ("long", "short"):
        problems.append(f"position must be 'long' or 'short', was {shown(position)}")
    price_open = [] if signal.price_open is None else [("price_open", signal.price_open)]
    for name, value in (("take_profit", signal.take_profit), ("stop_loss", signal.stop_loss), *price_open):
        if not is_positive(value):
            problems.append(f"{name} must be a finite number above 0, was {shown(value)}")
    if signal.cost is not None and (problem := cost_problem("cost", signal.cost)):
        problems.append(problem)
    return problems


def _policy_problems(signal: Signal) -> list[str]:
    names = ("trailing_stop_pct", "trailing_activation_pct", "breakeven_at_pct")
    given = [(name, value) for name in names if (value := getattr(signal, name)) is not None]
    problems = [
        f"{name} must be a number above 0 and below 100, was {shown(value)}"
        for name, value in given
        if not is_positive(value) or float(value) >= 100
    ]
    if signal.trailing_activation_pct is not None and signal.trailing_stop_pct is None:
        problems.append("trailing_activation_pct needs trailing_stop_pct")
    ladder: Any = signal.ladder
    if ladder is None:
        return problems
    if not isinstance(ladder, Ladder):
        return [*problems, f"ladder must be a Ladder, was {type(ladder).__name__}"]
    count: Any = ladder.entries
    if not is_positive(ladder.step_pct) or float(ladder.step_pct) >= 100:
        problems.append(f"step_pct of a ladder must be a number above 0 and below 100, was {shown(ladder.step_pct)}")
    if type(count) is bool or not isinstance(count, Integral) or int(count) < 2:
        problems.append(f"entries of a ladder must be a whole number of at least 2, was {shown(count)}")
    if ladder.cost is not None and (problem := cost_problem("cost of a ladder", ladder.cost)):
        problems.append(problem)
    if ladder.take_profit_pct is not None and not is_positive(ladder.take_profit_pct):
        found = shown(ladder.take_profit_pct)
        problems.append(f"take_profit_pct of a ladder must be a finite number above 0, was {found}")
    return problems


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
        return [f"minutes must be a whole number of at least 1, was {shown(minutes)}"]
    if longest is not None and int(minutes) > longest:
        return [f"minutes must be at most {longest} (max_minutes), was {shown(int(minutes))}"]
    return []
