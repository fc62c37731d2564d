"""What can happen beside the candles: at the venue, on the way to it, and to the process. No replay has any of it."""

from dataclasses import dataclass

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.venue import Fill, Leg
from backtestkit_cli.events.facts import Event


@dataclass(frozen=True, slots=True)
class OrderFilled(Event):
    """An order was filled, in whole or in part; `price_expected` is what it was decided at."""

    client_id: str
    leg: Leg
    is_buy: bool
    fill: Fill
    price_expected: float


@dataclass(frozen=True, slots=True)
class OrderRejected(Event):
    """The venue refused an order for good."""

    client_id: str
    leg: Leg
    reason: str


@dataclass(frozen=True, slots=True)
class OrderUnsettled(Event):
    """The venue did not answer within the retries; `is_given_up` says that nothing more is sent for it."""

    client_id: str
    leg: Leg
    reason: str
    attempts: int
    is_given_up: bool


@dataclass(frozen=True, slots=True)
class PositionRestored(Event):
    """A position was taken up again from the saved state."""

    position: Position


@dataclass(frozen=True, slots=True)
class PositionAdjusted(Event):
    """The book was changed to what the venue holds; `explanation` says what was found."""

    quantity_before: float
    quantity_after: float
    explanation: str


@dataclass(frozen=True, slots=True)
class EntriesBlocked(Event):
    """Nothing new is opened on the symbol, for what was found at the venue cannot be explained."""

    explanation: str


@dataclass(frozen=True, slots=True)
class EntriesAllowed(Event):
    """What blocked entries is gone."""


@dataclass(frozen=True, slots=True)
class ConnectionLost(Event):
    """The venue is not reached: positions are looked after as far as possible, and nothing new is opened."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionRestored(Event):
    """The venue is reached again, after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ClockJumped(Event):
    """The process slept, or the clock of the machine was set: `seconds` are missing, or there twice below 0."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SessionRestarted(Event):
    """A session that failed goes on from its saved state; `error` is what it failed with."""

    error: str
