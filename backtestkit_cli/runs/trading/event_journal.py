"""The events of a run without an end: lines of a file that grows, and only the newest of them in memory."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from backtestkit_cli.domain.position import Trade
from backtestkit_cli.events.facts import Event, PositionClosed
from backtestkit_cli.events.rows import EventRow, event_row
from backtestkit_cli.reports.saved.event_log import EventLog, GrowingEvents, HeldEvents
from backtestkit_cli.reports.saved.run_folder import EVENTS, output_errors

_RECENT: Final = 1000
_MOST_UNWRITTEN: Final = 10_000
_CLOSED: Final = "position_closed"


class EventJournal:
    """Appends each event to `events.jsonl` as it is told, so that what is killed loses none that was heard.

    `recent` are the newest events of this process, `counts` those of the whole run by strategy, symbol and kind. What
    cannot be written waits for the next event, the newest ten thousand of them, and `problem` says why.
    """

    def __init__(self, folder: Path | None, scrubbed: Callable[[str], str] | None = None) -> None:
        """Keep the events of the run whose *folder* it is; what is there already is its beginning.

        A last line that was written in part is cut off. Lines are written as *scrubbed* returns them. Without a
        folder the newest events are all there is.

        Raises:
            OutputError: the file cannot be read or written.
        """
        self.path = None if folder is None else folder / EVENTS
        self.recent: deque[Event] = deque(maxlen=_RECENT)
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.problem = ""
        self._scrubbed = scrubbed
        self._closed: set[tuple[str, str, str]] | None = set()
        self._unwritten: deque[bytes] = deque(maxlen=_MOST_UNWRITTEN)
        self._file, self._size = -1, 0
        if self.path is not None:
            with output_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
                self._size = self._taken_up(self.path)

    def _taken_up(self, path: Path) -> int:
        """Count what is there, cut off what is no whole line, and return where the file ends."""
        size = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                size += len(line)
                with suppress(orjson.JSONDecodeError, LookupError, TypeError):  # who reads the run says what is wrong
                    self._count(orjson.loads(line))
        os.ftruncate(self._file, size)
        return size

    def write(self, event: Event) -> None:
        """Append *event*."""
        self.recent.append(event)
        self._append(event_row(event))

    def complete(self, trades: Iterable[Trade]) -> None:
        """Append the closes of *trades* that are not there: who was killed had no time to tell them."""
        known, self._closed = self._closed or set(), None
        for trade in trades:
            if (trade.strategy, trade.symbol, trade.id) not in known:
                self._append(event_row(PositionClosed(trade.closed_at_ms, trade.strategy, trade.symbol, trade)))

    def events(self) -> EventLog:
        """Return all events up to now."""
        if self.path is None:
            return HeldEvents(tuple(self.recent))
        return GrowingEvents(self.path, self._size)

    def counts_of(self, strategy: str, symbol: str | None = None) -> dict[str, int]:
        """Return how many events of each kind there were of *strategy* on *symbol*, or on all symbols."""
        found: Counter[str] = Counter()
        for (of_strategy, of_symbol, kind), count in self.counts.items():
            if of_strategy == strategy and symbol in (None, of_symbol):
                found[kind] += count
        return dict(sorted(found.items()))

    def of_session(self, strategy: str, symbol: str) -> Iterator[Event]:
        """Yield the newest events of *strategy* on *symbol*, oldest first."""
        return (event for event in self.recent if (event.strategy, event.symbol) == (strategy, symbol))

    def close(self) -> None:
        """Write nothing any more."""
        if self.path is not None:
            os.close(self._file)
            self.path = None

    def _append(self, row: EventRow) -> None:
        self._count(row)
        if self.path is None:
            return
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        self._unwritten.append(line if self._scrubbed is None else self._scrubbed(line.decode()).encode())
        content = b"".join(self._unwritten)
        try:
            written = os.write(self._file, content)
            if written < len(content):
                raise OSError("the disk is full")
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror or error}"
            with suppress(OSError):  # the next line must not begin in the middle of this one
                os.ftruncate(self._file, self._size)
        else:
            self.problem = ""
            self._size += len(content)
            self._unwritten.clear()

    def _count(self, row: EventRow) -> None:
        self.counts[row["strategy"], row["symbol"], row["event"]] += 1
        if self._closed is not None and row["event"] == _CLOSED:
            self._closed.add((row["strategy"], row["symbol"], row["signal_id"]))
