"""Telling what the author's code raised from what ends the run around it."""

import asyncio
import traceback

_PACKAGE = __name__.partition(".")[0]


def is_from_outside(error: BaseException) -> bool:
    """Say whether *error* ends the run, though it came up through the author's code: Ctrl-C, or a cancellation.

    The author's code may raise the same classes, and that is a failure of its own: a task that nobody cancels
    is not ending, and what closes a coroutine is thrown in where the engine waits.
    """
    if isinstance(error, KeyboardInterrupt):
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
