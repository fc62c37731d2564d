"""What stays of a session when a signal that waits is forgotten: all but the signal, as if it had been cancelled."""

from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.errors import ForeignRecordError
from backtestkit_cli.persistence.envelope import DamagedError, opened, sealed
from backtestkit_cli.persistence.session_journal import SCHEDULE
from backtestkit_cli.ports import Json, Key

_KIND = 2
"""Which part of a key says the kind of the record."""
_AT_THE_VENUE = ("orders", "closing", "cancelling")


def may_wait(key: Key) -> bool:
    """Say whether *key* is that of a record in which a signal may wait."""
    return len(key) > _KIND and key[_KIND] == SCHEDULE


def without_signal(key: Key, content: bytes) -> bytes | None:
    """Return *content* of *key* without the signal that waits there.

    None if none waits, or if it must not be forgotten: the venue has an order of it.
    """
    if not may_wait(key):
        return None
    try:
        record = opened(content, "/".join(key))
    except (DamagedError, ForeignRecordError):  # whoever reads it finds out
        return None
    memory = record.get("content")
    if not isinstance(memory, dict) or not _waits(memory) or any(memory.get(name) for name in _AT_THE_VENUE):
        return None
    return sealed({**record, "content": {**memory, "state": None}}, "/".join(key))


def _waits(memory: Json) -> bool:
    state = memory.get("state")
    return isinstance(state, dict) and Waiting.__name__ in state
