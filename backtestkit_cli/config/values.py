"""How single values are read: symbols, names, instants and numbers."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from math import isfinite
from typing import NoReturn

from pydantic_core import PydanticCustomError

from backtestkit_cli.config.wording import found
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms

Problem = tuple[tuple[int | str, ...], str]
"""What is wrong, and at which place within the value."""

_SYMBOL = re.compile(r"[^\s/\\.][^\s/\\]*(/[^\s/\\.][^\s/\\]*)?")
_EXPONENT = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+\s*")
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_A_DATE = "expected a date such as 2025-05-04 or 2025-05-04T12:00"
_A_SYMBOL = "expected a symbol such as BTCUSDT, BTC/USDT or BTC/USDT:USDT"
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


def alert_values(value: object) -> object:
    """Apply `numbers` to a mapping and to the places in it; the events of a place may be one text with commas."""
    if not isinstance(value, Mapping):
        return value
    return numbers({name: _place(part) for name, part in value.items()})


def _place(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    events = value.get("events")
    listed = {"events": [name.strip() for name in events.split(",")]} if isinstance(events, str) else {}
    return numbers({**value, **listed})


def yes_or_no(value: object) -> object:
    """Return the boolean that YAML or a variable spells; what is none stays what it was."""
    return _BOOLEANS.get(value.strip().lower(), value) if isinstance(value, str) else value


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
    """Return a symbol, as it was spelled."""
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
    return _distinct("symbol", _A_SYMBOL, listed, _is_symbol, _unslashed)


def strategies(value: object) -> list[str] | None:
    """Return distinct names of strategies; a text is one name."""
    if value is None:
        return None
    listed = value if isinstance(value, list | tuple) else [value]
    if not listed:
        refuse(((), f"{_A_STRATEGY} or a list of them, found an empty list"))
    return list(_distinct("strategy", _A_STRATEGY, listed, is_one_line))


def profile_names(value: object) -> tuple[str, ...]:
    """Return distinct names of risk profiles, none for null; a text is one name."""
    listed = [] if value is None else value if isinstance(value, list | tuple) else [value]
    return _distinct("risk profile", "expected the name of a risk profile", listed, is_one_line)


def _is_symbol(text: str) -> bool:
    return text.isprintable() and _SYMBOL.fullmatch(text) is not None


def _unslashed(symbol: str) -> str:
    return symbol.replace("/", "")


def _distinct(
    what: str,
    expected: str,
    listed: list[object] | tuple[object, ...],
    is_fit: Callable[[str], bool],
    same: Callable[[str], str] = str,
) -> tuple[str, ...]:
    names: dict[str, str] = {}
    problems: list[Problem] = []
    for index, entry in enumerate(listed):
        name = entry.strip() if isinstance(entry, str) else ""
        if entry is None or (isinstance(entry, str) and not name):
            problems.append(((index,), f"{expected}, but entry {index + 1} is blank"))
        elif not name or not is_fit(name):
            problems.append(((index,), f"{expected}, found {found(entry)}"))
        elif (key := same(name)) in names:
            again = "twice" if names[key] == name else f"and {names[key]!r}"
            problems.append(((index,), f"expected each {what} once, found {name!r} {again}"))
        names.setdefault(same(name), name)
    if problems:
        refuse(*problems)
    return tuple(names.values())
