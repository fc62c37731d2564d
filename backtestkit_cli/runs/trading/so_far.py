"""What a run without an end has come to so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backtestkit_cli.analytics.outcome import AccountOutcome, Failure, RunFacts, RunOutcome, SessionOutcome
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.portfolio_guard import PortfolioGuard
from backtestkit_cli.runs.chart_candles import candles_of, fitting_interval
from backtestkit_cli.runs.coordination import account_of
from backtestkit_cli.runs.trading.event_journal import EventJournal
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.midnights import Midnights
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """Everything an outcome is made of; `facts` begin when the run first began."""

    facts: RunFacts
    floor: Floor
    keepers: Sequence[SessionKeeper]
    journal: EventJournal
    midnights: Midnights
    shared: Coordination | None
    guard: PortfolioGuard | None

    def outcome(self, *, has_charts: bool) -> RunOutcome:
        """Return what the run would leave if it ended now: trades of all its processes, and the newest events.

        Where trades went between opening and close is not known of those of earlier processes, and is left out.
        """
        now_ms = self.floor.time.now_ms()
        end_ms = max(self.facts.start_ms, now_ms - now_ms % MINUTE_MS)
        sessions = tuple(self._session(keeper, end_ms) for keeper in self.keepers)
        return RunOutcome(
            facts=replace(self.facts, end_ms=end_ms),
            sessions=sessions,
            events=tuple(self.journal.recent),
            counts=self.journal.counts_of(""),
            account=self._account(sessions, end_ms),
            charts=self._charts() if has_charts else {},
        )

    def _session(self, keeper: SessionKeeper, end_ms: int) -> SessionOutcome:
        keeper.collect()
        strategy, symbol = keeper.spec.name, keeper.symbol
        return SessionOutcome(
            strategy=strategy,
            symbol=symbol,
            trades=tuple(trade for trade in keeper.trades if trade.closed_at_ms >= self.facts.start_ms),
            marks=self.midnights.of(strategy, symbol, end_ms),
            counts=self.journal.counts_of(strategy, symbol),
            candles=self.floor.book.facts.get(symbol),
            error=keeper.error,
            failure=Failure.STRATEGY if keeper.error else None,
        )

    def _account(self, sessions: Sequence[SessionOutcome], end_ms: int) -> AccountOutcome | None:
        """Return the account; what earlier runs and sessions that are no more have earned is in its first balance."""
        account = account_of(self.shared, self.guard, end_ms)
        if account is None or self.shared is None:
            return None
        reported = sum(trade.gain.net for session in sessions for trade in session.trades)
        return replace(account, balance=account.balance + self.shared.closed_net - reported)

    def _charts(self) -> dict[str, Candles]:
        growing = self.floor.book.growing()
        known = {symbol: market.known_candles for symbol, market in sorted(growing.items())}
        first_ms = min((int(candles.timestamp[0]) for candles in known.values()), default=0)
        span = (max(first_ms, self.facts.start_ms), max((market.known_ms for market in growing.values()), default=0))
        interval = fitting_interval(span, max(1, len(known)))
        return {symbol: candles_of(candles, span, interval) for symbol, candles in known.items()}
