"""How far the clock of a venue is from ours."""

from typing import NamedTuple

from backtestkit_cli.exchange.clients import Asker, Client
from backtestkit_cli.exchange.retrying import UnansweredError
from backtestkit_cli.exchange.wire import Attempt

_SAMPLES = 3
_SECOND_MS = 1000


class ClockReading(NamedTuple):
    """The venue's clock beside ours at one moment, Unix milliseconds; `round_trip_ms` is how long it took to ask.

    The true difference is off by half of that at most, and by half a second more where `is_coarse`: such a
    venue tells whole seconds, and `venue_ms` is the middle of one.
    """

    venue_ms: int
    ours_ms: float
    round_trip_ms: int
    is_coarse: bool = False

    @property
    def skew_ms(self) -> float:
        """Return the venue's time minus ours."""
        return self.venue_ms - self.ours_ms


async def read_clock(client: Client, asker: Asker) -> ClockReading:
    """Return the quickest of a few readings; the venue is taken to have looked at its clock halfway.

    Raises:
        VenueError: the venue refused, was not reached within the retries, or does not tell its time.
    """
    if not client.exchange.has.get("fetchTime"):
        return await asker.ask(client, lambda attempt: _by_header(client, attempt), wants_json=False)
    readings = [
        await asker.ask(client, lambda attempt: _by_call(client, attempt), wants_json=False) for _ in range(_SAMPLES)
    ]
    best = min(readings, key=lambda reading: reading.round_trip_ms)
    return _in_the_middle(best) if all(one.venue_ms % _SECOND_MS == 0 for one in readings) else best


async def _by_call(client: Client, attempt: Attempt) -> ClockReading:
    venue_ms = await client.exchange.fetch_time()
    if venue_ms is None:
        raise UnansweredError("the venue told no time")
    return _reading(venue_ms, attempt)


async def _by_header(client: Client, attempt: Attempt) -> ClockReading:
    await client.exchange.load_markets(True)
    if attempt.date_ms is None:
        raise UnansweredError("the venue does not tell its time")
    return _in_the_middle(_reading(attempt.date_ms, attempt))


def _reading(venue_ms: int, attempt: Attempt) -> ClockReading:
    ours_ms = (attempt.sent_ms + attempt.answered_ms) / 2
    return ClockReading(venue_ms, ours_ms, attempt.answered_ms - attempt.sent_ms)


def _in_the_middle(reading: ClockReading) -> ClockReading:
    return reading._replace(venue_ms=reading.venue_ms + _SECOND_MS // 2, is_coarse=True)
