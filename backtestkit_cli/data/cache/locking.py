"""One writer per folder, among threads and processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from backtestkit_cli.errors import StorageError

_LOCK = ".lock"
_POLL_S = 0.05


@asynccontextmanager
async def only_writer(folder: Path) -> AsyncIterator[None]:
    """Keep all other writers out of *folder*, which is made if need be; drafts of killed ones are gone inside.

    The lock ends with its process, however that ends. Waiting leaves the event loop free and may be
    cancelled. A folder that stays empty is removed at the end, and so are up to two empty ones above it.

    Raises:
        StorageError: the folder cannot be written.
    """
    lock = FileLock(folder / _LOCK, thread_local=False)
    while not _is_acquired(lock, folder):  # noqa: ASYNC110 - other processes set no event
        await asyncio.sleep(_POLL_S)
    try:
        for draft in folder.glob(".*.draft"):
            with suppress(OSError):  # another user's; it harms nobody
                draft.unlink()
        yield
    finally:
        with suppress(OSError):
            _remove_if_empty(folder)
        lock.release()


def _is_acquired(lock: FileLock, folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except (Timeout, FileNotFoundError):  # another holder, or one that just removed the empty folder
        return False
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return True


def _remove_if_empty(folder: Path) -> None:
    """Remove what only this lock made; whoever waits for a lock file that is gone makes a new one."""
    if {entry.name for entry in folder.iterdir()} == {_LOCK}:
        (folder / _LOCK).unlink()
        for empty in (folder, *folder.parents[:2]):
            empty.rmdir()
