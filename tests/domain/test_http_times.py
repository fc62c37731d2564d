from email.utils import formatdate

import pytest

from backtestkit_cli.domain.http_times import http_date_ms, retry_after_seconds

NOW_MS = 1_735_689_600_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        (formatdate(NOW_MS / 1000 + 90, usegmt=True), 90.0),
        (formatdate(NOW_MS / 1000 - 90, usegmt=True), None),
        ("0", None),
        ("-3", None),
        ("soon", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(text, NOW_MS) == seconds


def test_a_date_header_is_read() -> None:
    assert http_date_ms("Wed, 01 Jan 2025 00:00:00 GMT") == NOW_MS
    assert http_date_ms("yesterday") is None
