"""Equity curves for tests."""

from collections.abc import Sequence

import numpy as np

from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.domain.interval import DAY_MS
from tests.builders import START_MS


def a_curve(*equity: float, balance: float = 1000.0, start_ms: int = START_MS) -> DailyCurve:
    """Return the curve of whole days from midnight on that ends each with the given equity."""
    times = start_ms + np.arange(1, len(equity) + 1) * DAY_MS
    return DailyCurve(
        start_ms=start_ms, balance_quote=balance, times_ms=times, equity_quote=np.array(equity, dtype=np.float64)
    )


def curve_of_returns(returns: Sequence[float], *, balance: float = 1000.0) -> DailyCurve:
    """Return the curve that wins *returns* (shares, not percent) day by day."""
    return a_curve(*(balance * np.cumprod(1 + np.array(returns, dtype=np.float64))).tolist(), balance=balance)
