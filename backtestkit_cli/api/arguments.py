"""What registrations are given: intervals, counts, instants and functions, refused with the place that gave them."""

import inspect
from collections.abc import Callable
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
