"""Two variants of one strategy side by side: the same entries, with near exits and with far ones.

It shows strategies made by a function, each under a name of its own. A run keeps them apart: each has its own
position on each symbol and trades as it would alone, and each writes its own report:

    btk backtest -e strategies/ab_variants.py --strategy breakout_near --strategy breakout_far
    dump/backtest/breakout_near.md, dump/backtest/breakout_far.md
"""

from datetime import datetime

from backtestkit_cli import Signal, add_strategy, bracket, get_candles

RANGE = 24  # candles of one hour


def add_variant(name: str, *, stop_loss_pct: float, take_profit_pct: float) -> None:
    """Register the strategy with these exits."""

    def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
        """Buy above the highs of a day, sell below its lows."""
        hours = get_candles(symbol, "1h", RANGE)
        if hours.low.min() <= price <= hours.high.max():
            return None
        side = "long" if price > hours.high.max() else "short"
        return bracket(side, price, take_profit_pct=take_profit_pct, stop_loss_pct=stop_loss_pct, minutes=1440)

    add_strategy(
        name,
        interval="15m",
        get_signal=get_signal,
        warm_up={"1h": RANGE},
        note=f"beyond the range of {RANGE} hours, stop {stop_loss_pct} %, target {take_profit_pct} %",
    )


add_variant("breakout_near", stop_loss_pct=1.0, take_profit_pct=2.0)
add_variant("breakout_far", stop_loss_pct=3.0, take_profit_pct=6.0)
