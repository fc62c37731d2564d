"""One position on one market and what is done with it, for tests of policies, commands and levels."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np

from backtestkit_cli import Event, PositionClosed, PositionOpened, Signal, add_strategy
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, plan_for, registered

AT = 10
"""The minute at which the signal comes."""
Did: TypeAlias = Callable[[Any], object]


def then(*prices: float, before: float = 100.0, after: int = 3) -> Candles:
    """Return a market that stands at *before* until the tick of minute `AT`, then takes *prices* minute by minute.

    The last price stays for *after* minutes. With one candle to an average price, that is `price(when)` in both
    models: the price of the tick at minute `AT + k` is `prices[k - 1]`.
    """
    price = np.array([before] * AT + [*prices] + [prices[-1]] * after)
    times = START_MS + np.arange(len(price)) * MINUTE_MS
    nothing_traded = np.zeros(len(price))  # the average of one candle is its close then, to the last bit
    return Candles.frozen(times, price, price, price, price, nothing_traded)


def minute_of(event: Any) -> int:
    """Return how many minutes after the signal *event* happened."""
    return (int(event.at_ms) - START_MS) // MINUTE_MS - AT


def minute_of_close(trade: Trade) -> int:
    """Return how many minutes after the signal *trade* closed."""
    return (trade.closed_at_ms - START_MS) // MINUTE_MS - AT


def a_signal(**changes: Any) -> Signal:
    """Return a long at market with exits 10 % from 100, for a day."""
    parts: dict[str, Any] = {"position": "long", "take_profit": 110.0, "stop_loss": 90.0, "minutes": 1000}
    return Signal(**parts | changes)


def lived(
    signal: Signal, candles: Candles, model: FillModelName, *, sees_ahead: bool = True, **others: Any
) -> RunOutcome:
    """Return what becomes of *signal* with the callbacks and settings among *others*."""
    callbacks = {name: given for name, given in others.items() if name.startswith("on_")}
    given: dict[str, Any] = {"avg_price_candles": 1, "max_stop_loss_pct": 95.0}
    given |= {name: value for name, value in others.items() if name not in callbacks}

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        return signal if to_ms(when) == START_MS + AT * MINUTE_MS else None

    registry = registered(lambda: add_strategy("s", get_signal=get_signal, **callbacks))
    plan = plan_for(registry, {"AAA": candles}, settings=Settings(fill_model=model, **given))
    outcome = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))
    assert [session.error for session in outcome.sessions] == [None]
    return outcome


def told(signal: Signal, candles: Candles, model: FillModelName, **others: Any) -> tuple[list[Any], Trade]:
    """Return the events between opening and closing, and the trade; with foresight and without it is the same."""
    ahead, stepped = (lived(signal, candles, model, sees_ahead=sees, **others) for sees in (True, False))
    assert ahead.events == stepped.events
    first, *between, last = ahead.events
    assert isinstance(first, PositionOpened)
    assert isinstance(last, PositionClosed)
    return between, last.trade


def rows(events: Sequence[Event], *names: str) -> list[tuple[Any, ...]]:
    """Return *events* as minute, kind, and what they say under *names* where they have it."""
    return [
        (minute_of(event), event_kind(type(event)), *(getattr(event, name) for name in names if hasattr(event, name)))
        for event in events
    ]


def only_at(minute: int, *commands: Callable[[], object], into: list[Any] | None = None) -> Did:
    """Return a handler that gives *commands* at *minute* after the signal, and puts their answers *into* a list."""

    def handler(ping: Any) -> None:
        if minute_of(ping) == minute:
            answers = [command() for command in commands]
            if into is not None:
                into.extend(answers)

    return handler
