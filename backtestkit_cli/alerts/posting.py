"""One request over HTTP, and what it came to."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import aiohttp

from backtestkit_cli.alerts.sinks import Delivered, Refused, Unreached, Verdict
from backtestkit_cli.domain.http_times import retry_after_seconds

_MOST_BYTES = 65_536
_OF_THE_MESSAGE = frozenset({400, 413, 415, 422})
"""Statuses that speak of what was sent; any other failure is one of the place, and may pass."""


class Reply(NamedTuple):
    """What a server answered, at most the first 64 KiB of it."""

    status: int
    body: bytes
    retry_after_s: float | None

    @property
    def verdict(self) -> Verdict:
        """Return what the status alone says."""
        if 200 <= self.status < 300:
            return Delivered()
        reason = f"answered with status {self.status}"
        if self.status in _OF_THE_MESSAGE:
            return Refused(reason)
        return Unreached(reason, self.retry_after_s)


class Poster:
    """Sends JSON; connections are kept between requests.

    A redirect is not followed: it would turn the request into one without a body.
    """

    def __init__(self, timeout_seconds: float, now_ms: Callable[[], int]) -> None:
        """Give each request *timeout_seconds*; *now_ms* only reads dates of `Retry-After`."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._now_ms = now_ms
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply | Unreached:
        """Return the answer to *body*; the reason why there is none never names the URL."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        sent = {"Content-Type": "application/json", **headers}
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as response:
                wait_s = retry_after_seconds(response.headers.get("Retry-After"), self._now_ms())
                return Reply(response.status, await response.content.read(_MOST_BYTES), wait_s)
        except TimeoutError:
            return Unreached("no answer in time")
        except (aiohttp.ClientError, OSError) as error:  # what it says may hold the URL
            return Unreached(f"not reached, {type(error).__name__}")

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
