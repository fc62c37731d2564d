"""What is in a state folder, looked at without changing anything."""

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backtestkit_cli.errors import ForeignRecordError, StoreError
from backtestkit_cli.persistence.envelope import DamagedError, opened
from backtestkit_cli.persistence.file_names import decoded

_LOCKS = "locks"
_HOLDER = re.compile(r"pid (?P<pid>\d+) on (?P<host>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock that somebody took: `subject` is mode, exchange and account, `since_ms` Unix milliseconds.

    `is_held` is None where the holder is on another machine, so that nobody here can tell.
    """

    subject: str
    holder: str
    since_ms: int
    is_held: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """What a state folder holds: how many records can be read, and which files are damaged or of a newer program.

    `moved_aside` are the files that were found damaged before.
    """

    records: int
    damaged: tuple[Path, ...]
    newer: tuple[Path, ...]
    moved_aside: tuple[Path, ...]
    locks: tuple[Lock, ...]


def inspected(folder: Path) -> StateReport:
    """Return what is in *folder*, which need not exist; no file is changed, moved or locked.

    Raises:
        StoreError: the folder, or a file in it, cannot be read.
    """
    try:
        return _inspected(folder)
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read: {error.strerror or error}") from error


def _inspected(folder: Path) -> StateReport:
    files = sorted(_files_below(folder))
    records = [(file, _trouble(file)) for file in files if file.suffix == ".json"]
    holders = [file for file in files if file.suffix == ".holder" and _LOCKS in file.relative_to(folder).parts]
    return StateReport(
        records=sum(trouble is None for _, trouble in records),
        damaged=tuple(file for file, trouble in records if isinstance(trouble, DamagedError)),
        newer=tuple(file for file, trouble in records if isinstance(trouble, ForeignRecordError)),
        moved_aside=tuple(file for file in files if re.fullmatch(r".*\.corrupt-\d+", file.name)),
        locks=tuple(_lock(file, folder / _LOCKS) for file in holders),
    )


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder*; unlike `rglob`, say so where one cannot be looked into."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files_below(folder / entry.name)
        else:
            yield folder / entry.name


def _trouble(file: Path) -> DamagedError | ForeignRecordError | None:
    """Return why the record in *file* cannot be read, None if it can."""
    try:
        opened(file.read_bytes(), str(file))
    except (DamagedError, ForeignRecordError) as trouble:
        return trouble
    return None


def _lock(file: Path, folder: Path) -> Lock:
    text = file.read_text(encoding="utf-8", errors="replace")
    found = _HOLDER.fullmatch(text)
    names = file.relative_to(folder).with_suffix("").parts
    is_here = found is not None and found["host"] == platform.node()
    return Lock(
        subject=", ".join(decoded(names) or names),
        holder=text,
        since_ms=file.stat().st_mtime_ns // 1_000_000,
        is_held=_is_running(int(found["pid"])) if found is not None and is_here else None,
    )


def _is_running(pid: int) -> bool | None:
    if os.name == "nt":
        return None  # there is no asking without harm
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
