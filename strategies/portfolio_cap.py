"""At most three positions over any number of symbols, and no more of them once too much is lost.

It shows a risk profile with a built-in rule and one of its own, and a service that keeps the book of the whole
run. Every symbol wants to open at 08:00, so it is seen who may: sessions are asked in the order of symbol, then
strategy, whatever the order of `--symbols` and `--max-concurrent`. Until 08:00 of the next day all have closed.

    btk backtest -e strategies/portfolio_cap.py -s BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,ADAUSDT

`configs/coordination.yaml` adds an account, groups, a sizing and a stop for all.
"""

from datetime import datetime

from backtestkit_cli import (
    MaxOpen,
    PositionClosed,
    PositionOpened,
    RiskCheck,
    Signal,
    add_risk,
    add_strategy,
    bracket,
    provide,
    service,
)

MOST_LOST = 50.0  # quote money


@provide
class Book:
    """What is open and what was won so far, in quote money, over all symbols of a run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.active: set[str] = set()
        self.pnl_cost = 0.0


def get_signal(_symbol: str, when: datetime, price: float) -> Signal | None:
    """Buy at 08:00."""
    if when.hour != 8:
        return None
    return bracket("long", price, take_profit_pct=3, stop_loss_pct=2, minutes=23 * 60)


def on_open(opened: PositionOpened) -> None:
    """Enter the position in the book; it is there before the next symbol is asked."""
    service(Book).active.add(opened.position.id)


def on_close(closed: PositionClosed) -> None:
    """Strike it out and add up."""
    book = service(Book)
    book.active.remove(closed.trade.id)
    book.pnl_cost += closed.trade.pnl_cost


def lost_enough(_check: RiskCheck) -> str | None:
    """Refuse every signal after the loss; a rule of one's own returns why, or None."""
    book = service(Book)
    if book.pnl_cost > -MOST_LOST:
        return None
    return f"lost {-book.pnl_cost:.2f}, at most {MOST_LOST} may be"


add_risk("three_at_a_time", rules=[MaxOpen(3), lost_enough], note=f"3 positions, stop after a loss of {MOST_LOST}")
add_strategy(
    "portfolio_cap",
    interval="1h",
    get_signal=get_signal,
    on_open=on_open,
    on_close=on_close,
    risk="three_at_a_time",
    note="long at 08:00 UTC, at most three symbols at a time",
)
