"""What a session must not forget, and where it is kept: all of it changes in one write."""

from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.venue import Fill, VenueOrder
from backtestkit_cli.engine.lifecycle import Waiting

State: TypeAlias = Waiting | Position | None
"""What a session holds: a signal that waits, an open position, or nothing."""


class Stage(StrEnum):
    """How far an order has got: it is about to be sent or its answer was lost, or it rests at the venue."""

    ATTEMPTED = "attempted"
    RESTING = "resting"


class OpenOrder(NamedTuple):
    """An order that is not settled yet: sent at `sent_ms` of real time, `attempts` times.

    `booked` is the part of its fill that the position holds already.
    """

    order: VenueOrder
    stage: Stage
    sent_ms: int
    attempts: int = 1
    booked: Fill | None = None


class PendingClose(NamedTuple):
    """A close that was decided at `at_ms` and that the venue has not confirmed; it comes before all else."""

    at_ms: int
    reason: CloseReason
    price: float
    note: str = ""


class SessionMemory(NamedTuple):
    """All that a session must not forget.

    `tick_ms` is the newest tick that is done, and `slot` the newest in which the strategy was asked. `orders` are
    those not settled, `legs` counts those of the signal under way, so that each has an id of its own. `closing` is
    the close that must be brought to its end. `blocked` says why nothing new may be opened, and `dust` is what of
    earlier positions was too little to be sold, in the base asset. `revision` grows by one with each save.
    """

    revision: int = 0
    tick_ms: int = -1
    slot: int = -1
    state: State = None
    orders: tuple[OpenOrder, ...] = ()
    legs: int = 0
    closing: PendingClose | None = None
    blocked: str = ""
    dust: float = 0.0


class Journal(Protocol):
    """Where one session is kept; every method may raise `StoreError`, and then nothing has been kept."""

    async def recall(self) -> SessionMemory | None:
        """Return what was saved last, None where nothing was.

        Raises:
            StoreError: what is there is of another exchange or strategy, or of a newer version.
        """
        ...

    async def save(self, memory: SessionMemory) -> None:
        """Keep *memory* in the place of what was saved before, in one write."""
        ...

    async def book(self, trade: Trade) -> None:
        """Keep a closed position; keeping the same one twice is keeping it once."""
        ...

    async def trades(self) -> tuple[Trade, ...]:
        """Return the closed positions, in the order they closed."""
        ...
