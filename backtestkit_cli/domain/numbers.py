"""Telling the numbers that an author hands over from everything else."""

import math
from numbers import Real
from typing import TypeGuard

from backtestkit_cli.domain.wording import shown

MIN_COST, MAX_COST = 1e-15, 1e15
"""What an entry may cost, in quote money: sums beyond are mistakes, and what follows from them would be too, as
products of them overflow or vanish."""


def is_positive(value: object) -> TypeGuard[float]:
    """Say whether *value* is a finite number above 0; a boolean is none."""
    if type(value) is bool or not isinstance(value, Real):
        return False
    try:
        return 0 < float(value) < math.inf
    except (OverflowError, ValueError):
        return False


def cost_problem(name: str, value: object) -> str | None:
    """Return why *value*, which the author knows as *name*, cannot be the cost of an entry, or None."""
    if not is_positive(value):
        return f"{name} must be a finite number above 0, was {shown(value)}"
    if MIN_COST <= float(value) <= MAX_COST:
        return None
    return f"{name} must be from {MIN_COST:g} to {MAX_COST:g}, was {shown(value)}"
