"""Runs for pages: a small one in which everything happens, and one as long as the largest that must fit."""

import random
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from backtestkit_cli.analytics.outcome import Failure, SessionOutcome, TradePath
from backtestkit_cli.analytics.trade_columns import closing_order
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.events.facts import Event, PositionClosed
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from tests.builders import START_MS, a_session, a_trade, an_outcome

HOSTILE = "</script><script>document.title = 1</script><img src=x onerror='document.title = 1'> {{style}} & <b>"
"""A note that would break a page which takes it for markup."""

STEP_MS = 5 * MINUTE_MS


def chart_candles(seed: int, *, days: int = 2, step_ms: int = STEP_MS, price: float = 100.0) -> Candles:
    """Return a random walk with two decimals from the start of the frame on."""
    generator = np.random.default_rng(seed)
    count = days * DAY_MS // step_ms
    close = price + np.cumsum(generator.integers(-9, 10, count)) / 100
    opened = np.concatenate(([price], close[:-1]))
    wicks = generator.integers(0, 12, (2, count)) / 100
    high, low = np.maximum(opened, close) + wicks[0], np.minimum(opened, close) - wicks[1]
    opened, high, low, close = (np.round(column, 2) for column in (opened, high, low, close))
    return Candles.frozen(START_MS + np.arange(count) * step_ms, opened, high, low, close, np.ones(count))


def with_charts(
    *sessions: SessionOutcome, events: Iterable[Event] = (), days: int = 2, step_ms: int = STEP_MS, **facts: object
) -> RunRecord:
    """Return the run of *sessions* with candles of each symbol."""
    outcome = an_outcome(*sessions, events=events, **{"end_ms": START_MS + days * DAY_MS, **facts})
    symbols = sorted({session.symbol for session in sessions})
    charts = {symbol: chart_candles(seed, days=days, step_ms=step_ms) for seed, symbol in enumerate(symbols)}
    return record_of(replace(outcome, charts=charts))


def a_varied_record() -> RunRecord:
    """Return 120 trades of two symbols, and a symbol that failed: long, short, averaged, sold in parts, hostile."""
    bitcoin = [
        a_trade(
            side=Side.LONG if hour % 3 else Side.SHORT,
            opened_at_ms=START_MS + hour * 20 * MINUTE_MS,
            minutes=15,
            price_close=100 + (hour % 7 - 3) / 2,
            reason=CloseReason.TAKE_PROFIT if hour % 2 else CloseReason.TIME_EXPIRED,
            note=f"rung {hour}",
        )
        for hour in range(118)
    ]
    ether = [
        a_trade(
            symbol="ETHUSDT",
            minutes=300,
            opened_at_ms=START_MS + DAY_MS // 2,
            steps=[("buy", 60, 99.0, 100.0), ("sell", 120, 101.0, 50.0)],
            note=HOSTILE,
        ),
        a_trade(symbol="ETHUSDT", opened_at_ms=START_MS + DAY_MS, price_close=98.0, reason=CloseReason.STOP_LOSS),
    ]
    return with_charts(
        a_session(*bitcoin, paths=(TradePath(-1.0, 1.5, True),) * len(bitcoin)),
        a_session(*ether, symbol="ETHUSDT"),
        a_session(symbol="FAILUSDT", error="price() <failed>", failure=Failure.STRATEGY),
        frame=f"two {HOSTILE}",
    )


def a_long_record(*, symbols: int, days: int, trades_each: int, step_ms: int = STEP_MS) -> RunRecord:
    """Return a run of that size, with made-up trades and the events of their closes."""
    sessions = []
    for number in range(symbols):
        name = f"S{number:03}USDT"
        chance = random.Random(number)
        trades = [_some_trade(name, chance, days) for _ in range(trades_each)]
        trades.sort(key=lambda trade: trade.closed_at_ms)
        sessions.append(a_session(*trades, symbol=name, days=days))
    trades = sorted((trade for session in sessions for trade in session.trades), key=closing_order)
    events = [PositionClosed(trade.closed_at_ms, trade.strategy, trade.symbol, trade) for trade in trades]
    return with_charts(*sessions, events=events, days=days, step_ms=step_ms)


def _some_trade(symbol: str, chance: random.Random, days: int) -> Trade:
    return a_trade(
        symbol=symbol,
        opened_at_ms=START_MS + chance.randrange(days * DAY_MS - 600 * MINUTE_MS) // MINUTE_MS * MINUTE_MS,
        minutes=chance.randrange(1, 600),
        price_open=chance.uniform(90, 110),
        price_close=chance.uniform(90, 110),
        steps=[("buy", 1, chance.uniform(80, 90), 100.0)] if chance.random() < 0.3 else [],
        note=f"cross of {chance.randrange(50)} and {chance.randrange(200)}",
    )
