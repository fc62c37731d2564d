"""How a suite comes by the place it checks, also in another process."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Shelf
from backtestkit_cli.ports import Store

Maker: TypeAlias = Callable[[], Store | Shelf]
"""Makes a store, or a shelf of one, of the same place each time, as another process would have it."""

Factory: TypeAlias = Callable[[Path], Store | Shelf]
"""Makes a store, or a shelf of one, of what is at a path or under its name."""


def as_store(made: Store | Shelf) -> Store:
    """Return *made* if it is a store, else the store on this shelf."""
    return RecordStore(cast(Shelf, made)) if hasattr(made, "set_aside") else made
