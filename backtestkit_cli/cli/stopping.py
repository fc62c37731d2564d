"""What SIGINT and SIGTERM do to a run that goes on until somebody stops it: the first asks, the second ends it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType

STOPPED = 130
"""The exit code of what was ended at once."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_by_signals(request: Callable[[], None], *, end: Callable[[], None]) -> Iterator[None]:
    """Within the block let the first signal call *request*, and the next end the process after *end*.

    It ends without waiting for anything: a strategy may hold the event loop, and all that has to survive is saved
    before it is said.
    """
    received = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        # The signal may have come while something was being printed; then there is nothing to say it with.
        with suppress(RuntimeError, OSError, ValueError):
            (request if received == 1 else end)()
        if received > 1:
            with suppress(RuntimeError, OSError, ValueError):
                sys.stdout.flush()
            os._exit(STOPPED)

    import_module("polars")  # it handles SIGINT too from its import on: ours has to be the last
    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
