"""Numbers of changes, so that a place can tell which of two was asked for first."""

import time
from itertools import count

_numbers = count(time.monotonic_ns() // 1000)
"""From the steady clock on, in µs: also above those of an earlier process of this machine, should it have its lease."""


def next_write() -> int:
    """Return a number above all before it in this process; nothing is asked twice under the same one."""
    return next(_numbers)
