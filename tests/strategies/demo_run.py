"""A strategy file run on the built-in market, the way the command line does it but without a command line."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import interval_ms, to_ms
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.strategy_file import load_strategies

SYMBOLS = ("BTCUSDT", "XRPUSDT")
START_MS = to_ms(datetime(2025, 3, 1, tzinfo=UTC))
END_MS = to_ms(datetime(2025, 3, 29, tzinfo=UTC))


def the_strategy(entry: Path) -> StrategySpec:
    """Return the only strategy that the file registers."""
    (spec,) = load_strategies(str(entry)).registry.strategies.values()
    return spec


def run_on_demo(entry: Path, *, sees_ahead: bool = True, **settings: Any) -> RunOutcome:
    """Run the only strategy of *entry* over four weeks of two symbols, with its settings and these."""
    spec, source = the_strategy(entry), DemoMarket()
    plan = RunPlan(
        mode="backtest",
        strategies=(spec,),
        symbols=SYMBOLS,
        exchange=source.name,
        source=source,
        source_facts={},
        frame="four-weeks",
        start_ms=START_MS,
        end_ms=END_MS,
        settings={spec.name: Settings(**spec.settings, **settings)},
        source_hashes={},
    )
    return asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))


def demo_candles(symbol: str, interval: str, *, before: int = 0) -> Candles:
    """Return the candles of the frame and *before* more in front of it."""
    length_ms = interval_ms(interval)
    minutes = asyncio.run(DemoMarket().fetch(symbol, "1m", START_MS - before * length_ms, END_MS))
    return aggregated(minutes, length_ms, 60_000)
