"""What an author handed over, as values that JSON can hold."""

import math
from typing import TypeAlias

import numpy as np

from backtestkit_cli.domain.wording import shown

Plain: TypeAlias = str | int | float | bool | None

_INT64 = range(-(2**63), 2**63)


def finite(value: float) -> float | None:
    """Return *value*, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def clean_text(value: object) -> str:
    """Return *value* as text that UTF-8 can hold; an author may hand over anything as a note."""
    if type(value) is str and value.isascii():  # nearly always, and there are many
        return value
    return "" if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def plain(value: object) -> Plain:
    """Return what an author handed over as JSON can say it; a type that JSON does not have is named in brackets."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value in _INT64 else shown(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    return f"<{type(value).__name__}>"
