"""What an error of ccxt means for an order: nothing is known, never, gone, or there already."""

import socket
from collections.abc import Iterable
from typing import TypeAlias

from backtestkit_cli.domain.venue import Gone, RefusalKind, Rejected, Transient
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.failures import (
    NOT_SERVED,
    RESTRICTED,
    is_limit,
    is_odd_answer,
    is_refused_key,
    is_unanswered,
    reason_of,
    wanted_wait_seconds,
)
from backtestkit_cli.exchange.wire import Attempt

_FORBIDDEN = 403
# What venues write where ccxt has one class for much, in small letters.
_DUPLICATE = ("duplicate", "already exist")
_BELOW_MINIMUM = ("notional", "below the minimum", "too small", "minimum amount", "minimum order")
_WOULD_TRIGGER = ("immediately", "relationship of the prices")


class Duplicate(Transient):
    """The venue has an order of that client id already, and can be asked for it at once."""

    __slots__ = ()


Failed: TypeAlias = Transient | Rejected | Gone
"""What there is instead of the answer that was asked for; all of it is an answer to whoever gave the order."""


def failure(
    error: Exception, attempt: Attempt, credentials: Credentials, now_ms: int, *, places: bool
) -> Failed | None:
    """Return what *error* means, which a call of ccxt raised; None if it is a bug and goes on.

    *places* says that the call sends an order, which may have arrived though nothing is known of it.
    """
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    reason = reason_of(error, credentials)
    if is_odd_answer(error, attempt):
        return Transient(f"an answer of an unknown shape, {reason}", may_have_arrived=True)
    if not isinstance(error, errors.BaseError):
        return None
    if is_unanswered(error, attempt) and not _is_for_good(error, attempt):
        wait_s = wanted_wait_seconds(attempt, now_ms)
        return Transient(reason, may_have_arrived=_may_have_arrived(error, attempt), retry_after_s=wait_s)
    if isinstance(error, errors.OrderNotFound) and not places:
        return Gone(reason)
    if places and _is_duplicate(error):
        return Duplicate(reason, may_have_arrived=True)
    return _rejected(error, attempt, credentials, reason)


def _is_for_good(error: Exception, attempt: Attempt) -> bool:
    """Say whether *error* only looks as if it would pass."""
    return is_refused_key(error) or attempt.status == RESTRICTED


def _is_duplicate(error: Exception) -> bool:
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    return isinstance(error, errors.DuplicateOrderId) or _says(error, _DUPLICATE)


def _says(error: Exception, phrases: Iterable[str]) -> bool:
    text = str(error).lower()
    return any(phrase in text for phrase in phrases)


def _may_have_arrived(error: Exception, attempt: Attempt) -> bool:
    """Say whether the venue may have done what it was asked, though it did not say so."""
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    if is_limit(error, attempt) or isinstance(error, errors.InvalidNonce) or attempt.status == _FORBIDDEN:
        return False
    return not _is_unsent(error.__cause__)


def _is_unsent(cause: BaseException | None) -> bool:
    """Say whether *cause* came before there was a connection."""
    from aiohttp import ClientConnectorError, ClientSSLError, ConnectionTimeoutError  # noqa: PLC0415 - ccxt brings it

    return isinstance(cause, socket.gaierror | ClientConnectorError | ClientSSLError | ConnectionTimeoutError)


def _rejected(error: Exception, attempt: Attempt, credentials: Credentials, reason: str) -> Rejected:
    if is_refused_key(error):
        return Rejected(RefusalKind.PERMISSION, f"{credentials.complaint}: {reason}")
    if attempt.status == RESTRICTED:
        return Rejected(RefusalKind.PERMISSION, f"{NOT_SERVED}: {reason}")
    return Rejected(_kind_of(error), reason)


def _kind_of(error: Exception) -> RefusalKind:
    from ccxt.base import errors  # noqa: PLC0415 - importing ccxt takes half a second

    if isinstance(error, errors.InsufficientFunds):
        return RefusalKind.BALANCE
    if isinstance(error, errors.BadSymbol | errors.MarketClosed):
        return RefusalKind.SYMBOL
    if isinstance(error, errors.OrderImmediatelyFillable) or _says(error, _WOULD_TRIGGER):
        return RefusalKind.WOULD_TRIGGER
    return RefusalKind.BELOW_MINIMUM if _says(error, _BELOW_MINIMUM) else RefusalKind.OTHER
