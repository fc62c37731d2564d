"""The events of a run as rows, whether they are still in memory or were read back from its folder."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import orjson

from backtestkit_cli.errors import SavedRunError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.rows import EventRow, event_row

_HEAD = b'{"event":"'


class EventLog(Protocol):
    """Rows of events as `event_row` makes them, in the order of the run."""

    def __len__(self) -> int: ...

    def rows(self, *kinds: str) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them; only what is asked for is made."""


class HeldEvents:
    """The events of a run that is still in memory."""

    def __init__(self, events: Sequence[Event]) -> None:
        """Keep *events*; no row is made yet."""
        self._events = events

    def __len__(self) -> int:
        return len(self._events)

    def rows(self, *kinds: str) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them."""
        return (event_row(event) for event in self._events if not kinds or event_kind(type(event)) in kinds)


class SavedEvents:
    """The lines of an events.jsonl."""

    def __init__(self, content: bytes, path: Path) -> None:
        """Keep the lines of *content*; *path* names the file in messages."""
        self._lines = content.splitlines()
        self._path = path

    def __len__(self) -> int:
        return len(self._lines)

    def rows(self, *kinds: str) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them.

        Raises:
            SavedRunError: a line is not the row of an event.
        """
        wanted = {kind.encode() for kind in kinds}
        for number, line in enumerate(self._lines, start=1):
            if not wanted or self._kind(line, number) in wanted:
                yield self._row(line, number)

    def _kind(self, line: bytes, number: int) -> bytes:
        end = line.find(b'"', len(_HEAD)) if line.startswith(_HEAD) else -1
        if end > 0:
            return line[len(_HEAD) : end]
        return str(self._row(line, number)["event"]).encode()

    def _row(self, line: bytes, number: int) -> EventRow:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise SavedRunError(f"{self._path}:{number}: expected an event as JSON, found {error}") from error
        if not isinstance(row, dict) or not {"event", "at", "strategy", "symbol"} <= row.keys():
            raise SavedRunError(f"{self._path}:{number}: expected an event of a run, found another JSON")
        return row


class GrowingEvents:
    """The first `size_bytes` of an events.jsonl that somebody goes on writing: whole lines."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Take note of where they are; they are read each time they are asked for."""
        self.path = path
        self.size_bytes = size_bytes

    def __len__(self) -> int:
        return len(self._read())

    def rows(self, *kinds: str) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them.

        Raises:
            SavedRunError: the file cannot be read, or a line is not the row of an event.
        """
        return self._read().rows(*kinds)

    def content(self) -> bytes:
        """Return the lines.

        Raises:
            SavedRunError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(self.size_bytes)
        except OSError as error:
            raise SavedRunError(f"{self.path}: cannot be read: {error.strerror or error}") from error

    def _read(self) -> SavedEvents:
        return SavedEvents(self.content(), self.path)


class EventsOf:
    """The events of some symbols, and those that belong to none."""

    def __init__(self, log: EventLog, symbols: Collection[str]) -> None:
        """Look through *log* for *symbols*."""
        self._log = log
        self._symbols = frozenset(symbols) | {""}

    def __len__(self) -> int:
        return sum(1 for _ in self.rows())

    def rows(self, *kinds: str) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them."""
        return (row for row in self._log.rows(*kinds) if row["symbol"] in self._symbols)
