"""What a job is told when it is called."""

from datetime import datetime
from typing import NamedTuple

from backtestkit_cli.domain.interval import to_datetime


class JobCall(NamedTuple):
    """One call of a job at a boundary, in Unix ms; `symbol` is empty for a job of the whole run."""

    name: str
    at_ms: int
    symbol: str

    @property
    def when(self) -> datetime:
        """Return the boundary as an aware datetime in UTC."""
        return to_datetime(self.at_ms)
