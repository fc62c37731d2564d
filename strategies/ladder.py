"""The ladder of `strategies/dca.py` without a callback: buy, buy again at each dip, leave above the average cost.

It shows policies, which are part of the signal. Rungs stand where they stand in `dca.py`. The target is different:
it moves with every rung, and as a level it is booked at exactly 3 % above the average cost, while a command of
`on_active` closes at the price of the minute that is beyond. As nothing has to be asked every minute a run jumps
from rung to rung, which is many times as fast. What a policy does not know, such as a rung at an indicator,
takes `on_active`.
"""

from datetime import datetime

from backtestkit_cli import Ladder, Signal, add_strategy, bracket

RUNGS = 10
DIP_PCT = 1.0  # of a rung below the one before
TARGET_PCT = 3.0  # above the average cost
STOP_PCT = 25.0  # below the first rung


def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
    """Buy the first rung at once; every rung costs as much as the first."""
    return bracket(
        "long",
        price,
        take_profit_pct=TARGET_PCT,
        stop_loss_pct=STOP_PCT,
        ladder=Ladder(step_pct=DIP_PCT, entries=RUNGS, take_profit_pct=TARGET_PCT),
    )


add_strategy(
    "ladder",
    interval="15m",
    get_signal=get_signal,
    # A ladder has no time limit, and its stop lies beyond what the defaults allow.
    settings={"max_minutes": None, "max_stop_loss_pct": STOP_PCT + 1},
    note=f"{RUNGS} rungs, each {DIP_PCT} % below the lowest, out at +{TARGET_PCT} % of the average cost",
)
