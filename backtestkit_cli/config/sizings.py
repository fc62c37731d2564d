"""The sizings that a config can describe: told apart by `method`, with the keys of its dataclass."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, TypeAlias, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag

from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.values import numbers, refuse
from backtestkit_cli.config.wording import alternatives, expected, found, near
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import UnknownNameError, suggestion
from backtestkit_cli.policies.sizing.correlation import Correlation
from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly

OurSizing: TypeAlias = FixedPct | Kelly | Atr
METHODS: Mapping[str, type[OurSizing]] = {"fixed_pct": FixedPct, "kelly": Kelly, "atr": Atr}
"""The methods by the names that configs give them."""

_A_SIZING = "a mapping with method"
_A_CORRELATION = "a mapping with any of threshold, factor, interval and candles, or null"


def _method_of(value: object) -> str | None:
    """Return the method of *value*, raw or made."""
    if isinstance(value, Mapping):
        name = value.get("method")
        return name if isinstance(name, str) and name in METHODS else None
    return method_name(value)


def method_name(sizing: object) -> str | None:
    """Return how configs call the method of *sizing*, None where it is none of ours."""
    return next((name for name, method in METHODS.items() if type(sizing) is method), None)


def _parts(value: object) -> object:
    """Return a raw sizing without its method, with its numbers as pydantic reads them."""
    if not isinstance(value, Mapping):
        return value
    parts = {name: part for name, part in value.items() if name != "method"}
    if isinstance(parts.get("correlation"), Mapping):
        parts["correlation"] = numbers(parts["correlation"])
    return numbers(parts)


def _consistent(sizing: OurSizing) -> OurSizing:
    """Return *sizing* if its intervals are some and its bounds do not cross."""
    problems = []
    for place, part in (((), sizing), (("correlation",), sizing.correlation)):
        if isinstance(part, Atr | Correlation):
            try:
                interval_ms(part.interval)
            except UnknownNameError as error:
                problems.append(((*place, "interval"), str(error)))
    if sizing.min_cost is not None and sizing.max_cost is not None and sizing.min_cost > sizing.max_cost:
        text = f"expected at most max_cost, found {sizing.min_cost:g} and max_cost {sizing.max_cost:g}"
        problems.append((("min_cost",), text))
    if problems:
        refuse(*problems)
    return sizing


_Read = BeforeValidator(_parts)
_FixedPct: TypeAlias = Annotated[FixedPct, _Read, Tag("fixed_pct")]
_Kelly: TypeAlias = Annotated[Kelly, _Read, Tag("kelly")]
_Atr: TypeAlias = Annotated[Atr, _Read, Tag("atr")]
SizingConfig: TypeAlias = Annotated[
    Annotated[_FixedPct | _Kelly | _Atr, Discriminator(_method_of)], AfterValidator(_consistent)
]
"""A sizing spelled out."""


def sizing_values(sizing: OurSizing) -> dict[Key, object]:
    """Return every value of *sizing* by its key, as a config would spell it out, defaults included."""
    values: dict[Key, object] = {("method",): method_name(sizing)}
    for field in fields(sizing):
        part = getattr(sizing, field.name)
        if isinstance(part, Correlation):
            values |= {(field.name, name): value for name, value in asdict(part).items()}
        else:
            values[field.name,] = part
    return values


def sizing_complaint(loc: Key, kind: str, given: object) -> tuple[Key, str]:
    """Return place and text of what pydantic found wrong at *loc*, which begins below the name of a sizing.

    *kind* is the type of pydantic's error and *given* its input; the place is without the tag of the union.
    """
    if not loc:
        return _method_complaint(given)
    method, *path = map(str, loc)
    hints = _hints(Correlation if len(path) > 1 else METHODS[method])
    described = _A_CORRELATION if path == ["correlation"] else _A_SIZING
    if path and path[-1] in hints and path != ["correlation"]:
        described = expected(hints[path[-1]])
    match kind:
        case "unexpected_keyword_argument":
            return tuple(path), _unknown(path, method, hints)
        case "missing":
            return tuple(path), f"missing, expected {described}"
        case _:
            return tuple(path), f"expected {described}, found {found(given)}"


def _method_complaint(given: object) -> tuple[Key, str]:
    names = alternatives(METHODS)
    if not isinstance(given, Mapping):
        return (), f"expected {_A_SIZING}, found {found(given)}"
    if "method" not in given:
        return ("method",), f"missing, expected {names}"
    name = given["method"]
    hint = near(name, METHODS) if isinstance(name, str) else ""
    return ("method",), f"expected {names}, found {found(name)}{hint}"


def _unknown(path: list[str], method: str, hints: Mapping[str, object]) -> str:
    owners = [name for name, other in METHODS.items() if path[-1] in _hints(other)] if len(path) == 1 else []
    if owners:
        return f"is for method {alternatives(owners)}, found method {method}"
    return f"unknown key{suggestion(path[-1], hints)}"


def _hints(part: type) -> dict[str, object]:
    """Return the keys of *part* in the order in which people read them, and what each takes."""
    hints = get_type_hints(part, include_extras=True)
    return {field.name: hints[field.name] for field in fields(part)}
