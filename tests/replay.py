"""A run of history through the path of paper trading: a wall clock whose time is simulated, and a paper venue."""

import asyncio
from dataclasses import replace

import orjson

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.candle import fingerprint
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.events.rows import event_rows
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.growing_book import Windows
from backtestkit_cli.runs.trading.outside import outside_of
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import run_trading
from backtestkit_cli.runs.trading.stopping import StopRequest

RICH = 1e15


async def replayed(plan: RunPlan, windows: Windows | None = None) -> RunOutcome:
    """Return what comes of *plan* where its candles close one by one, in *windows* of them."""
    trading = replay_of(plan)
    outside = replace(outside_of(trading), windows=windows)
    return await run_trading(trading, stop=StopRequest(), outside=outside)


def replay_of(plan: RunPlan) -> TradingPlan:
    """Return the replay of *plan* on an account that is never short of money."""
    return TradingPlan(
        run=plan,
        options=TradingOptions(),
        paper=PaperOptions(balance=RICH),
        store=StoreOptions(),
        is_replay=True,
    )


def event_log(outcome: RunOutcome) -> bytes:
    """Return the bytes of the events of *outcome* as its folder would hold them."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in event_rows(outcome.events))


def replays_like_a_backtest(plan: RunPlan) -> RunOutcome:
    """Run *plan* both ways under one mode, check that nothing tells them apart, and return the outcome."""
    expected, found = asyncio.run(run_backtest(plan)), asyncio.run(replayed(plan))
    assert event_log(found) == event_log(expected)
    assert found.sessions == expected.sessions
    assert found.account == expected.account
    assert found.candles_beside == expected.candles_beside
    assert found.counts == expected.counts
    assert found.facts == expected.facts
    drawn = [{symbol: fingerprint(drawn) for symbol, drawn in one.charts.items()} for one in (expected, found)]
    assert drawn[0] == drawn[1]
    return found
