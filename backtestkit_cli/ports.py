"""What the core needs from the outside: a clock and a source of candles."""

from collections.abc import Awaitable
from typing import Protocol

from backtestkit_cli.domain.candle import Candles


class Clock(Protocol):
    """The one notion of now that all sessions of a run share."""

    def sleep_until(self, at_ms: int) -> Awaitable[None]:
        """Return at *at_ms* (Unix milliseconds, a whole minute); sleepers wake in order of (time, session)."""
        ...


class CandleSource(Protocol):
    """Historical candles by symbol and interval."""

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
        """
        ...
