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
_RESTRICTED = 451
_SERVER_ERRORS = 500

SHAPE_ERRORS = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What ccxt raises when a whole answer has not the shape it knows."""


def verdict(
    error: Exception, attempt: Attempt, name: str, credentials: Credentials, now_ms: int
) -> BacktestKitError | UnansweredError | None:
    """Return what to raise instead of *error*, which a call of ccxt raised; None if it is a bug and goes on.

    Texts of ccxt are shortened to one line without query strings, pages of HTML and credentials.
    """
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    reason = f"{type(error).__name__}: {_one_line(str(error), credentials.secrets)}"
    if not isinstance(error, errors.BaseError):
        is_answer = attempt.status is not None and _is_raised_in_ccxt(error)
        return UnansweredError(f"an answer of an unknown shape, {reason}") if is_answer else None
    if isinstance(error, errors.AuthenticationError):
        return VenueError(f"{name}: {credentials.complaint}: {reason}")
    if isinstance(error, errors.BadSymbol):
        return MissingCandlesError(f"{name}: the venue does not know the symbol: {reason}")
    if attempt.status == _RESTRICTED:
        return VenueError(f"{name}: the venue does not serve this place: {reason}")
    is_cut = type(error) is errors.ExchangeError and type(error.__cause__).__module__.startswith("aiohttp.")
    is_theirs = type(error) is errors.ExchangeError and (attempt.status or 0) >= _SERVER_ERRORS
    if is_cut or is_theirs or isinstance(error, errors.OperationFailed):
        is_limit = attempt.status in _LIMITED or isinstance(error, errors.DDoSProtection | errors.RateLimitExceeded)
        if is_cut:
            reason = f"the answer broke off, {reason}"
        wait = retry_after_seconds(attempt.headers.get("retry-after"), attempt.date_ms or now_ms)
        return UnansweredError(reason, is_limit=is_limit, wait_seconds=wait)
    return VenueError(f"{name}: the venue refused: {reason}")


def _is_raised_in_ccxt(error: Exception) -> bool:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("ccxt.")


def _one_line(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    text = re.sub(r"^\S+ (?=[A-Z]+ https?://)", "", text)  # the id of the exchange
    text = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", text)
    text = re.sub(r"<.*", "(a page of HTML)", text, flags=re.DOTALL)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
