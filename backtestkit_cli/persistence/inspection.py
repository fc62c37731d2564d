"""What is in a state folder, looked at without changing anything."""

import re
from dataclasses import dataclass
from pathlib import Path

from backtestkit_cli.errors import ForeignRecordError, StoreError
from backtestkit_cli.persistence.envelope import DamagedError, opened
from backtestkit_cli.persistence.holders import Holder, holders_below
from backtestkit_cli.persistence.shelves.files import files_below


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """What a state folder holds: how many records can be read, and which files are damaged or of a newer program.

    `moved_aside` are the files that were found damaged before, and `holders` who took its locks.
    """

    records: int
    damaged: tuple[Path, ...]
    newer: tuple[Path, ...]
    moved_aside: tuple[Path, ...]
    holders: tuple[Holder, ...]


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
    files = sorted(files_below(folder))
    records = [(file, _trouble(file)) for file in files if file.suffix == ".json"]
    return StateReport(
        records=sum(trouble is None for _, trouble in records),
        damaged=tuple(file for file, trouble in records if isinstance(trouble, DamagedError)),
        newer=tuple(file for file, trouble in records if isinstance(trouble, ForeignRecordError)),
        moved_aside=tuple(file for file in files if re.fullmatch(r".*\.corrupt-\d+", file.name)),
        holders=tuple(holders_below(folder)),
    )


def _trouble(file: Path) -> DamagedError | ForeignRecordError | None:
    """Return why the record in *file* cannot be read, None if it can."""
    try:
        opened(file.read_bytes(), str(file))
    except (DamagedError, ForeignRecordError) as trouble:
        return trouble
    return None
