"""Candle intervals and the instants they cut time into; all times are Unix milliseconds, UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from backtestkit_cli.errors import UnknownNameError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_UNITS_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_USUAL = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache
def interval_ms(interval: str) -> int:
    """Return the length of *interval* (`1m` … `1d`) in milliseconds.

    Any whole number of minutes or hours that divides a day is an interval, so that
    `floor(when / interval)` starts a candle at midnight UTC.

    Raises:
        UnknownNameError: *interval* is not written like that, or does not divide a day.
    """
    match = re.fullmatch(r"([1-9]\d*)([mhd])", interval)
    length = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not length or length > DAY_MS or DAY_MS % length:
        raise UnknownNameError("interval", interval, _USUAL)
    return length


def floor_to(at_ms: int, length_ms: int) -> int:
    """Return the newest multiple of *length_ms* that is not after *at_ms*."""
    return at_ms - at_ms % length_ms


def to_datetime(at_ms: int) -> datetime:
    """Return *at_ms* as an aware datetime in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Return *moment* as Unix milliseconds; a naive datetime is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round((aware - _EPOCH) / timedelta(milliseconds=1))


def utc_text(at_ms: int) -> str:
    """Return *at_ms* as people read it, `2025-05-04 15:37`, to the minute."""
    return to_datetime(at_ms).strftime("%Y-%m-%d %H:%M")
