"""Scaling out: a third of the position is sold a quarter of the way to the target, a third half way, the rest later.

It shows partial levels that measure the way to the target (`partial_basis: progress`), `on_partial_profit`,
the view that `position()` gives, and a stop that follows by itself. The shares are 33/33/34 percent of the
position; for 25/35/40 change `SALES`. Callbacks of levels, unlike `on_active`, cost nothing while no level is reached.
"""

from datetime import datetime

from backtestkit_cli import (
    TP_LEVEL2,
    TP_LEVEL3,
    ProfitLevelReached,
    Signal,
    add_strategy,
    bracket,
    breakeven,
    get_candles,
    partial_close,
    position,
)

SALES = (  # percent of the way to the target, percent of the position; at TP_LEVEL1, the target, the rest goes
    (TP_LEVEL3, 33),
    (TP_LEVEL2, 33),
)
TARGET_PCT, STOP_PCT = 4.0, 2.0


def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
    """Buy above the highs of half a day; two percent in profit the stop begins to follow, 1.5 % behind the best."""
    if price <= get_candles(symbol, "1h", 12).high.max():
        return None
    return bracket(
        "long",
        price,
        take_profit_pct=TARGET_PCT,
        stop_loss_pct=STOP_PCT,
        minutes=1440,
        trailing_stop_pct=1.5,
        trailing_activation_pct=2.0,
    )


def on_partial_profit(reached: ProfitLevelReached) -> None:
    """Sell the next share once its level is reached, and let nothing be lost from the first sale on.

    Levels are told in steps of ten, so 25 percent of the way is noticed at level 30. `partial_close` takes percent of
    what is left, which is why a share of the whole is divided by the part that is held.
    """
    held = position()
    if held is None or len(held.partials) == len(SALES):
        return
    level, share_pct = SALES[len(held.partials)]
    if reached.level >= level:
        partial_close(share_pct / held.held_pct * 100)
        if not held.partials:
            breakeven()


add_strategy(
    "scale_out",
    interval="15m",
    get_signal=get_signal,
    on_partial_profit=on_partial_profit,
    warm_up={"1h": 12},
    settings={"partial_basis": "progress"},
    note="33 % out at a quarter of the way to the target, 33 % half way, the rest at target or trailing stop",
)
