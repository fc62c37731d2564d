"""Markets that fall, and the run that they stop."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from backtestkit_cli import (
    Signal,
)
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.settings import FillModelName, Settings
from tests.engine.coordinated import (
    a_long,
    a_plan,
)
from tests.markets import candles_of, flat

MINUTES = 400


def falling(seed: int, to: float = 85.0, minutes: int = MINUTES) -> Candles:
    """Return a noisy fall from 100 to *to*."""
    noise = np.random.default_rng(seed).normal(0, 0.05, minutes)
    return candles_of((np.linspace(100, to, minutes) + noise).tolist(), spread=0.0005)


FALLING = {symbol: falling(seed) for seed, symbol in enumerate("ABCDE")} | {"W": flat(MINUTES)}


def five_longs_and_one_that_waits(symbol: str, _when: datetime, price: float) -> Signal:
    if symbol == "W":
        return a_long(price, price_open=price * 0.9, stop_loss=price * 0.8, cost=10.0)
    return a_long(price, cost=190.0)


def a_stop(model: FillModelName, action: StopAction, *, candles: Mapping[str, Candles] = FALLING, **parts: Any) -> Any:
    return a_plan(
        candles,
        five_longs_and_one_that_waits,
        interval="5m",
        portfolio=Portfolio(balance=1000.0, max_drawdown_pct=10.0, on_drawdown=action),
        settings=Settings(fill_model=model, schedule_await_minutes=1440),
        **parts,
    )


def breach_by_hand(equity: np.ndarray[Any, Any], from_minute: int, balance: float = 1000.0) -> int:
    """Return the first minute at which the equity is at or below 90 % of its highest so far."""
    peaks = np.maximum.accumulate(np.maximum(equity, balance))
    return from_minute + int(np.flatnonzero((equity <= peaks * 0.9)[from_minute:])[0])
