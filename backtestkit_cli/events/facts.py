"""Everything that can happen in a run, as frozen facts in the past tense, stamped with tick time.

`Event` and its subclasses are kept in the run's record. The pings below them happen every minute of
a state, or tell what the record as a whole says, and are only made when somebody listens.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.risk import RiskCheck, Stage
from backtestkit_cli.domain.signal import CancelReason, Side, Signal

CANDLES = "candles"
"""The source of an error that is the exchange's."""


class MovedBy(StrEnum):
    """What moved a stop or a target."""

    COMMAND = "command"
    TRAILING = "trailing"
    BREAKEVEN = "breakeven"
    LADDER = "ladder"


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
    """A signal waits for its entry order to be filled, which it expects to be at `price_open`.

    One that `is_restored` was waiting before, and is told again after a restart.
    """

    signal_id: str
    side: Side
    price_open: float
    signal: Signal
    is_restored: bool = False


@dataclass(frozen=True, slots=True)
class SignalInvalid(Event):
    """A strategy returned a signal that breaks rules; `problems` has all of them, with the numbers."""

    signal: object
    price: float
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalRefused(Event):
    """A valid signal may not open: `rule` of `profile` says so with `reason`, as it appeared or as it would open.

    The profiles `portfolio` and `sizing` are the account and the sizing. `check` is what the rule saw, None where
    no rule was asked.
    """

    signal_id: str
    signal: Signal
    price: float
    stage: Stage
    profile: str
    rule: str
    reason: str
    check: RiskCheck | None = None


@dataclass(frozen=True, slots=True)
class SignalCancelled(Event):
    """A waiting signal ended without opening."""

    signal_id: str
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class PositionOpened(Event):
    """A position is in the market since this tick; `price` is before slippage, `flags` are those of its signal."""

    price: float
    position: Position
    flags: tuple[str, ...] = ()


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
class StopMoved(Event):
    """The stop is at `stop_loss` now; a trailing stop tells when it begins to follow, and follows silently."""

    price: float
    stop_loss: float
    by: MovedBy
    position: Position


@dataclass(frozen=True, slots=True)
class TargetMoved(Event):
    """The target is at `take_profit` now."""

    price: float
    take_profit: float
    by: MovedBy
    position: Position


@dataclass(frozen=True, slots=True)
class ProfitLevelReached(Event):
    """The price reached a partial level in profit, `level` percent (10, 20 … 100), for the first time.

    `percent` is how far the price stands at this tick, in what the levels measure: 22 where a jump reached 10 and 20.
    """

    price: float
    level: int
    percent: float
    position: Position


@dataclass(frozen=True, slots=True)
class LossLevelReached(Event):
    """The price reached a partial level in loss, `level` percent (10, 20 … 100), for the first time.

    `percent` is how far the price stands at this tick, above 0 as levels are.
    """

    price: float
    level: int
    percent: float
    position: Position


@dataclass(frozen=True, slots=True)
class CommandRefused(Event):
    """A command was not carried out; `problem` says why. An `argument` that is no finite number is kept as text."""

    command: str
    price: float
    argument: float | str | None
    problem: str


@dataclass(frozen=True, slots=True)
class PositionClosed(Event):
    """A position ended and is a trade now."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class PortfolioStopped(Event):
    """The account of the run lost more than it may; `until_ms` is when entries are allowed again, None for never."""

    rule: str
    action: StopAction
    equity: float
    limit: float
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class ErrorOccurred(Event):
    """Code of the user failed at this tick; `source` names it, `error` is one line, `detail` the traceback.

    The source `candles` is the exchange: those of a symbol could not be had, and it has no traceback.
    """

    source: str
    error: str
    detail: str


@dataclass(frozen=True, slots=True)
class JobRan(Event):
    """A job was called at this boundary and returned; `strategy` is empty, and `symbol` for a job of the whole run."""

    job: str


class SignalAdmitted(NamedTuple):
    """Ping: a signal passed every rule of `profiles`; `check` is what they saw."""

    at_ms: int
    strategy: str
    symbol: str
    check: RiskCheck
    profiles: tuple[str, ...]

    @property
    def when(self) -> datetime:
        """Return the tick of the ping as an aware datetime."""
        return to_datetime(self.at_ms)


Told: TypeAlias = Event | SignalAdmitted
"""What a session tells in the order it happened."""


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
