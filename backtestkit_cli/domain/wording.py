"""How messages and events say things: numbers of something, and values of an author, whatever they are."""

import math
from numbers import Integral, Real

_LONGEST = 80


def counted(number: int, noun: str) -> str:
    """Return `1 gap` or `2,345 gaps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(value: object) -> str:
    """Return *value* as one short line; one that cannot be shown is named by its type, in brackets."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a whole number of 5,000 digits has no text, and an author's class may do anything
        return f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def kept(value: object) -> str | float | None:
    """Return what an event keeps of *value*: numbers and text as such, all else by its type, in brackets.

    An event must be equal to itself in the next run and go from one process to another; NaN, which equals nothing,
    is text.
    """
    if value is None or type(value) in (bool, int, str):
        return value  # type: ignore[return-value]
    try:
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            number = float(value)
            return number if math.isfinite(number) else str(number)
    except Exception:  # noqa: BLE001 - a number of the author's own may do anything
        return f"<{type(value).__name__}>"
    return f"<{type(value).__name__}>"
