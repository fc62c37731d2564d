"""The ends of a span as a table writes times, so that the database can compare them."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from backtestkit_cli.data.foreign.times import PER_SECOND, is_time, unit_of
from backtestkit_cli.domain.interval import to_datetime

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d*)?", re.ASCII)


def own_times(sample: object, start_ms: int, end_ms: int) -> tuple[object, object]:
    """Return `[start_ms, end_ms)` as values that a column with times like *sample* can be compared with.

    They may reach further, by up to two days where texts are compared.

    Raises:
        ValueError: *sample* is no time, or none whose order is that of time.
    """
    match sample:
        case datetime():
            zone = UTC if sample.tzinfo else None
            return to_datetime(start_ms).replace(tzinfo=zone), to_datetime(end_ms).replace(tzinfo=zone)
        case date():
            return to_datetime(start_ms).date(), to_datetime(end_ms).date() + timedelta(days=1)
        case str() if _NUMBER.fullmatch(sample):
            first, end = own_times(float(sample), start_ms, end_ms)
            return str(first), str(end)
        case str() if _DAY.match(sample) and is_time(sample):
            first_day, end_day = to_datetime(start_ms).date(), to_datetime(end_ms).date()
            return str(first_day - timedelta(days=1)), str(end_day + timedelta(days=2))
        case int() | float() | Decimal() if unit := unit_of(float(sample)):
            per_second = PER_SECOND[unit]
            return start_ms * per_second // 1000, -(-end_ms * per_second // 1000)
        case _:
            raise ValueError(f"expected a time, found {sample!r}")
