"""A ladder: buy, buy again at each dip, leave when the price stands above the average cost.

It shows a position that is managed while it is open: `on_active` is called every minute of it and gives
commands. Every rung costs `position_cost`.
"""

from datetime import datetime

from backtestkit_cli import PositionActive, Signal, add_strategy, average_buy, close_position

RUNGS = 10
DIP_PCT = 1.0  # of a rung below the one before
TARGET_PCT = 3.0  # above the average cost
STOP_PCT = 25.0  # below the first rung


async def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
    """Buy the first rung at once.

    The stop is the hard one: it rests 25 % below the first rung and does not follow the average cost down.
    The tenth rung stands 8.6 % or more below the first, so a full ladder stopped there has lost at most
    21.5 % of its money before costs and gaps. The target is that of a single rung; with more rungs
    `on_active` leaves earlier.
    """
    return Signal(
        position="long",
        take_profit=price * (1 + TARGET_PCT / 100),
        stop_loss=price * (1 - STOP_PCT / 100),
    )


def on_active(active: PositionActive) -> None:
    """Leave above the average cost, or buy the next rung a dip below the last one."""
    price, position = active.price, active.position
    if price >= position.price_effective * (1 + TARGET_PCT / 100):
        close_position(f"target after {len(position.entries)} rungs")
    elif len(position.entries) < RUNGS and price <= position.entries[-1].price * (1 - DIP_PCT / 100):
        average_buy()


add_strategy(
    "dca",
    interval="15m",
    get_signal=get_signal,
    on_active=on_active,
    # A ladder has no time limit, and its stop lies beyond what the defaults allow.
    settings={"max_minutes": None, "max_stop_loss_pct": STOP_PCT + 1},
    note=f"{RUNGS} rungs, each {DIP_PCT} % below the last, out at +{TARGET_PCT} % of the average cost",
)
