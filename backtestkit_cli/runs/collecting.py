"""How often Python's garbage collector looks while runs are under way."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_OBJECTS_PER_COLLECTION = 100_000

_lock = Lock()
_before: list[tuple[int, int, int]] = []  # an entry for each run under way; the first is what held without any


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let the garbage collector look less often: a run keeps nearly all it makes, and looking again takes time.

    What held before holds again once the last of several runs has left, in whatever order they do.
    """
    with _lock:
        now = gc.get_threshold()
        _before.append(_before[0] if _before else now)
        gc.set_threshold(_OBJECTS_PER_COLLECTION, *now[1:])
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                gc.set_threshold(*before)
