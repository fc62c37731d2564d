"""Whether the venue is reached: told once when it no longer is, and once when it is again."""

from collections.abc import Callable

from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.venue_facts import ConnectionLost, ConnectionRestored

_MS_PER_SECOND = 1000


class Connection:
    """The ways to the venue, each by a name such as a symbol or `orders`; it is lost while any of them is."""

    def __init__(self, now_ms: Callable[[], int], tell: Callable[[Event], None]) -> None:
        """Tell what changes by *tell*, dated by *now_ms*."""
        self._now_ms = now_ms
        self._tell = tell
        self._lost: dict[str, str] = {}
        self._since_ms = 0

    @property
    def reasons(self) -> dict[str, str]:
        """Return why each way that is lost is."""
        return dict(self._lost)

    def lost(self, way: str, reason: str) -> None:
        """Take note that *way* does not lead to the venue any more."""
        is_first = not self._lost
        self._lost[way] = reason
        if is_first:
            self._since_ms = self._now_ms()
            self._tell(ConnectionLost(self._since_ms, "", "", reason))

    def restored(self, way: str) -> None:
        """Take note that *way* leads there again; nothing happens where it did all the time."""
        if self._lost.pop(way, None) is not None and not self._lost:
            now_ms = self._now_ms()
            self._tell(ConnectionRestored(now_ms, "", "", (now_ms - self._since_ms) / _MS_PER_SECOND))
