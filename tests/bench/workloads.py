"""The workloads W1 to W5: what is decided at the close of a candle fills at the open of the next one."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backtestkit_cli import (
    Candles,
    Ladder,
    PositionActive,
    Signal,
    add_strategy,
    average_buy,
    close_position,
    get_indicator,
)
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.settings import FillModelName, Settings

NINE = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "LINKUSDT", "TRXUSDT")
HUNDRED = tuple(f"S{k:03d}USDT" for k in range(100))
GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "w1": ("nine", NINE),
    "w2": ("nine", NINE),
    "w3": ("big", ("BTCUSDT",)),
    "w4": ("nine", ("BTCUSDT",)),
    "w5": ("hundred", HUNDRED),
}
HOLD_MINUTES = 240
STEP_MINUTES = 5
MAX_RUNGS = 10

BRACKET_SETTINGS = Settings(fill_model=FillModelName.CANDLE)
LADDER_SETTINGS = Settings(fill_model=FillModelName.CANDLE, max_minutes=None, max_stop_loss_pct=90.0)


class Bracket(NamedTuple):
    """A combination of W4; the defaults are those of W1."""

    fast: int = 50
    slow: int = 150
    take_profit: float = 0.01
    stop_loss: float = 0.01


W1 = Bracket()
COMBOS = [
    Bracket(fast, slow, take_profit, stop_loss)
    for fast in (20, 30, 40, 50, 60)
    for slow in (100, 150, 200, 250, 300)
    for take_profit, stop_loss in ((0.01, 0.01), (0.015, 0.01), (0.01, 0.015), (0.02, 0.02))
]


def crosses(candles: Candles, combo: Bracket) -> npt.NDArray[np.bool_]:
    """Say where the fast average of the closes has just crossed above the slow one, at every fifth close."""
    total = np.zeros(len(candles) + 1)
    np.cumsum(candles.close, out=total[1:])
    ends = np.arange(STEP_MINUTES, len(candles) + 1, STEP_MINUTES)
    ends = ends[ends >= combo.slow]
    fast, slow = ((total[ends] - total[ends - n]) / n for n in (combo.fast, combo.slow))
    is_above = fast > slow
    cross = np.zeros(len(candles), np.bool_)
    cross[ends[1:] - 1] = is_above[1:] & ~is_above[:-1]
    return cross


def bracket(combo: Bracket = W1) -> StrategySpec:
    """Return W1 as a strategy with an async `get_signal`, asked every five minutes."""

    async def get_signal(_symbol: str, _when: datetime, price: float) -> Signal | None:
        if not get_indicator("cross"):
            return None
        return Signal(
            position="long",
            take_profit=price * (1 + combo.take_profit),
            stop_loss=price * (1 - combo.stop_loss),
            minutes=HOLD_MINUTES,
        )

    def columns(candles: Candles) -> dict[str, npt.NDArray[np.bool_]]:
        return {"cross": crosses(candles, combo)}

    return _registered(interval="5m", get_signal=get_signal, indicators={"1m": columns})


def bracket_batch(combo: Bracket = W1) -> StrategySpec:
    """Return W1 as a batch strategy."""

    def entries(candles: Candles) -> dict[str, Any]:
        return {
            "side": crosses(candles, combo),
            "take_profit": candles.close * (1 + combo.take_profit),
            "stop_loss": candles.close * (1 - combo.stop_loss),
            "minutes": HOLD_MINUTES,
        }

    return _registered(interval="1m", entries=entries)


def ladder() -> StrategySpec:
    """Return W2: buy, average into dips of 1 %, leave at +3 % or -25 % of the average cost, all by a listener."""

    async def get_signal(_symbol: str, _when: datetime, price: float) -> Signal | None:
        return Signal(position="long", take_profit=price * 100, stop_loss=price * 0.2)

    def on_active(ping: PositionActive) -> None:
        price, position = ping.price, ping.position
        average = position.price_effective
        if price >= average * 1.03 or price <= average * 0.75:
            close_position()
        elif price <= position.entries[-1].price * 0.99 and len(position.entries) < MAX_RUNGS:
            average_buy()

    return _registered(interval="1m", get_signal=get_signal, on_active=on_active)


def ladder_policies() -> StrategySpec:
    """Return the ladder of W2 by policies alone: the target rests at its level, the stop 25 % below the first rung."""
    rungs = Ladder(step_pct=1.0, entries=MAX_RUNGS, take_profit_pct=3.0)

    async def get_signal(_symbol: str, _when: datetime, price: float) -> Signal | None:
        return Signal(position="long", take_profit=price * 1.03, stop_loss=price * 0.75, ladder=rungs)

    return _registered(interval="1m", get_signal=get_signal)


def _registered(**parts: Any) -> StrategySpec:
    with registering_in(Registry()) as registry:
        add_strategy("bench", **parts)
    return registry.strategies["bench"]


STRATEGIES: Mapping[str, Callable[[], StrategySpec]] = {
    "w1": bracket,
    "w2": ladder,
    "w3": bracket,
    "w2-policies": ladder_policies,
    "w5": bracket,
    "w1-batch": bracket_batch,
    "w3-batch": bracket_batch,
    "w5-batch": bracket_batch,
}
