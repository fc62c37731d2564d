"""The sessions of a run, on whatever clock: what each runs, what is seen outside of them, and what came of one."""

from collections.abc import Sequence
from typing import NamedTuple

from backtestkit_cli.analytics.excursions import trade_paths
from backtestkit_cli.analytics.outcome import CandleFacts, Failure, SessionOutcome
from backtestkit_cli.analytics.timings import TimingRecorder
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.events.bus import Bus
from backtestkit_cli.events.facts import Event
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.runs.counting import counts_of
from backtestkit_cli.runs.markets import MarketBook
from backtestkit_cli.runs.plan import RunPlan


def session_plan(
    plan: RunPlan,
    run_id: str,
    spec: StrategySpec,
    symbol: str,
    shared: Coordination | None,
    timings: TimingRecorder,
) -> SessionPlan:
    """Return what the session of *spec* on *symbol* runs in *plan*."""
    return SessionPlan(
        run_id=run_id,
        mode=plan.mode,
        exchange=plan.exchange,
        frame=plan.frame,
        symbol=symbol,
        strategy=spec,
        settings=plan.settings[spec.name],
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        shared=shared,
        profiles=plan.risks.get(spec.name, ()),
        sizing=plan.sizings.get(spec.name),
        timings=timings,
    )


def run_context(plan: RunPlan, run_id: str, bus: Bus, book: MarketBook, when_ms: int, symbol: str = "") -> RunContext:
    """Return what the author's code sees at *when_ms* where it is told of something outside any session."""
    return RunContext(
        run_id=run_id,
        mode=plan.mode,
        exchange=plan.exchange,
        frame=plan.frame,
        symbol=symbol,
        when_ms=when_ms,
        bus=bus,
        markets=book,
    )


class Lived(NamedTuple):
    """What a session leaves: its trades, its events, the candles it traded by, and why it ended early, if it did."""

    trades: Sequence[Trade]
    events: Sequence[Event]
    market: Market
    error: str | None


def session_outcome(plan: RunPlan, spec: StrategySpec, symbol: str, lived: Lived, facts: CandleFacts) -> SessionOutcome:
    """Return what came of a session, which had all candles of its frame; *facts* are about those."""
    market, settings = lived.market, plan.settings[spec.name]
    prices = fill_model(settings.fill_model).prices(market)
    is_touch_model = settings.fill_model is FillModelName.CANDLE
    midnights = range(plan.start_ms - plan.start_ms % DAY_MS + DAY_MS, plan.end_ms, DAY_MS)
    return SessionOutcome(
        strategy=spec.name,
        symbol=symbol,
        trades=tuple(lived.trades),
        marks=tuple((at_ms, prices.item(market.row_at(at_ms))) for at_ms in (*midnights, plan.end_ms)),
        counts=counts_of(lived.events),
        candles=facts,
        paths=trade_paths(lived.trades, market.candles, Costs.of(settings), is_touch_model=is_touch_model),
        error=lived.error,
        failure=Failure.STRATEGY if lived.error else None,
    )
