"""The clock of the machine: whether it jumps, and how far it is from that of the venue."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Protocol

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import BacktestKitError, VenueError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.venue_facts import ClockJumped, EntriesAllowed, EntriesBlocked

SKEW = "clock skew"
"""The name under which a skew stands in the way of entries."""

_MS_PER_SECOND = 1000
_JUMP_S = 5.0


class JumpWatch:
    """Notices that real time has gone on without the process, or was set: it is compared with a clock nobody sets.

    That clock stands still while the machine sleeps.
    """

    def __init__(self, now_ms: Callable[[], int], steady_s: Callable[[], float], tell: Callable[[Event], None]) -> None:
        """Compare *now_ms* with *steady_s*."""
        self._now_ms = now_ms
        self._steady_s = steady_s
        self._tell = tell
        self._apart_s = self._difference_s()

    def _difference_s(self) -> float:
        return self._now_ms() / _MS_PER_SECOND - self._steady_s()

    def look(self) -> None:
        """Tell of a jump since the last look."""
        apart_s, self._apart_s = self._apart_s, self._difference_s()
        jumped_s = self._apart_s - apart_s
        if abs(jumped_s) >= _JUMP_S:
            self._tell(ClockJumped(self._now_ms(), "", "", round(jumped_s, 1)))


class Reading(Protocol):
    """The venue's clock beside ours, Unix milliseconds; the difference is known to half of the round trip."""

    @property
    def venue_ms(self) -> int:
        """Return the venue's clock."""
        ...

    @property
    def ours_ms(self) -> float:
        """Return ours at the same moment."""
        ...

    @property
    def round_trip_ms(self) -> int:
        """Return how long it took to ask."""
        ...

    @property
    def is_coarse(self) -> bool:
        """Say whether the venue's clock tells whole seconds only."""
        ...

    @property
    def skew_ms(self) -> float:
        """Return the venue's time minus ours."""
        ...


class SkewWatch:
    """Holds the clock of the machine against that of the venue: too far from it, nothing new is opened."""

    def __init__(
        self,
        name: str,
        read_clock: Callable[[], Awaitable[Reading]],
        most_s: float,
        hindrances: MutableMapping[str, str],
        tell: Callable[[Event], None],
    ) -> None:
        """Allow *most_s* seconds of skew to the venue *name*; what speaks against entries goes to *hindrances*."""
        self._name = name
        self._read_clock = read_clock
        self._most_s = most_s
        self._hindrances = hindrances
        self._tell = tell

    async def demand(self) -> None:
        """Make sure that the clocks agree.

        Raises:
            VenueError: they do not, or the venue refused, was not reached, or does not tell its time.
        """
        explanation = self._explained(await self._read_clock())
        if explanation:
            raise VenueError(explanation)

    async def look(self, now_ms: int) -> None:
        """Block entries while the clocks do not agree; a clock that cannot be read changes nothing."""
        try:
            explanation = self._explained(await self._read_clock())
        except BacktestKitError:
            return
        is_blocked = SKEW in self._hindrances
        if explanation:
            self._hindrances[SKEW] = explanation
            if not is_blocked:
                self._tell(EntriesBlocked(now_ms, "", "", explanation))
        elif is_blocked:
            del self._hindrances[SKEW]
            self._tell(EntriesAllowed(now_ms, "", ""))

    def _explained(self, reading: Reading) -> str:
        """Return what is wrong with the clock by *reading*, nothing where it is right or may be."""
        doubt_ms = reading.round_trip_ms / 2 + (_MS_PER_SECOND / 2 if reading.is_coarse else 0)
        if abs(reading.skew_ms) - doubt_ms <= self._most_s * _MS_PER_SECOND:
            return ""
        ahead = "behind" if reading.skew_ms > 0 else "ahead of"
        return (
            f"{self._name}: the clock of this machine is {abs(reading.skew_ms) / _MS_PER_SECOND:.1f} s {ahead} that of"
            f" the venue, more than trading.max_clock_skew_seconds: {self._most_s:g}; it says"
            f" {_time(reading.ours_ms)}, the venue {_time(reading.venue_ms)}; set it by NTP, such as with"
            " `timedatectl set-ntp true`"
        )


def _time(at_ms: float) -> str:
    seconds = at_ms % 60_000 / _MS_PER_SECOND
    return f"{utc_text(int(at_ms) // 60_000 * 60_000)}:{seconds:06.3f} UTC"
