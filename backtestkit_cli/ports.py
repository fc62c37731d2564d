"""What the core needs from the outside: a clock and a source of candles."""

from collections.abc import Awaitable
from typing import Protocol

from backtestkit_cli.domain.candle import Candles


class Clock(Protocol):
    """The one notion of now that all sessions of a run share."""

    @property
    def now_ms(self) -> int:
        """Return the instant of the tick under way, Unix milliseconds."""
        ...

    @property
    def takes_instants(self) -> bool:
        """Say whether a bare instant that a sleeper yields is a sleep too, for those who sleep very often."""
        ...

    def sleep_until(self, at_ms: int) -> Awaitable[None]:
        """Return at *at_ms* (a whole minute), or before it where all are woken; then `now_ms` is less.

        Sleepers wake in order of (time, session).
        """
        ...


class CandleSource(Protocol):
    """Historical candles by symbol and interval, and how the venue writes prices and quantities."""

    @property
    def name(self) -> str:
        """Return the name that reports and ids carry, such as `demo`."""
        ...

    @property
    def is_synthetic(self) -> bool:
        """Say whether the candles are made up; reports label them."""
        ...

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the closed candles that open in `[start_ms, end_ms)`, oldest first.

        They have passed the rules of the door. Candles the source does not have are left out:
        the caller decides what a gap means.

        Raises:
            MissingCandlesError: the symbol or its interval is not there at all.
            BadCandleError: a candle breaks a rule; the message names file, row and rule.
            VenueError: a venue refused, or could not be reached beyond the limit of retries.
        """
        ...

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it, on the nearest step of its grid."""
        ...

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* (base asset) as the venue takes it, never more than was given."""
        ...

    async def close(self) -> None:
        """Let go of connections; a later fetch opens them again."""
        ...


class RemoteSource(CandleSource, Protocol):
    """A source whose candles cost requests, so that its answers are worth keeping."""

    @property
    def page_candles(self) -> int:
        """Return how many candles one request brings at most; a fetch of that many is one request."""
        ...

    def now_ms(self) -> int:
        """Return the present by the venue's clock, as far as its answers have told it, and never later than ours."""
        ...

    def cache_name(self, symbol: str) -> str:
        """Return the one name that all spellings of *symbol* share in the cache; asks nobody."""
        ...
