"""Everything that can happen in a run, as frozen facts in the past tense, stamped with tick time.

`Event` and its subclasses are kept in the run's record. The pings below them happen every minute of
a state, or tell what the record as a whole says, and are only made when somebody listens.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.signal import CancelReason, Side, Signal


@dataclass(frozen=True, slots=True)
class Event:
    """Base of every recorded fact; listening to it hears all of them."""

    at_ms: int
    strategy: str
    symbol: str

    @property
    def when(self) -> datetime:
        """Return the tick of the event as an aware datetime."""
        return to_datetime(self.at_ms)


@dataclass(frozen=True, slots=True)
class SignalScheduled(Event):
    """A signal waits for the price to reach its `price_open`."""

    signal_id: str
    side: Side
    price_open: float
    signal: Signal


@dataclass(frozen=True, slots=True)
class SignalInvalid(Event):
    """A strategy returned a signal that breaks rules; `problems` has all of them, with the numbers."""

    signal: object
    price: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalCancelled(Event):
    """A waiting signal ended without opening."""

    signal_id: str
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class PositionOpened(Event):
    """A position is in the market since this tick; `price` is before slippage."""

    price: float
    position: Position


@dataclass(frozen=True, slots=True)
class PositionAveraged(Event):
    """A further entry was bought; `position` is the ledger after it."""

    price: float
    cost: float
    position: Position


@dataclass(frozen=True, slots=True)
class PositionReduced(Event):
    """A part was sold: `percent` of what was left; `position` is the ledger after it."""

    price: float
    percent: float
    position: Position


@dataclass(frozen=True, slots=True)
class CommandRefused(Event):
    """A command was not carried out; `problem` says why."""

    command: str
    price: float
    argument: float | None
    problem: str


@dataclass(frozen=True, slots=True)
class PositionClosed(Event):
    """A position ended and is a trade now."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class ErrorOccurred(Event):
    """Code of the user failed at this tick; `source` names it, `error` is one line, `detail` the traceback."""

    source: str
    error: str
    detail: str


class PositionActive(NamedTuple):
    """Ping: the position is still open after this minute; here commands are decided."""

    at_ms: int
    strategy: str
    symbol: str
    price: float
    position: Position

    @property
    def when(self) -> datetime:
        """Return the tick of the ping as an aware datetime."""
        return to_datetime(self.at_ms)


class SessionIdle(NamedTuple):
    """Ping: nothing is open and nothing waits after this minute."""

    at_ms: int
    strategy: str
    symbol: str
    price: float

    @property
    def when(self) -> datetime:
        """Return the tick of the ping as an aware datetime."""
        return to_datetime(self.at_ms)


class SessionEnded(NamedTuple):
    """Ping: a session reached the end of its frame, or failed: `error` is one line then, else None.

    `trades` is how many there were. A session whose candles could not be had ends before the others begin.
    """

    at_ms: int
    strategy: str
    symbol: str
    exchange: str
    frame: str
    trades: int
    error: str | None

    @property
    def when(self) -> datetime:
        """Return the tick of the ping as an aware datetime."""
        return to_datetime(self.at_ms)


class TickPassed(NamedTuple):
    """Ping: a minute of the session passed, whatever its state; `waiting` is the signal that waits, if any."""

    at_ms: int
    strategy: str
    symbol: str
    price: float
    position: Position | None
    waiting: Signal | None

    @property
    def when(self) -> datetime:
        """Return the tick of the ping as an aware datetime."""
        return to_datetime(self.at_ms)
