"""Random trades of one session, which follow one another: averaged into, closed in parts, long and short."""

from hypothesis import strategies as st

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import Side
from tests.builders import START_MS, a_trade

prices = st.floats(1.0, 1000.0)
_step = st.tuples(st.just("buy"), st.integers(0, 3), prices, st.floats(1.0, 1000.0)) | st.tuples(
    st.just("sell"), st.integers(0, 3), prices, st.floats(0.1, 99.9)
)


@st.composite
def trade_lists(draw: st.DrawFn, *, max_wait: int = 300, max_minutes: int = 600) -> list[Trade]:
    """Return up to six trades; each opens up to *max_wait* minutes after the one before it ended."""
    at_ms, trades = START_MS, []
    for _ in range(draw(st.integers(0, 6))):
        minute, steps = 0, []
        for kind, wait, price, amount in draw(st.lists(_step, max_size=5)):
            minute += wait
            steps.append((kind, minute, price, amount))
        trade = a_trade(
            side=draw(st.sampled_from(Side)),
            opened_at_ms=at_ms + draw(st.integers(0, max_wait)) * MINUTE_MS,
            minutes=minute + draw(st.integers(0, max_minutes)),
            price_open=draw(prices),
            price_close=draw(prices),
            cost=draw(st.floats(1.0, 1000.0)),
            steps=steps,
        )
        trades.append(trade)
        at_ms = trade.closed_at_ms
    return trades
