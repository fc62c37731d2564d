"""A store in a folder."""

from pathlib import Path

from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelves.files import FileShelf


class FileStore(RecordStore):
    """A `Store` of one JSON file each record."""

    def __init__(self, folder: Path, *, is_onlooker: bool = False) -> None:
        """Keep records in *folder*, which is made when it is first needed."""
        super().__init__(FileShelf(folder), is_onlooker=is_onlooker)
