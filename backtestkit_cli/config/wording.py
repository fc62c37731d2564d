"""The words of messages: what was found, and what a type expects."""

from collections.abc import Iterable, Mapping
from enum import Enum, EnumType
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen

from backtestkit_cli.config.secrets import without_secrets
from backtestkit_cli.errors import suggestion

_SECRETS = {"key", "secret", "token", "password", "passphrase"}
_SECRETS |= {f"{whose}{name}" for whose in ("api", "bot") for name in _SECRETS} | {"secretkey"}
_LONGEST = 60
_TYPES: Mapping[object, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[str, ...]: "a list of names",
}


def found(value: object) -> str:
    """Return *value* as a message shows it: numbers bare, text in quotes and without secrets, collections by kind."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = _shortened(without_secrets(str(value)))
    if not isinstance(value, str) or _is_number(text):
        return text
    return repr(text)


def is_secret(name: str) -> bool:
    """Say whether a key of a config is called like what nobody may read: `apiKey`, `api_secret`, `password`."""
    return name.lower().replace("_", "").replace("-", "") in _SECRETS


def alternatives(words: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def near(name: object, known: Iterable[str]) -> str:
    """Return `; did you mean 'a'?`, or nothing where nothing is near."""
    text = suggestion(str(name), known)
    return text if text.startswith("; did you mean") else ""


def expected(hint: object) -> str:
    """Say in words what a type hint asks for: `a number of at least 0 or null`."""
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *limits = get_args(hint)
        return " ".join([expected(inner), _limits(limits)])
    if origin in {Union, UnionType}:
        return alternatives("null" if part is NoneType else expected(part) for part in get_args(hint))
    return _TYPES[hint] if hint in _TYPES else alternatives(choices(hint))


def choices(hint: object) -> list[str]:
    """Return the values of a closed set, in their order; of anything else none."""
    if get_origin(hint) is Literal:
        return [str(word) for word in get_args(hint)]
    members: Iterable[Enum] = hint if isinstance(hint, EnumType) else ()
    return [str(member.value) for member in members]


def _limits(limits: list[object]) -> str:
    match limits:
        case [Ge(ge=least), Le(le=most)]:
            return f"from {least} to {most:,.15g}"
        case _:
            return " and ".join(map(_limit, limits))


def _limit(limit: object) -> str:
    match limit:
        case Ge(ge=least):
            return f"of at least {least}"
        case Gt(gt=bound):
            return f"above {bound}"
        case Le(le=most):
            return f"at most {most:,.16g}"
        case Lt(lt=bound):
            return f"below {bound}"
        case MinLen():
            return "that is not empty"
        case _:
            raise TypeError(f"no words for {limit!r}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
