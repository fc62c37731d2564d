"""Telling the numbers that an author hands over from everything else."""

import math
from numbers import Real
from typing import TypeGuard


def is_positive(value: object) -> TypeGuard[float]:
    """Say whether *value* is a finite number above 0; a boolean is none."""
    if type(value) is bool or not isinstance(value, Real):
        return False
    try:
        return 0 < float(value) < math.inf
    except (OverflowError, ValueError):
        return False
