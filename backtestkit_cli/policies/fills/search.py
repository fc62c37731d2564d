"""Finding the first candle of a span for which a condition holds, without looking at the whole span."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Condition = Callable[[int, int], npt.NDArray[np.bool_]]

_FIRST_CHUNK = 256
_GROWTH = 4


def first_true(condition: Condition, start: int, stop: int) -> int | None:
    """Return the first row of `[start, stop)` where *condition* (rows → booleans) holds, or None.

    The span is read in growing chunks: most positions end soon, and those that do not end cost
    little more than one pass.
    """
    chunk = _FIRST_CHUNK
    while start < stop:
        end = min(stop, start + chunk)
        row = condition(start, end).tobytes().find(1)  # takes a third of what argmax and a look at it take
        if row >= 0:
            return start + row
        start, chunk = end, chunk * _GROWTH
    return None
