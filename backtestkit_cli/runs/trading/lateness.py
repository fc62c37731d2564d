"""How late ticks are: shown for each session, and told once when they are too late to open anything."""

from collections.abc import Callable

from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.venue_facts import EntriesAllowed, EntriesBlocked

_MS_PER_SECOND = 1000


class Lateness:
    """Tells once when the ticks of a session begin to come too late, and once when they are in time again."""

    def __init__(self, most_s: float, tell: Callable[[Event], None]) -> None:
        """Allow *most_s* seconds; the dealers open nothing beyond them, and *tell* says so."""
        self._most_s = most_s
        self._tell = tell
        self._late: set[tuple[str, str]] = set()

    def passed(self, strategy: str, symbol: str, at_ms: int, lateness_ms: int) -> None:
        """Tell where the lateness of the tick *at_ms* changes what the session may do."""
        session, is_late = (strategy, symbol), lateness_ms > self._most_s * _MS_PER_SECOND
        if is_late and session not in self._late:
            self._late.add(session)
            explanation = (
                f"the tick was through {lateness_ms / _MS_PER_SECOND:.0f} s after its minute: beyond"
                f" trading.max_lateness_seconds: {self._most_s:g} nothing is opened"
            )
            self._tell(EntriesBlocked(at_ms, strategy, symbol, explanation))
        elif not is_late and session in self._late:
            self._late.discard(session)
            self._tell(EntriesAllowed(at_ms, strategy, symbol))
