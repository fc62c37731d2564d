"""A strategy file run on the built-in market, the way the command line does it but without a command line."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import interval_ms, to_ms
from backtestkit_cli.events.bus import Listener
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.strategy_file import load_strategies

SYMBOLS = ("BTCUSDT", "XRPUSDT")
START_MS = to_ms(datetime(2025, 3, 1, tzinfo=UTC))
END_MS = to_ms(datetime(2025, 3, 29, tzinfo=UTC))


def strategies_of(entry: Path) -> tuple[StrategySpec, ...]:
    """Return the strategies that the file registers, by name."""
    found = load_strategies(str(entry)).registry.strategies
    return tuple(found[name] for name in sorted(found))


def the_strategy(entry: Path) -> StrategySpec:
    """Return the only strategy that the file registers."""
    (spec,) = strategies_of(entry)
    return spec


def demo_plan(
    entry: Path, *, symbols: Sequence[str] = SYMBOLS, strategies: Sequence[str] | None = None, **flags: Any
) -> RunPlan:
    """Return four weeks of *symbols* with *strategies* of *entry*, by default all; *flags* are keys and settings."""
    module = load_strategies(str(entry))
    names = tuple(module.registry.strategies) if strategies is None else tuple(strategies)
    what = {"entry": str(entry), "strategy": names, "symbols": tuple(symbols), "exchange": "demo"}
    span = {"from": "2025-03-01", "to": "2025-03-29"}
    loaded = load_config(None, flags={**what, **span, **flags}, sets=(), environ={}, dotenv=None, default=None)
    return assemble(loaded, module=module)


def run_on_demo(
    entry: Path,
    *,
    symbols: Sequence[str] = SYMBOLS,
    strategies: Sequence[str] | None = None,
    sees_ahead: bool = True,
    listeners: Sequence[Listener] = (),
    **flags: Any,
) -> RunOutcome:
    """Run the plan of `demo_plan`, with *listeners* beside those of the file."""
    plan = demo_plan(entry, symbols=symbols, strategies=strategies, **flags)

    def subscribe(bus: Any) -> None:
        for listener in listeners:
            bus.subscribe(listener)

    return asyncio.run(run_backtest(plan, sees_ahead=sees_ahead, on_bus=subscribe))


def demo_candles(symbol: str, interval: str, *, before: int = 0) -> Candles:
    """Return the candles of the frame and *before* more in front of it."""
    length_ms = interval_ms(interval)
    minutes = asyncio.run(DemoMarket().fetch(symbol, "1m", START_MS - before * length_ms, END_MS))
    return aggregated(minutes, length_ms, 60_000)
