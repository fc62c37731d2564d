"""Files that are never half-written."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DRAFT = re.compile(r"\..+\.(?P<pid>\d+)\.draft")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a draft beside *path* that takes its place, synced, once the block succeeds.

    A crash leaves the old file or the new one, never a part of either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        with draft.open("rb+") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace *path* by *content* in one step."""
    with replacing(path) as draft:
        draft.write_bytes(content)


def write_durably(path: Path, content: bytes) -> None:
    """Replace *path* by *content* in one step that also a loss of power does not take back."""
    make_folder(path.parent)
    write_bytes(path, content)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make *folder* and those above it, each synced; what is there already costs nothing."""
    if not folder.is_dir():
        if folder != folder.parent:
            make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in *folder* durable, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def drafts_left(folder: Path) -> Iterator[Path]:
    """Yield the drafts below *folder* whose writers are gone; nobody in this process may be writing there."""
    for draft in folder.rglob(".*.draft"):
        named = _DRAFT.fullmatch(draft.name)
        if named is not None and not _is_another_process(int(named["pid"])):
            yield draft


def _is_another_process(pid: int) -> bool:
    if pid == os.getpid():
        return False
    if os.name == "nt":
        return True  # there is no asking without harm
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
