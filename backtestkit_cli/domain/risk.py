"""What a risk rule sees before a position may open, and what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.domain.signal import Side, Signal


class Stage(StrEnum):
    """When a rule is asked: as a signal appears, as one that waited opens, and as an open position is added to.

    Of an addition only the rules that measure by the account are asked.
    """

    APPEARS = "appears"
    OPENS = "opens"
    ADDS = "adds"


class OpenPosition(NamedTuple):
    """A position that holds a place in the run; `cost` is the quote money still in it, `group`s are looked up."""

    strategy: str
    symbol: str
    side: Side
    cost: float
    opened_at_ms: int

    @property
    def opened_at(self) -> datetime:
        """Return when it opened, an aware datetime."""
        return to_datetime(self.opened_at_ms)


class Admitted(NamedTuple):
    """A signal that was let through when it appeared."""

    at_ms: int
    strategy: str
    symbol: str


class ClosedTrade(NamedTuple):
    """What a rule needs to know of a trade; `net` is quote money after costs."""

    closed_at_ms: int
    strategy: str
    symbol: str
    net: float


class Account(NamedTuple):
    """The one account of a run, in quote money, at the prices of now.

    `balance` is what it began with, `equity` = `cash` + the value of all positions. Entries are paid
    from `free`.
    """

    balance: float
    reserve: float
    cash: float
    equity: float

    @property
    def free(self) -> float:
        """Return the cash that entries may use."""
        return self.cash - self.reserve


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCheck:
    """A signal that wants a place, and everything that is open in the run, at one virtual instant.

    `positions` are in the order they opened, `trades` in the order they closed, `admitted` in the order
    they were let through, each of all sessions. `groups` maps a name to symbols. `account` is None
    without a portfolio. `cost` is the quote money of the entry.
    """

    strategy: str
    symbol: str
    side: Side
    price: float
    cost: float
    at_ms: int
    stage: Stage
    signal: Signal
    positions: Sequence[OpenPosition]
    trades: Sequence[ClosedTrade]
    admitted: Sequence[Admitted]
    groups: Mapping[str, tuple[str, ...]]
    account: Account | None

    @property
    def when(self) -> datetime:
        """Return the tick, an aware datetime."""
        return to_datetime(self.at_ms)

    @property
    def active_count(self) -> int:
        """Return how many positions are open in the run."""
        return len(self.positions)


class Rule(Protocol):
    """One rule of a risk profile; built-in rules are frozen values of this shape, an author's is a function."""

    @property
    def name(self) -> str:
        """Return how configs, events and counts call it."""
        ...

    def refusal(self, check: RiskCheck) -> str | None:
        """Return why the signal may not open, with the limit and what was found, or None. Decides nothing else."""
        ...
