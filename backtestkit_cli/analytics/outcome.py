"""What a run leaves behind: the trades and the failures of each session, and what they were computed from."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.events.facts import Event, PortfolioStopped


class Failure(StrEnum):
    """Why a session did not reach the end of its frame."""

    DATA = "data"
    VENUE = "venue"
    STRATEGY = "strategy"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleFacts:
    """What a session read: `count` candles for `minutes` of time, what of it was missing, and a hash of all read."""

    count: int
    minutes: int
    missing: int
    gaps: tuple[tuple[int, int], ...]
    fingerprint: str


class TradePath(NamedTuple):
    """Where the result of a trade stood between its opening and its close, as `excursions` finds it.

    `mae_pct` and `mfe_pct` are the worst and the best net result, in percent of the money put in. `is_ambiguous`
    says that the candle of the exit reached both stop and target, so that nobody knows which came first.
    """

    mae_pct: float
    mfe_pct: float
    is_ambiguous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one kind of work of a run took: `count` pieces of it, in milliseconds of the wall clock.

    `strategy` is empty for what belongs to none. Only `timed` of the pieces were timed, and where those are not all,
    `total_ms` is an estimate that may exceed the run. `deviation_ms` (n-1) is None for a single piece.
    """

    metric: str
    strategy: str
    count: int
    timed: int
    total_ms: float
    avg_ms: float
    min_ms: float
    max_ms: float
    deviation_ms: float | None
    p95_ms: float
    p99_ms: float

    @property
    def is_estimated(self) -> bool:
        """Say whether samples stand for pieces that were not timed."""
        return self.timed < self.count


# Without a repr: asyncio prints the result of a main task that has ended, and this one holds all trades.
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SessionOutcome:
    """One strategy on one symbol, after the run.

    `paths` has where each of `trades` went meanwhile, in their order, or nothing where that is not known.
    `marks` are `(time, price)` at each midnight UTC inside the frame and at its end, for the equity curve.
    `counts` has the recorded events by kind. `error` is one line, `failure` its class; both None when it
    reached the end of the frame.
    """

    strategy: str
    symbol: str
    trades: tuple[Trade, ...]
    marks: tuple[tuple[int, float], ...]
    counts: dict[str, int]
    candles: CandleFacts | None
    paths: tuple[TradePath, ...] = ()
    error: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run was: all that its reports and its manifest state, and nothing that changes on a rerun.

    `settings` are those in force by strategy; `strategies` maps a name to the SHA-256 of its source file, `files` to
    those of all its files by their path, seen from the folder of that one. `jobs` have `name`, `every`, `cron` and
    `symbols`.
    """

    run_id: str
    mode: str
    version: str
    exchange: str
    source: dict[str, Any]
    is_synthetic: bool
    frame: str
    start_ms: int
    end_ms: int
    symbols: tuple[str, ...]
    strategies: dict[str, str]
    notes: dict[str, str]
    settings: dict[str, Settings]
    jobs: tuple[dict[str, Any], ...] = ()
    coordination: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOutcome:
    """How the one account of a run ended, in quote money.

    `max_drawdown_pct` is the deepest fall from the highest equity so far, judged at every minute. `stopped` is
    the last stop of the portfolio, if any. `abandoned_net` is the net result of positions whose sessions failed,
    as if each had been sold at that tick; they are no trades.
    """

    balance: float
    reserve: float
    cash: float
    equity: float
    max_drawdown_pct: float
    stopped: PortfolioStopped | None
    abandoned_net: float = 0.0

    @property
    def is_stopped(self) -> bool:
        """Say whether the portfolio stopped the run for good."""
        return self.stopped is not None and self.stopped.until_ms is None

    @property
    def return_pct(self) -> float:
        """Return what the account won, in percent of what it began with."""
        return (self.equity / self.balance - 1) * 100


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunOutcome:
    """A finished run: sessions in the order of (symbol, strategy), events in that of (time, session).

    `candles_beside` are those of symbols that were not listed and that a strategy read all the same. `counts` has
    the recorded events of no session, such as those of jobs, by kind; at one instant they precede the others.
    `account` is None without a portfolio. `charts` are the candles of the frame for pictures, by symbol, in the
    finest interval that keeps them few. `timings` differ from rerun to rerun, so two outcomes are equal without them.
    """

    facts: RunFacts
    sessions: tuple[SessionOutcome, ...]
    events: tuple[Event, ...]
    candles_beside: dict[str, CandleFacts] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    account: AccountOutcome | None = None
    charts: dict[str, Candles] = field(default_factory=dict)
    timings: tuple[Timing, ...] = field(default=(), compare=False)

    @property
    def exit_code(self) -> int:
        """Return 0 when all sessions finished, 4 when some did, else 3 for missing data, 5 for a venue, or 1.

        A run that its portfolio stopped for good has 6.
        """
        if self.account is not None and self.account.is_stopped:
            return 6
        failures = {s.failure for s in self.sessions if s.failure is not None}
        if not failures:
            return 0
        if any(s.failure is None for s in self.sessions):
            return 4
        return {frozenset({Failure.DATA}): 3, frozenset({Failure.VENUE}): 5}.get(frozenset(failures), 1)
