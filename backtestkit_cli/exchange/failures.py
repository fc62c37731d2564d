"""What an error of ccxt means: ask again, or tell the user in one line."""

import re
from collections.abc import Iterable

from backtestkit_cli.domain.http_times import retry_after_seconds
from backtestkit_cli.errors import BacktestKitError, MissingCandlesError, VenueError
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.retrying import UnansweredError
from backtestkit_cli.exchange.wire import Attempt

_SHOWN = 200
_LIMITED = (418, 429)
_SERVER_ERRORS = 500

RESTRICTED = 451
"""The HTTP status of a venue that does not serve the place the request came from."""
NOT_SERVED = "the venue does not serve this place"
SHAPE_ERRORS = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What ccxt raises when a whole answer has not the shape it knows."""


def verdict(
    error: Exception, attempt: Attempt, name: str, credentials: Credentials, now_ms: int
) -> BacktestKitError | UnansweredError | None:
    """Return what to raise instead of *error*, which a call of ccxt raised; None if it is a bug and goes on.

    Texts of ccxt are shortened to one line without query strings, pages of HTML and credentials.
    """
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    reason = reason_of(error, credentials)
    if not isinstance(error, errors.BaseError):
        return UnansweredError(f"an answer of an unknown shape, {reason}") if is_odd_answer(error, attempt) else None
    if is_refused_key(error):
        return VenueError(f"{name}: {credentials.complaint}: {reason}")
    if isinstance(error, errors.BadSymbol):
        return MissingCandlesError(f"{name}: the venue does not know the symbol: {reason}")
    if attempt.status == RESTRICTED:
        return VenueError(f"{name}: {NOT_SERVED}: {reason}")
    if is_unanswered(error, attempt):
        wait = wanted_wait_seconds(attempt, now_ms)
        return UnansweredError(reason, is_limit=is_limit(error, attempt), wait_seconds=wait)
    return VenueError(f"{name}: the venue refused: {reason}")


def reason_of(error: Exception, credentials: Credentials) -> str:
    """Return what *error* says in one short line: no query string, no page of HTML, nothing of *credentials*."""
    reason = f"{type(error).__name__}: {one_line(str(error), credentials.secrets)}"
    return f"the answer broke off, {reason}" if _is_cut(error) else reason


def is_odd_answer(error: Exception, attempt: Attempt) -> bool:
    """Say whether *error* came up inside ccxt over a whole answer, which then has a shape that it does not know."""
    return attempt.status is not None and isinstance(error, SHAPE_ERRORS) and _is_raised_in_ccxt(error)


def is_refused_key(error: Exception) -> bool:
    """Say whether *error* is about the key; ccxt takes Binance's -2015 for a short ban once the key has worked."""
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    was_good = isinstance(error, errors.DDoSProtection) and '"code":-2015' in str(error).replace(" ", "")
    return was_good or isinstance(error, errors.AuthenticationError)


def is_unanswered(error: Exception, attempt: Attempt) -> bool:
    """Say whether *error* of ccxt tells nothing of what was asked, so that asking again may."""
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    is_theirs = type(error) is errors.ExchangeError and (attempt.status or 0) >= _SERVER_ERRORS
    return is_theirs or _is_cut(error) or isinstance(error, errors.OperationFailed)


def is_limit(error: Exception, attempt: Attempt) -> bool:
    """Say whether the venue wants fewer requests from whoever asks; it has done nothing with this one."""
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    return attempt.status in _LIMITED or isinstance(error, errors.DDoSProtection | errors.RateLimitExceeded)


def wanted_wait_seconds(attempt: Attempt, now_ms: int) -> float | None:
    """Return how long the answer to *attempt* asks to wait, if it does."""
    return retry_after_seconds(attempt.headers.get("retry-after"), attempt.date_ms or now_ms)


def _is_cut(error: Exception) -> bool:
    """Say whether the connection ended within the body, for which ccxt has no class of its own."""
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    return type(error) is errors.ExchangeError and type(error.__cause__).__module__.startswith("aiohttp.")


def _is_raised_in_ccxt(error: Exception) -> bool:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("ccxt.")


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a *text* of ccxt on one short line, without query strings, pages of HTML and *secrets*."""
    for secret in secrets:
        text = text.replace(secret, "…")
    text = re.sub(r"^\S+ (?=[A-Z]+ https?://)", "", text)  # the id of the exchange
    text = re.sub(r"((?:http|ws)s?://[^\s?]*)\?\S*", r"\1", text)
    text = re.sub(r"<.*", "(a page of HTML)", text, flags=re.DOTALL)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
