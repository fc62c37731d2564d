"""Times as the headers of HTTP say them."""

from email.utils import parsedate_to_datetime

from backtestkit_cli.domain.interval import to_ms


def http_date_ms(text: str | None) -> int | None:
    """Return the date of an HTTP header as Unix milliseconds, None if it is none."""
    try:
        return to_ms(parsedate_to_datetime(text)) if text else None
    except ValueError:
        return None


def retry_after_seconds(text: str | None, now_ms: int) -> float | None:
    """Return how long the header `Retry-After` asks to wait: seconds, or a date that is counted from *now_ms*."""
    if not text:
        return None
    at_ms = http_date_ms(text)
    try:
        seconds = float(text) if at_ms is None else (at_ms - now_ms) / 1000
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None
