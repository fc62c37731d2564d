"""Values for tests: each builder gives a sensible one, its arguments change what a test is about."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from backtestkit_cli.analytics.outcome import CandleFacts, RunFacts, RunOutcome, SessionOutcome
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.money import NOTHING, Costs
from backtestkit_cli.domain.position import Closing, Entry, Plan, Position, Trade, average_in, close, sell_part
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.events.facts import Event
from backtestkit_cli.reports.saved.record import RunRecord, record_of

START_MS = 1_746_316_800_000
"""2025-05-04 00:00 UTC, where frames of tests start."""
COSTS = Costs.of(Settings())

Step: TypeAlias = tuple[str, int, float, float]
"""`("buy", minute, price, cost)` or `("sell", minute, price, percent)`, minutes counted from the opening."""


def a_position(
    *,
    side: Side = Side.LONG,
    opened_at_ms: int = START_MS,
    price_open: float = 100.0,
    cost: float = 100.0,
    note: str = "",
    steps: Iterable[Step] = (),
    costs: Costs = COSTS,
) -> Position:
    """Return a position after *steps*, in their order."""
    position = Position(
        id=f"{opened_at_ms:x}",
        side=side,
        take_profit=price_open * (1 + 0.02 * side.sign),
        stop_loss=price_open * (1 - 0.02 * side.sign),
        plan=Plan(price_open * (1 + 0.02 * side.sign), price_open * (1 - 0.02 * side.sign), note=note),
        scheduled_at_ms=opened_at_ms,
        opened_at_ms=opened_at_ms,
        entries=(Entry(opened_at_ms, price_open, cost),),
        partials=(),
        invested=cost,
        cost_left=cost,
        quantity_left=cost / price_open,
        price_effective=price_open,
        realised=NOTHING,
    )
    for kind, minute, price, amount in steps:
        at_ms = opened_at_ms + minute * MINUTE_MS
        if kind == "buy":
            position = average_in(position, Entry(at_ms, price, amount))
        else:
            position = sell_part(position, at_ms, price, amount, costs)
    return position


def a_trade(
    *,
    symbol: str = "BTCUSDT",
    strategy: str = "sma_cross",
    minutes: int = 60,
    price_close: float = 101.0,
    reason: CloseReason = CloseReason.TAKE_PROFIT,
    costs: Costs = COSTS,
    **position: Any,
) -> Trade:
    """Return a position of `a_position` closed *minutes* after it opened."""
    ledger = a_position(costs=costs, **position)
    closing = Closing(ledger.opened_at_ms + minutes * MINUTE_MS, reason, price_close)
    return close(ledger, closing, costs, strategy=strategy, symbol=symbol)


def trades_of(*pnl_pct: float, symbol: str = "BTCUSDT") -> tuple[Trade, ...]:
    """Return one trade of 100 quote money an hour, each with the given net result in percent and no costs."""
    free = Costs(0.0, 0.0)
    return tuple(
        a_trade(symbol=symbol, opened_at_ms=START_MS + hour * 60 * MINUTE_MS, price_close=100 + pnl, costs=free)
        for hour, pnl in enumerate(pnl_pct)
    )


def a_session(
    *trades: Trade, symbol: str = "BTCUSDT", strategy: str = "sma_cross", days: int = 2, **others: Any
) -> SessionOutcome:
    """Return a session of *days* days with these trades, marked at 100 each midnight and at the end."""
    marks = tuple((START_MS + day * DAY_MS, 100.0) for day in range(1, days + 1))
    candles = CandleFacts(
        count=days * 1440 + 4, minutes=days * 1440 + 4, missing=0, gaps=(), fingerprint=f"of-{symbol}"
    )
    usual: dict[str, Any] = {"marks": marks, "counts": {"position_closed": len(trades)}, "candles": candles}
    return SessionOutcome(strategy=strategy, symbol=symbol, trades=trades, **usual | others)


def an_outcome(*sessions: SessionOutcome, events: Iterable[Event] = (), **facts: Any) -> RunOutcome:
    """Return a run of these sessions on the demo market over two days."""
    names = sorted({session.strategy for session in sessions} or {"sma_cross"})
    usual: dict[str, Any] = {
        "run_id": "sma_cross-0123456789",
        "mode": "backtest",
        "version": "0.1.0",
        "exchange": "demo",
        "source": {"kind": "demo", "seed": 7},
        "is_synthetic": True,
        "frame": "two-days",
        "start_ms": START_MS,
        "end_ms": START_MS + 2 * DAY_MS,
        "symbols": tuple(sorted({session.symbol for session in sessions})),
        "strategies": dict.fromkeys(names, "ab" * 32),
        "notes": dict.fromkeys(names, ""),
        "settings": dict.fromkeys(names, Settings()),
    }
    return RunOutcome(facts=RunFacts(**usual | facts), sessions=sessions, events=tuple(events))


def a_record(*sessions: SessionOutcome, events: Iterable[Event] = (), **facts: Any) -> RunRecord:
    """Return the run of `an_outcome` as it is saved."""
    return record_of(an_outcome(*sessions, events=events, **facts))
