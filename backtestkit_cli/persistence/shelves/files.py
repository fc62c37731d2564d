"""Records as files: one JSON file each, in folders named by the parts of its key.

No call gives way to another task, so a simulated clock sees each of them as done at once.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from backtestkit_cli.atomic import drafts_left, sync_folder, write_durably
from backtestkit_cli.errors import StoreUnavailableError
from backtestkit_cli.persistence.file_names import decoded, encoded
from backtestkit_cli.persistence.shelf import Lease
from backtestkit_cli.ports import Key

_SUFFIX = ".json"


class FileShelf:
    """Bytes in a folder: a file is written beside its place, synced, and put there in one step.

    Leases mean nothing here: a folder is locked by the system, for as long as a process lives.
    """

    def __init__(self, folder: Path) -> None:
        """Keep records in *folder*, which is made when it is first needed."""
        self._folder = folder

    @property
    def name(self) -> str:
        """Return the folder."""
        return str(self._folder)

    @property
    def is_atomic(self) -> bool:
        """Say yes, of each file."""
        return True

    def place(self, key: Key) -> str:
        """Return the path of the file of *key*."""
        return str(self._path(key))

    async def open(self) -> None:
        """Make the folder, prove that it can be written, and remove what killed writers left behind."""
        probe = self._folder / ".probe"
        with _troubles(self._folder, "cannot be written"):
            write_durably(probe, b"")
            probe.unlink()
            for draft in drafts_left(self._folder):
                draft.unlink(missing_ok=True)

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return what is in the files of *keys*."""
        return [self._content(self._path(key)) for key in keys]

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:  # noqa: ARG002
        """Put *contents* in the place of what was there, file by file; what fails leaves the old one intact."""
        for key, content in contents.items():
            path = self._path(key)
            with _troubles(path, "cannot be written"):
                write_durably(path, content)

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:  # noqa: ARG002
        """Remove the files of *keys*; folders stay."""
        return sum(self._remove(self._path(key)) for key in keys)

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*; files that are no records are none."""
        return list(self._keys(prefix))

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return what is at the keys that begin with *prefix*; what was removed meanwhile is left out."""
        found = [(key, self._content(self._path(key))) for key in self._keys(prefix)]
        return [(key, content) for key, content in found if content is not None]

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:  # noqa: ARG002
        """Move the file of *key* to the first free of `<file>.corrupt-1`, `-2`, ..."""
        path = self._path(key)
        return str(_moved_aside(path)) if self._content(path) == content else str(path)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, key: Key) -> Path:
        return self._file(self._folder_of(key))

    def _folder_of(self, prefix: Key) -> Path:
        return self._folder.joinpath(*(name for part in prefix for name in encoded(part)))

    @staticmethod
    def _file(stem: Path) -> Path:
        return stem.with_name(stem.name + _SUFFIX)

    @staticmethod
    def _content(path: Path) -> bytes | None:
        with _troubles(path, "cannot be read"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    @staticmethod
    def _remove(path: Path) -> bool:
        with _troubles(path, "cannot be removed"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(path.parent)
        return True

    def _keys(self, prefix: Key) -> Iterator[Key]:
        folder = self._folder_of(prefix)
        with _troubles(folder, "cannot be read"):
            paths = [path for path in files_below(folder) if path.suffix == _SUFFIX]
            if prefix and self._file(folder).is_file():
                paths.append(self._file(folder))
        for path in paths:
            *names, last = path.relative_to(self._folder).parts
            key = decoded((*names, last.removesuffix(_SUFFIX)))
            if key is not None:
                yield key


def _moved_aside(path: Path) -> Path:
    """Move *path* to the first free name beside it, and return that."""
    number = 1
    with _troubles(path, "is damaged and cannot be moved aside"):
        while True:
            aside = path.with_name(f"{path.name}.corrupt-{number}")
            try:
                aside.touch(exist_ok=False)  # whoever made the name owns it, so nothing is overwritten
                break
            except FileExistsError:
                number += 1
        path.replace(aside)
        sync_folder(path.parent)
    return aside


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder*, which may not be there; unlike `rglob`, say so where one cannot be looked into.

    Raises:
        OSError: a folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from files_below(folder / entry.name)
        else:
            yield folder / entry.name


@contextmanager
def _troubles(path: Path, failure: str) -> Iterator[None]:
    """Turn what the system says of *path* into one line."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(f"{path}: {failure}: {error.strerror or error}") from error
