"""What registrations are given: intervals, counts, instants and functions, refused with the place that gave them."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, interval_ms, to_ms
from backtestkit_cli.errors import ConfigError, UnknownNameError

_LONGEST_WARM_UP_DAYS = 7300  # twenty years: older than any venue, and still a date


def check_interval(text: str, where: str) -> None:
    """Refuse *text* unless it is an interval.

    Raises:
        ConfigError: it is none; the message starts with *where*.
    """
    try:
        interval_ms(text)
    except UnknownNameError as error:
        raise ConfigError(f"{where}: {error}") from None


def check_count(interval: str, count: object, where: str) -> None:
    """Refuse the warm-up *count* of *interval* unless it is a number of candles of at most twenty years.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ConfigError(f"{where}: warm_up of {interval!r} must be a whole number of candles, was {count!r}")
    most = _LONGEST_WARM_UP_DAYS * DAY_MS // interval_ms(interval)
    if count > most:
        text = str(count) if count < 10**20 else "a far larger number"
        raise ConfigError(f"{where}: warm_up of {interval!r} must be at most {most:,} candles, was {text}")


def instant(moment: datetime | str, where: str) -> int:
    """Return *moment*, a datetime or ISO 8601 text and a whole minute, as Unix milliseconds.

    Raises:
        ConfigError: it is none.
    """
    try:
        at_ms = to_ms(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)
        if at_ms % MINUTE_MS:
            raise ConfigError(f"{where}: expected a whole minute, was {moment!r}")
        return at_ms
    except ValueError:
        raise ConfigError(f"{where}: expected a date such as 2025-05-04 or 2025-05-04T12:00, was {moment!r}") from None


def takes(function: Callable[..., Any], count: int) -> bool:
    """Say whether *function* can be called with *count* arguments by position."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True


def check_function(function: object, count: int, what: str, where: str) -> None:
    """Refuse *function* unless it can be called with *count* arguments by position.

    Raises:
        ConfigError: it cannot; the message starts with *where* and says that *what* was expected.
    """
    if not callable(function):
        raise ConfigError(f"{where}: expected {what}, found {function!r}")
    if not takes(function, count):
        name = getattr(function, "__qualname__", type(function).__name__)
        raise ConfigError(f"{where}: expected {what}, found {name}{inspect.signature(function)}")


def names_of(given: object, what: str, where: str) -> tuple[str, ...]:
    """Return *given*, a name or several, as names.

    Raises:
        ConfigError: it is neither; the message starts with *where*.
    """
    listed = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    for name in listed:
        if not isinstance(name, str):
            raise ConfigError(f"{where}: expected the name of {what}, found {name!r}")
    return tuple(listed)


def mapping_of(given: object, what: str, where: str) -> dict[str, Any]:
    """Return *given*, a mapping or None, as a mapping.

    Raises:
        ConfigError: it is neither; the message starts with *where*.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"{where}: expected {what}, found {given!r}")
    return dict(given or {})
