"""Numbers of reports as JSON says them."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def json_value(value: object) -> Any:  # noqa: ANN401 - JSON is of any of its kinds
    """Return *value* as plain lists, mappings, text and numbers; a number that is not finite is None.

    Dataclasses and named tuples become mappings by field, tables lists of rows; keys become text.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    elif hasattr(value, "to_dicts"):  # a table of polars, which nobody imports for this
        value = value.to_dicts()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(one) for key, one in value.items()}
    names = _names_of(value)
    if names:
        return {name: json_value(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(one) for one in value]
    return value


def _names_of(value: object) -> tuple[str, ...]:
    """Return the fields of a dataclass or a named tuple, nothing for what has none."""
    if is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return getattr(value, "_fields", ()) if isinstance(value, tuple) else ()
