"""One process per mode, exchange and account."""

import hashlib
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import LockedError, StoreError
from backtestkit_cli.persistence.file_names import encoded

FOLDER, LOCK, HOLDER = "locks", ".lock", ".holder"
"""Where locks are in the folder of a store, and how the names of their files end."""


def account_of(api_key: str) -> str:
    """Return a short name of the account that *api_key* opens, from which the key cannot be told."""
    return hashlib.blake2b(api_key.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


class AccountLock:
    """A lock that its process holds until it ends, however that ends: the system lets go of it.

    Used by `with`. Beside the lock a file says who holds it, and its time says since when.
    """

    def __init__(self, folder: Path, mode: str, exchange: str, account: str) -> None:
        """Lock *account*, a name of `account_of`, among all who use *folder*."""
        self._subject = f"{mode} on {exchange!r}, account {account}"
        stem = folder.joinpath(FOLDER, *(name for part in (mode, exchange, account) for name in encoded(part)))
        self._place = stem.with_name(f"{stem.name}{LOCK}")
        self._holder = stem.with_name(f"{stem.name}{HOLDER}")
        self._lock = FileLock(self._place, thread_local=False)

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            LockedError: another process has it; the message says which and since when.
            StoreError: the folder cannot be written.
        """
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout as error:
            text = f"{self._subject}: is traded by another process already{self._told()}; stop that one first"
            raise LockedError(text) from error
        except OSError as error:
            raise StoreError(f"{self._place}: cannot be written: {error.strerror or error}") from error
        try:
            write_bytes(self._holder, f"pid {os.getpid()} on {platform.node()}".encode())
        except OSError as error:
            self._lock.release()
            raise StoreError(f"{self._holder}: cannot be written: {error.strerror or error}") from error

    def release(self) -> None:
        """Give the lock back; doing so twice is harmless."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _told(self) -> str:
        """Return who holds the lock and since when, as far as that can be read."""
        try:
            holder = self._holder.read_text(encoding="utf-8", errors="replace")
            since_ms = self._holder.stat().st_mtime_ns // 1_000_000
        except OSError:
            return ""
        return f" ({holder}, since {utc_text(since_ms)})"
