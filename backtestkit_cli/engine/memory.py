"""What a session must not forget, and where it is kept: all of it changes in one write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.risk import Admitted
from backtestkit_cli.domain.signal import CancelReason, CloseReason
from backtestkit_cli.domain.venue import Fill, VenueOrder
from backtestkit_cli.engine.coordination import Stop
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.events.facts import PortfolioStopped

State: TypeAlias = Waiting | Position | None
"""What a session holds: a signal that waits, an open position, or nothing."""


class Stage(StrEnum):
    """How far an order has got: it is about to be sent or its answer was lost, or it rests at the venue."""

    ATTEMPTED = "attempted"
    RESTING = "resting"


class OpenOrder(NamedTuple):
    """An order that is not settled yet: sent at `sent_ms` of real time, `attempts` times.

    `booked` is the part of its fill that the position holds already. `decided` is what the quantity was worked out
    from, so that it is booked to the last bit: the cost of an addition, the percent (0-100) of a partial close.
    """

    order: VenueOrder
    stage: Stage
    sent_ms: int
    attempts: int = 1
    booked: Fill | None = None
    decided: float | None = None


class PendingClose(NamedTuple):
    """A close that was decided at `at_ms` and that the venue has not confirmed; it comes before all else."""

    at_ms: int
    reason: CloseReason
    price: float
    note: str = ""


class Decided(NamedTuple):
    """How far the tick `at_ms` has got: something that was decided there has been saved.

    Then nothing of it is decided once more, but that the author's code has not been called yet where `by_itself`, and
    may be asked for a signal where `may_ask`.
    """

    at_ms: int
    by_itself: bool
    may_ask: bool = False


class SessionMemory(NamedTuple):
    """All that a session must not forget.

    `tick_ms` is the newest tick that is done, `decided` how far the one after it has got, and `slot` the newest in
    which the strategy was asked. `orders` are
    those not settled, `legs` counts those of the signal under way, so that each has an id of its own. `closing` is
    the close that must be brought to its end, and `cancelling` why a waiting signal is taken back whose order the
    venue has not let go of yet. `blocked` says why nothing new may be opened, and `dust` is what of earlier positions
    was too little to be sold, in the base asset. `revision` grows by one with each save. With `is_lost` a record was
    lost: whether anything is open is not known.
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
    cancelling: CancelReason | None = None
    is_lost: bool = False
    decided: Decided | None = None


class Journal(Protocol):
    """Where one session is kept; every method may raise `StoreError`, and then nothing has been kept."""

    async def recall(self) -> SessionMemory | None:
        """Return what was saved last, None where nothing was.

        Raises:
            ForeignRecordError: what is there is of another exchange or strategy, or of a newer version; it stays.
            CorruptRecordError: it cannot be read, and is kept aside. The next call returns what else is known,
                `blocked`: a session must not take itself for flat because its record was lost.
        """
        ...

    async def save(self, memory: SessionMemory, trades: Sequence[Trade] = ()) -> None:
        """Keep *memory* in the place of what was saved before, and *trades* it has closed since, in one write.

        Keeping the same trade twice is keeping it once.
        """
        ...

    async def trades(self) -> tuple[Trade, ...]:
        """Return the closed positions, in the order they closed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioMemory:
    """What the guard of the account must not forget; money is in quote.

    `stop` is in force, and was put there with `stopped`, which `is_told` once it is published. `day_base` is the
    equity at `day_ms`, the midnight that began the day. `abandoned_net` is that of positions whose sessions failed.
    Cash and equity are not here: they follow from trades and positions.
    """

    peak_equity: float
    day_base: float
    day_ms: int
    stop: Stop | None = None
    stopped: PortfolioStopped | None = None
    is_told: bool = True
    deepest_pct: float = 0.0
    abandoned_net: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskMemory:
    """Which signals were let through, in order, as far back as a rule may look.

    Places are not here: they are those of the positions that the sessions remember, so none can be left reserved.
    """

    admitted: tuple[Admitted, ...] = ()


class JobDone(NamedTuple):
    """The newest boundary at which a job was called, of a symbol, or of the whole run where that is empty."""

    name: str
    symbol: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsMemory:
    """Which boundaries of jobs are done."""

    done: tuple[JobDone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMemory:
    """The run that these records are of; `facts` are what a restart is to compare or show, by name."""

    run_id: str
    started_at_ms: int
    facts: Mapping[str, str]


Shared = TypeVar("Shared", PortfolioMemory, RiskMemory, JobsMemory, RunMemory)


class SharedJournal(Protocol):
    """Where what the sessions of a run share is kept, one record of each kind; every method may raise `StoreError`."""

    async def recall(self, kind: type[Shared]) -> Shared | None:
        """Return what was saved last of *kind*, None where nothing was.

        Raises:
            ForeignRecordError: it is of another exchange, or of a newer version; it stays.
            CorruptRecordError: it cannot be read, and is kept aside; the next call returns None.
        """
        ...

    async def save(self, memory: Shared) -> None:
        """Keep *memory* in the place of what was saved before, in one write."""
        ...
