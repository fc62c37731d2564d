"""What MongoDB and its client say went wrong, as our errors: one line, and whether trying again can help."""

from collections.abc import Iterator
from typing import Any

from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from backtestkit_cli.errors import StoreError, StoreUnavailableError, StoreUnreachableError

_REFUSAL = 241
"""The code of `mongo_documents.REFUSAL`: something cannot be converted."""
_TOO_LARGE = (10334, 17419, 17420)
_UNAVAILABLE = {
    13: "this user may not do that",
    18: "the user or the password is wrong",
    8000: "the user or the password is wrong",
    14031: "its disk is full",
    146: "it is out of memory",
}
_PASSING = {
    6: "it cannot reach a host",
    7: "it cannot reach a host",
    50: "it took too long",
    64: "too few of its members have kept it in time",
    89: "its network timed out",
    91: "it is shutting down",
    112: "two writers met",
    189: "it is no primary any more",
    262: "it took too long",
    9001: "its connection broke off",
    10107: "it is no primary",
    11000: "two writers made one document at once",
    11600: "it is shutting down",
    11602: "its primary has changed",
    13435: "it is no primary",
    13436: "it is recovering",
}


def is_refusal(error: PyMongoError) -> bool:
    """Say whether *error* is that of a write under a lease that is not in force."""
    return any(code == _REFUSAL for code, _ in _reasons(error))


def translated(error: PyMongoError, place: str) -> StoreError:
    """Return *error*, met at *place*, as ours."""
    if isinstance(error, ConnectionFailure | WTimeoutError):
        return StoreUnreachableError(f"{place}: not reached: {_first(str(error))}")
    for code, reason in _reasons(error):
        if code in _PASSING:
            return StoreUnreachableError(f"{place}: cannot be used just now: {_PASSING[code]} ({_first(reason)})")
        if code in _UNAVAILABLE:
            return StoreUnavailableError(f"{place}: cannot be used: {_UNAVAILABLE[code]} ({_first(reason)})")
        if code not in _TOO_LARGE:
            return StoreError(f"{place}: MongoDB refused: {_first(reason)} (code {code})")
    if isinstance(error, DocumentTooLarge | OperationFailure):
        return StoreError(f"{place}: a record is too large: expected 16 MB at most, which is what MongoDB keeps")
    return StoreError(f"{place}: MongoDB cannot be used: {_first(str(error))}")


def _reasons(error: PyMongoError) -> Iterator[tuple[int | None, str]]:
    """Yield the code and the words of each failure in *error*, which may be of several writes."""
    if isinstance(error, OperationFailure):
        details: Any = error.details or {}
        failures = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        for failure in failures or [{"code": error.code, "errmsg": details.get("errmsg") or str(error)}]:
            yield failure.get("code"), failure.get("errmsg", "")


def _first(text: str) -> str:
    """Return what *text* says before it goes on about settings, or quotes the command with its records."""
    line = text.splitlines()[0] if text else "no reason given"
    for rest in (" to execute command {", " (configured timeouts", ", Timeout:", ", full error:"):
        line = line.partition(rest)[0]
    return line
