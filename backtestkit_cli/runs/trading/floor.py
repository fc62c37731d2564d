"""The floor of a trading run: what all of its sessions share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.trading import TradingOptions
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.ports import Time
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.sessions import run_context, session_plan
from backtestkit_cli.runs.trading.candles import Feed
from backtestkit_cli.runs.trading.growing_book import GrowingBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The plan, the candles and the life of a run, and when it began.

    `on_failure` is told strategy and symbol of a session that failed.
    """

    plan: RunPlan
    run_id: str
    options: TradingOptions
    life: RunLife
    book: GrowingBook
    feed: Feed
    time: Time
    start_ms: int
    is_history: bool
    on_failure: Callable[[str, str], None]

    def session_plan(self, spec: StrategySpec, symbol: str, shared: Coordination | None, start_ms: int) -> SessionPlan:
        """Return what the session of *spec* on *symbol* runs from *start_ms* on."""
        base = session_plan(self.plan, self.run_id, spec, symbol, shared, self.life.timings)
        return replace(base, start_ms=start_ms, sees_ahead=False, keeps_record=self.is_history)

    @contextmanager
    def seen_at(self, when_ms: int, symbol: str = "") -> Iterator[None]:
        """Let the author's code see the run at *when_ms*, outside of any session."""
        context = run_context(self.plan, self.run_id, self.life.bus, self.book, when_ms, symbol)
        token = ambient.set(context)
        try:
            yield
        finally:
            ambient.reset(token)

    def price_of(self, strategy: str, symbol: str, when_ms: int) -> float | None:
        """Return `price(when)`, None where there is no candle of it."""
        market = self.book.growing().get(symbol)
        row = -1 if market is None else market.row_at(when_ms)
        if market is None or row < 0:
            return None
        model = fill_model(self.plan.settings[strategy].fill_model)
        return float(model.prices(market).item(row))

    def connection_of(self, symbol: str) -> str:
        """Return `ok`, `stale` where the venue has had no candle that should be there, or `lost`."""
        problem = self.feed.problems.get(symbol)
        if problem is not None and problem.is_connection:
            return "lost"
        patience_ms = round(self.options.candle_patience_seconds * 1000) + 2 * MINUTE_MS
        return "ok" if problem is None and self.feed.silent_ms(symbol) <= patience_ms else "stale"


def errors_folder(out: str, symbol: str) -> Path:
    """Return where the report of a symbol that failed is written."""
    return Path(out) / "errors" / symbol.replace("/", "")
