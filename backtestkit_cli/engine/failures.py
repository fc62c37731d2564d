"""Telling what the author's code raised from what ends the run around it, and in which words."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from backtestkit_cli.engine.time_limits import TookTooLongError, answered
from backtestkit_cli.errors import LeaseLostError

_PACKAGE = __name__.partition(".")[0]


class RunClosedError(asyncio.CancelledError):
    """Who drives the run wants no more of it: it ends as if its task had been cancelled."""


class Answer(NamedTuple):
    """What code of the author's answered, or `failure`, a text that says how it failed."""

    value: Any
    failure: str | None = None


def answer_of(function: Callable[[], Any], handler_seconds: float, words: Callable[[BaseException], str]) -> Answer:
    """Ask *function*, which may take *handler_seconds*; *words* says what it raised.

    Raises:
        BaseException: what ends the run, though it came up here.
    """
    try:
        return Answer(answered(function, handler_seconds))
    except TookTooLongError:
        return Answer(None, _too_long("max_handler_seconds", handler_seconds))
    except BaseException as error:
        if is_from_outside(error):
            raise
        return Answer(None, words(error))


def as_told(error: BaseException, limit: str, seconds: float, *, what: str = "") -> BaseException:
    """Return *error* as people are told of it: code that was cut off took longer than its *limit*."""
    if not isinstance(error, TookTooLongError):
        return error
    cut = TimeoutError(f"{what} {_too_long(limit, seconds)}".lstrip())
    cut.__cause__ = error
    return cut


def _too_long(limit: str, seconds: float) -> str:
    unit = "" if limit.endswith("_seconds") else " s"
    return f"took longer than {limit} ({seconds:g}{unit})"


def text_of(error: BaseException) -> str:
    """Return the text of *error* on one line, or the name of its class where there is none."""
    return _text(error) or type(error).__name__


def refusal_of(error: BaseException) -> str:
    """Return *error* as the reason of a rule: the text of one that is raised to refuse, a bug with class and place."""
    is_meant = type(error) in {Exception, ValueError, RuntimeError, AssertionError}
    return text_of(error) if is_meant and _text(error) else one_line(error)


def named_text_of(error: BaseException) -> str:
    """Return *error* on one line, behind the name of its class."""
    text, name = _text(error), type(error).__name__
    return f"{name}: {text}" if text else name


def one_line(error: BaseException) -> str:
    """Return *error* with the place in the author's code that raised it, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if f"/{_PACKAGE}/" not in f.filename.replace("\\", "/")]
    place = f" ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else ""
    return f"{named_text_of(error)}{place}"


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - even its text may be broken
        return ""


def is_from_outside(error: BaseException) -> bool:
    """Say whether *error* ends the run, though it came up in a session: Ctrl-C, a cancellation, or another's lease.

    The author's code may raise the same classes, and that is a failure of its own: a task that nobody cancels
    is not ending, and what closes a coroutine is thrown in where the engine waits.
    """
    if isinstance(error, KeyboardInterrupt | RunClosedError | LeaseLostError):
        return True
    if not isinstance(error, asyncio.CancelledError | GeneratorExit):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs: somebody closes what it left
        return True
    if task is None:
        return True
    return _is_raised_here(error) if isinstance(error, GeneratorExit) else task.cancelling() > 0


def _is_raised_here(error: BaseException) -> bool:
    frames = list(traceback.walk_tb(error.__traceback__))
    return not frames or str(frames[-1][0].f_globals.get("__name__")).partition(".")[0] == _PACKAGE
