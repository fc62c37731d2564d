"""How single values are read: symbols, names, instants and numbers."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from math import isfinite
from typing import NoReturn

from pydantic_core import PydanticCustomError

from backtestkit_cli.config.wording import found
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms

Problem = tuple[tuple[int, ...], str]
"""What is wrong, and at which place within the value."""

_EXPONENT = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+\s*")
_A_DATE = "expected a date such as 2025-05-04 or 2025-05-04T12:00"
_A_SYMBOL = "expected a symbol such as BTCUSDT, without spaces, slashes or control characters"
_A_STRATEGY = "expected the name of a strategy"


def refuse(*problems: Problem) -> NoReturn:
    """Raise what pydantic takes from a validator, with every problem of the value in its context."""
    raise PydanticCustomError("problems", "several", {"problems": problems})


def one_line(value: object) -> object:
    """Return a text without the blanks around it; a name or a path holds no control characters."""
    if not isinstance(value, str):
        return value
    if not is_one_line(value.strip()):
        refuse(((), f"expected text without control characters, found {found(value)}"))
    return value.strip()


def is_one_line(text: str) -> bool:
    """Say whether *text* is free of control characters."""
    return all(character >= " " and character != "\x7f" for character in text)


def number(value: object) -> object:
    """Let `1e3` pass as a whole number, and keep `true` from passing as 1."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value) and isfinite(float(value)):
        return float(value)
    return str(value).lower() if isinstance(value, bool) else value


def numbers(value: object) -> object:
    """Apply `number` to each part of a mapping."""
    return {name: number(part) for name, part in value.items()} if isinstance(value, Mapping) else value


def instant(value: object) -> int:
    """Return Unix milliseconds of ISO 8601 text, a date or a datetime; UTC where nothing else is said."""
    moment = _moment(value)
    if moment is None:
        refuse(((), f"{_A_DATE}, found {found(value)}"))
    at_ms = to_ms(moment)
    if moment.second or moment.microsecond or at_ms % MINUTE_MS:
        refuse(((), f"expected a whole minute, found {found(value)}"))
    return at_ms


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value if isinstance(value, datetime) else None


def one_symbol(value: object) -> str:
    """Return a symbol that is fit to be a file name."""
    if isinstance(value, str) and _is_symbol(value.strip()):
        return value.strip()
    refuse(((), f"{_A_SYMBOL}, found {found(value)}"))


def symbols(value: object) -> tuple[str, ...]:
    """Return distinct symbols, in their order; a text is split at its commas."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        refuse(((), f"expected a list of symbols, found {found(value)}"))
    if not listed:
        refuse(((), "expected at least one symbol, found an empty list"))
    return _distinct("symbol", _A_SYMBOL, listed, _is_symbol)


def strategies(value: object) -> list[str] | None:
    """Return distinct names of strategies; a text is one name."""
    if value is None:
        return None
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        refuse(((), f"{_A_STRATEGY} or a list of them, found an empty list"))
    return list(_distinct("strategy", _A_STRATEGY, listed, is_one_line))


def _is_symbol(text: str) -> bool:
    return text.isprintable() and not text.startswith(".") and re.fullmatch(r"[^\s/\\]+", text) is not None


def _distinct(
    what: str, expected: str, listed: list[object] | tuple[object, ...], is_fit: Callable[[str], bool]
) -> tuple[str, ...]:
    names: dict[str, None] = {}
    problems: list[Problem] = []
    for index, entry in enumerate(listed):
        name = entry.strip() if isinstance(entry, str) else ""
        if entry is None or (isinstance(entry, str) and not name):
            problems.append(((index,), f"{expected}, but entry {index + 1} is blank"))
        elif not name or not is_fit(name):
            problems.append(((index,), f"{expected}, found {found(entry)}"))
        elif name in names:
            problems.append(((index,), f"expected each {what} once, found {name!r} twice"))
        names[name] = None
    if problems:
        refuse(*problems)
    return tuple(names)
