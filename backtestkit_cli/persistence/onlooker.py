"""A look at what others keep, which leaves no trace."""

from pathlib import Path
from typing import NoReturn

from backtestkit_cli.errors import CorruptRecordError, StoreError
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.ports import Json, Key

_LEFT = "was left where it is"


class Onlooker(FileStore):
    """A `FileStore` that only reads: nothing below its folder is made, changed, moved or removed, whoever asks."""

    async def wait_for_init(self) -> None:
        """Do nothing: a folder that is not there holds nothing."""

    async def write(self, key: Key, record: Json) -> NoReturn:  # noqa: ARG002
        """Refuse: what reading wants to write is a damaged record, under another key.

        Raises:
            CorruptRecordError: always.
        """
        raise CorruptRecordError(f"{self.name}: a damaged record {_LEFT}, instead of being moved to {'/'.join(key)}")

    async def remove(self, key: Key) -> NoReturn:
        """Refuse.

        Raises:
            StoreError: always.
        """
        raise StoreError(f"{self.name}: {'/'.join(key)} {_LEFT}")

    async def remove_all(self, prefix: Key) -> NoReturn:
        """Refuse.

        Raises:
            StoreError: always.
        """
        raise StoreError(f"{self.name}: {'/'.join(prefix)} {_LEFT}")

    def _rid_of(self, path: Path) -> str:
        return f"{path.name} {_LEFT}"
