"""A store in memory."""

from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Key


class MemoryStore(RecordStore):
    """A `Store` that is gone with the process; `contents` are the bytes of each record, `aside` those damaged."""

    def __init__(self, contents: dict[Key, bytes] | None = None) -> None:
        """Start with *contents*, or empty."""
        shelf = MemoryShelf()
        self.contents = shelf.contents = {} if contents is None else contents
        self.aside = shelf.aside
        super().__init__(shelf)
