"""Records as files: one JSON file each, in folders named by the parts of its key.

No call gives way to another task, so a simulated clock sees each of them as done at once.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backtestkit_cli.atomic import drafts_left, sync_folder, write_durably
from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.envelope import DamagedError, opened, sealed
from backtestkit_cli.persistence.file_names import decoded, encoded
from backtestkit_cli.persistence.keys import checked, in_natural_order
from backtestkit_cli.ports import Json, Key

_SUFFIX = ".json"


class FileStore:
    """A `Store` in a folder: a file is written beside its place, synced, and put there in one step.

    A record that cannot be read is moved aside, to the first free of `<file>.corrupt-1`, `-2`, ...; nothing is ever
    written over.
    """

    def __init__(self, folder: Path) -> None:
        """Keep records in *folder*, which is made when it is first needed."""
        self._folder = folder

    @property
    def name(self) -> str:
        """Return the folder."""
        return str(self._folder)

    async def wait_for_init(self) -> None:
        """Make the folder, prove that it can be written, and remove what killed writers left behind."""
        probe = self._folder / ".probe"
        with _troubles(self._folder, "cannot be written"):
            write_durably(probe, b"")
            probe.unlink()
            for draft in drafts_left(self._folder):
                draft.unlink(missing_ok=True)

    async def read(self, key: Key) -> Json:
        """Return the record of *key*."""
        return self._read(key)

    async def has(self, key: Key) -> bool:
        """Say whether there is a file of *key*."""
        path = self._path(key)
        with _troubles(path, "cannot be read"):
            return path.is_file()

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there; on failure that is intact."""
        path = self._path(key)
        content = sealed(record, str(path))
        with _troubles(path, "cannot be written"):
            write_durably(path, content)

    async def remove(self, key: Key) -> None:
        """Remove the file of *key*."""
        self._remove(self._path(key))

    async def remove_all(self, prefix: Key) -> int:
        """Remove all files whose keys begin with *prefix*; folders stay."""
        keys = list(self._keys(prefix))
        for key in keys:
            self._remove(self._path(key))
        return len(keys)

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*; files that are no records are none."""
        return in_natural_order(self._keys(prefix))

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)` that can be read."""
        records = []
        for key in in_natural_order(self._keys(prefix)):
            try:
                records.append(self._read(key))
            except (CorruptRecordError, MissingRecordError):  # damaged, or removed by another meanwhile
                continue
        return records

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, key: Key) -> Path:
        return self._file(self._folder_of(checked(key)))

    def _folder_of(self, prefix: Key) -> Path:
        return self._folder.joinpath(*(name for part in prefix for name in encoded(part)))

    @staticmethod
    def _file(stem: Path) -> Path:
        return stem.with_name(stem.name + _SUFFIX)

    def _read(self, key: Key) -> Json:
        path = self._path(key)
        with _troubles(path, "cannot be read"), _missing(path):
            content = path.read_bytes()
        try:
            return opened(content, str(path))
        except DamagedError as error:
            raise CorruptRecordError(f"{path}: {error}; {self._rid_of(path)}") from error

    def _rid_of(self, path: Path) -> str:
        """Move a damaged record aside, and return what to say of it."""
        return f"it was moved to {_moved_aside(path)}"

    def _remove(self, path: Path) -> None:
        with _troubles(path, "cannot be removed"), _missing(path):
            path.unlink()
            sync_folder(path.parent)

    def _keys(self, prefix: Key) -> Iterator[Key]:
        folder = self._folder_of(checked(prefix)) if prefix else self._folder
        with _troubles(folder, "cannot be read"):
            paths = [path for path in _files_below(folder) if path.suffix == _SUFFIX]
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


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below *folder*, which may not be there; a folder that cannot be read is an error."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files_below(folder / entry.name)
        else:
            yield folder / entry.name


@contextmanager
def _missing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MissingRecordError(f"{path}: there is no such record") from error


@contextmanager
def _troubles(path: Path, failure: str) -> Iterator[None]:
    """Turn what the system says of *path* into one line."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {failure}: {error.strerror or error}") from error
