"""Months of UTC as half-open spans of Unix milliseconds, and the file names they go by."""

import re
from datetime import UTC, datetime, timedelta

from backtestkit_cli.domain.interval import to_datetime, to_ms
from backtestkit_cli.domain.spans import Span

_FILE_NAME = re.compile(r"(?!0000)(\d{4})-(0[1-9]|1[0-2])\.parquet", re.ASCII)


def month_at(at_ms: int) -> Span:
    """Return the month that *at_ms* lies in."""
    first = to_datetime(at_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return _month_from(first)


def months_between(start_ms: int, end_ms: int) -> tuple[Span, ...]:
    """Return the months that `[start_ms, end_ms)` touches, oldest first."""
    months: list[Span] = []
    at = start_ms
    while at < end_ms:
        months.append(month_at(at))
        at = months[-1][1]
    return tuple(months)


def file_name(month: Span) -> str:
    """Return `2025-01.parquet` for January 2025."""
    return to_datetime(month[0]).strftime("%Y-%m") + ".parquet"


def month_named(name: str) -> Span | None:
    """Return the month that the file called *name* is for, or None where it is no such name."""
    match = _FILE_NAME.fullmatch(name)
    return _month_from(datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)) if match else None


def _month_from(first: datetime) -> Span:
    return to_ms(first), to_ms((first + timedelta(days=32)).replace(day=1))
