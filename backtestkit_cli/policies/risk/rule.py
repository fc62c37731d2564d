"""What all built-in rules are: frozen values that refuse to exist beyond their limits."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, MinLen

from backtestkit_cli.domain.risk import RiskCheck

_WORDS: Mapping[object, str] = {
    int: "a whole number",
    float: "a number",
    tuple[int, ...]: "a tuple of whole numbers",
    tuple[str, ...]: "a list of texts",
    NoneType: "None",
}


@dataclass(frozen=True, slots=True)
class BuiltInRule(ABC):
    """A rule that is a value; `name` is its key in a config.

    Raises:
        ValueError: a field of it is of the wrong type or beyond its limits.
    """

    name: ClassVar[str]
    needs_account: ClassVar[bool] = False
    """Whether it measures by the account of the run, so that there has to be one."""
    needs_groups: ClassVar[bool] = False
    """Whether it counts by group, so that without groups it would allow everything."""

    def __post_init__(self) -> None:
        """Hold every field to its type and limits."""
        for field, hint in field_hints(type(self)).items():
            value = getattr(self, field)
            parts = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
            if not any(_fits(value, part) for part in parts):
                words = " or ".join(_expected(part) for part in parts)
                raise ValueError(f"{self.name}: {field} must be {words}, was {value!r}")

    @abstractmethod
    def refusal(self, check: RiskCheck) -> str | None:
        """Return why the signal may not open, with the limit and what was found, or None."""


@lru_cache
def field_hints(rule: type[BuiltInRule]) -> Mapping[str, Any]:
    """Return the type of each field of *rule* with its limits, in their order."""
    hints = get_type_hints(rule, include_extras=True)
    return {field.name: hints[field.name] for field in fields(rule)}


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kind, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return _is_of(value, kind) and all(_is_within(value, limit) for limit in limits)


def _is_of(value: object, kind: Any) -> bool:  # noqa: ANN401 - a type
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float) and isfinite(value)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(part, get_args(kind)[0]) for part in value)
    return isinstance(value, kind)


def _is_within(value: Any, limit: object) -> bool:  # noqa: ANN401 - a number or a tuple
    match limit:
        case Ge(ge=least):
            return bool(value >= least)
        case Gt(gt=bound):
            return bool(value > bound)
        case Le(le=most):
            return bool(value <= most)
        case MinLen(min_length=least):
            return len(value) >= least
        case _:
            raise TypeError(f"no rule for {limit!r}")


def _expected(hint: Any) -> str:  # noqa: ANN401 - a type
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    kind, *limits = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return ", ".join([_WORDS[kind], *map(_limit_words, limits)])


def _limit_words(limit: object) -> str:
    match limit:
        case Ge(ge=least):
            return f"at least {least}"
        case Gt(gt=bound):
            return f"above {bound}"
        case Le(le=most):
            return f"at most {most}"
        case MinLen(min_length=least):
            return f"{least} or more"
        case _:
            raise TypeError(f"no words for {limit!r}")
