"""The instants a schedule names, without end; all times are Unix milliseconds, UTC."""

from collections.abc import Callable, Iterator
from itertools import count, takewhile

from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, interval_ms, to_datetime, to_ms
from backtestkit_cli.errors import ConfigError


def interval_boundaries(interval: str, from_ms: int) -> Iterator[int]:
    """Return the instants from *from_ms* on at which a candle of *interval* begins."""
    length_ms = interval_ms(interval)
    return count(from_ms + -from_ms % length_ms, length_ms)


def cron_boundaries(expression: str, from_ms: int) -> Iterator[int]:
    """Return the instants from *from_ms* on that the five fields of *expression* name, in UTC.

    Raises:
        ConfigError: it does not have five fields, one is wrong, or no date of the next 50 years fits.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only runs with such a job need it

    if len(expression.split()) != 5:
        raise ConfigError(f"expected five fields of cron, such as '0 8 * * MON', found {expression!r}")
    try:
        dates = CronSim(expression, to_datetime(from_ms - 1))
    except (CronSimError, ValueError) as error:
        raise ConfigError(f"expected five fields of cron, found {expression!r} ({error})") from None
    first = next(dates, None)
    if first is None:
        raise ConfigError(f"expected a cron expression that some date fits, found {expression!r}")
    return _instants(to_ms(first), map(to_ms, dates))


def newest_boundary(boundaries_from: Callable[[int], Iterator[int]], after_ms: int, before_ms: int) -> int | None:
    """Return the newest instant of a schedule between *after_ms* and *before_ms*, both left out; None for none."""
    for span_ms in (HOUR_MS, DAY_MS, 31 * DAY_MS, before_ms - after_ms):  # there may be one a minute, for years
        from_ms = max(after_ms + 1, before_ms - span_ms)
        found = list(takewhile(lambda at_ms: at_ms < before_ms, boundaries_from(from_ms)))
        if found:
            return found[-1]
        if from_ms == after_ms + 1:
            break
    return None


def _instants(first_ms: int, later: Iterator[int]) -> Iterator[int]:
    yield first_ms
    yield from later
