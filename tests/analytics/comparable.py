"""Trades of two runs on the same days, for tests of what compares them."""

import numpy as np

from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from backtestkit_cli.domain.money import Costs
from tests.builders import START_MS, a_trade
from tests.trades_as_columns import columns_of

FREE = Costs(0.0, 0.0)


def daily_trades(pnl_pct: Floats, symbol: str = "BTCUSDT") -> TradeColumns:
    """Return trades of 100 quote money, free of costs, that close on the day of their row, an hour a column."""
    return columns_of(
        a_trade(
            symbol=symbol,
            opened_at_ms=START_MS + day * DAY_MS + hour * HOUR_MS,
            minutes=30,
            price_close=100 + float(pnl),
            costs=FREE,
        )
        for (day, hour), pnl in np.ndenumerate(pnl_pct)
    )


def span(days: int) -> dict[str, int]:
    """Return the frame of `daily_trades`."""
    return {"start_ms": START_MS, "end_ms": START_MS + days * DAY_MS}
