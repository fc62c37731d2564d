"""What becomes of one signal on one market, told as short rows, for tests of entries and exits."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from backtestkit_cli import (
    Above,
    Below,
    CloseReason,
    Event,
    PositionClosed,
    PositionOpened,
    Side,
    Signal,
    SignalCancelled,
    SignalInvalid,
    SignalScheduled,
    Stop,
    StopLimit,
    add_strategy,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms
from backtestkit_cli.domain.order import EntryOrder
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, plan_for, registered

VWAP, CANDLE = FillModelName.VWAP, FillModelName.CANDLE
Row: TypeAlias = tuple[int, str, float | None]
"""`(minute, what happened, price)`: a close is its reason, a cancellation its reason without a price."""


def a_long(**changes: Any) -> Signal:
    """Return a long with exits far from 100, held for ten minutes."""
    parts: dict[str, Any] = {"position": "long", "take_profit": 115.0, "stop_loss": 98.0, "minutes": 10}
    return Signal(**parts | changes)


def events_of(signal: Signal, candles: Candles, model: FillModelName, *, at: int = 10, **settings: Any) -> list[Event]:
    """Return what happens to *signal*, returned at minute *at*; with foresight and without it is the same."""

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        return signal if to_ms(when) == START_MS + at * MINUTE_MS else None

    registry = registered(lambda: add_strategy("s", get_signal=get_signal))
    plan = plan_for(registry, {"AAA": candles}, settings=Settings(fill_model=model, **settings))
    ahead, stepped = (asyncio.run(run_backtest(plan, sees_ahead=sees)) for sees in (True, False))
    assert [session.error for session in ahead.sessions] == [None]
    assert ahead.events == stepped.events
    return list(ahead.events)


def story(signal: Signal, candles: Candles, model: FillModelName, *, at: int = 10, **settings: Any) -> list[Row]:
    """Return the rows of `events_of`, after a look that the mirrored signal on the mirrored market has the same."""
    events = events_of(signal, candles, model, at=at, **settings)
    mirrored = events_of(_mirrored(signal), _upside_down(candles), model, at=at, **settings)
    rows = [_rounded(_row(event)) for event in events]
    turned = ((minute, what, None if price is None else 200 - price) for minute, what, price in map(_row, mirrored))
    assert [_rounded(row) for row in turned] == rows
    return rows


def _rounded(row: Row) -> Row:
    minute, what, price = row
    return minute, what, None if price is None else round(price, 9)


def _row(event: Event) -> Row:
    minute = (event.at_ms - START_MS) // MINUTE_MS
    match event:
        case SignalScheduled(price_open=price):
            return minute, "scheduled", price
        case PositionOpened(price=price):
            return minute, "opened", price
        case PositionClosed(trade=trade):
            assert isinstance(trade.reason, CloseReason)
            return minute, trade.reason.value, trade.price_close
        case SignalCancelled(reason=reason):
            return minute, reason.value, None
        case SignalInvalid():
            return minute, "invalid", None
        case _:
            raise AssertionError(event)


def _upside_down(candles: Candles) -> Candles:
    low, high = 200 - candles.high, 200 - candles.low
    return Candles.frozen(candles.timestamp, 200 - candles.open, high, low, 200 - candles.close, candles.volume)


def _mirrored(signal: Signal) -> Signal:
    entry: EntryOrder | None = signal.entry
    match entry:
        case Limit(price=price):
            entry = Limit(200 - price)
        case Stop(price=price):
            entry = Stop(200 - price)
        case StopLimit(stop=stop, limit=limit):
            entry = StopLimit(200 - stop, 200 - limit)
        case Above(price=price):
            entry = Below(200 - price)
        case Below(price=price):
            entry = Above(200 - price)
        case _:
            pass
    return replace(
        signal,
        position=Side.SHORT if signal.position == "long" else Side.LONG,
        take_profit=200 - signal.take_profit,
        stop_loss=200 - signal.stop_loss,
        price_open=None if signal.price_open is None else 200 - signal.price_open,
        entry=entry,
    )
