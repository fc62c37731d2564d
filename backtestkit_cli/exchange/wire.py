"""What is changed in an exchange of ccxt so that its requests can be watched, paused and doubted."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from backtestkit_cli.domain.http_times import http_date_ms
from backtestkit_cli.exchange.retrying import Pause, Retry


class Attempt:
    """One try of one call of ccxt: what the venue answered, as far as it got.

    `status` stays None until a whole answer has arrived; the names in `headers` are in small letters. `sent_ms` and
    `answered_ms` are of the newest request and of our clock: what it waited for its turn is not between them.
    """

    __slots__ = ("answered_ms", "headers", "now_ms", "retry", "sent_ms", "status", "wants_json")

    def __init__(self, retry: Retry, now_ms: Callable[[], int], *, wants_json: bool) -> None:
        """Let each request take and wait as long as *retry* says; *wants_json* refuses an answer in another form."""
        self.retry = retry
        self.now_ms = now_ms
        self.wants_json = wants_json
        self.sent_ms = self.answered_ms = now_ms()
        self.status: int | None = None
        self.headers: dict[str, str] = {}

    @property
    def date_ms(self) -> int | None:
        """Return the time of the venue when it answered, in Unix milliseconds and whole seconds."""
        return http_date_ms(self.headers.get("date"))


# Tasks that ccxt starts for one call inherit the variable, so that they report to the same attempt.
_ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")


@contextmanager
def attempting(retry: Retry, now_ms: Callable[[], int], *, wants_json: bool) -> Iterator[Attempt]:
    """Yield the attempt to which the requests made inside the block belong."""
    attempt = Attempt(retry, now_ms, wants_json=wants_json)
    token = _ATTEMPT.set(attempt)
    try:
        yield attempt
    finally:
        _ATTEMPT.reset(token)


class Watched:
    """Goes before a class of ccxt in the bases of a client; overrides what ccxt calls around each request."""

    pause: Pause
    timeout: int

    async def fetch(self, url: str, method: str = "GET", headers: object = None, body: object = None) -> object:
        """Send one request once no pause is on; it has already waited for its turn in the limiter of ccxt."""
        attempt = _ATTEMPT.get()
        while await self.pause.over(attempt.retry.max_wait_seconds):
            # Another turn in the limiter of ccxt, else all that waited would ask at once.
            await self.throttle()  # type: ignore[attr-defined]
        self.timeout = round(attempt.retry.timeout_seconds * 1000)  # read before the first await of ccxt
        attempt.sent_ms = attempt.now_ms()
        answer: object = await super().fetch(url, method, headers, body)  # type: ignore[misc]
        if attempt.wants_json and not isinstance(answer, dict | list):
            raise _bad_response(f"expected JSON, found {str(answer)[:80]!r}")
        return answer

    def on_rest_response(
        self, code: int, reason: str, url: str, method: str, headers: Mapping[str, str], *others: object
    ) -> object:
        """Note what arrived; ccxt itself keeps the headers of the newest answer only, whosoever it was."""
        attempt = _ATTEMPT.get()
        attempt.answered_ms = attempt.now_ms()
        attempt.status = code
        attempt.headers = {str(name).lower(): str(value) for name, value in headers.items()}
        text: object = super().on_rest_response(code, reason, url, method, headers, *others)  # type: ignore[misc]
        return text

    def parse_json(self, text: str) -> object:
        """Refuse JSON that was cut: ccxt takes it for a text and finds no candles in it."""
        parsed: object = super().parse_json(text)  # type: ignore[misc]
        if parsed is None and text[:1] in {"{", "["}:
            raise _bad_response(f"expected JSON, found {len(text):,} characters that are cut or garbled")
        return parsed


def _bad_response(reason: str) -> Exception:
    from ccxt.base.errors import BadResponse  # noqa: PLC0415 - importing ccxt takes half a second

    error: Exception = BadResponse(reason)
    return error
