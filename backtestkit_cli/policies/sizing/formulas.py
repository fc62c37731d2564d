"""The bare formulas of sizing, before any clamp.

Prices and ranges are in the quote asset, balances are quote money, quantities are of the base asset. Where a
formula divides by zero its answer is NaN.
"""

from math import nan

import numpy as np

from backtestkit_cli.domain.candle import Candles


def fixed_pct_quantity(balance: float, risk_pct: float, price: float, stop_loss: float) -> float:
    """Return the quantity that loses *risk_pct* of *balance* between *price* and *stop_loss*.

    `balance · risk% / |price - stop|`; fees and slippage come on top. Source: design, section 7.
    """
    return _ratio(balance * risk_pct / 100, abs(price - stop_loss))


def kelly_fraction(win_rate: float, reward_ratio: float) -> float:
    """Return the share of the balance that grows it fastest, negative where the odds are against the trade.

    `(W·R - (1-W)) / R` with the share of winners W (0-1) and the mean win in mean losses R. Source: J. L. Kelly,
    "A New Interpretation of Information Rate", Bell System Technical Journal 35 (1956).
    """
    return _ratio(win_rate * reward_ratio - (1 - win_rate), reward_ratio)


def kelly_quantity(
    balance: float, price: float, win_rate: float, reward_ratio: float, kelly_multiplier: float
) -> float:
    """Return the quantity that *kelly_multiplier* (0-1) of the Kelly fraction of *balance* buys at *price*.

    `balance · (W·R - (1-W)) / R · multiplier / price`, negative where the odds are.
    """
    return _ratio(balance * kelly_fraction(win_rate, reward_ratio) * kelly_multiplier, price)


def atr_quantity(balance: float, risk_pct: float, atr: float, atr_multiplier: float) -> float:
    """Return the quantity that loses *risk_pct* of *balance* when the price moves by *atr_multiplier* ranges.

    `balance · risk% / (ATR · multiplier)` with the average true range in the quote asset. Source: design, section 7.
    """
    return _ratio(balance * risk_pct / 100, atr * atr_multiplier)


def average_true_range(candles: Candles) -> float:
    """Return the mean true range of all *candles* but the oldest, which only gives a close; NaN for fewer than two.

    The true range is the span of high, low and the close before: `max(high, close₋₁) - min(low, close₋₁)`.
    Source: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978), with a plain mean for his smoothing.
    """
    if len(candles) < 2:
        return nan
    before = candles.close[:-1]
    ranges = np.maximum(candles.high[1:], before) - np.minimum(candles.low[1:], before)
    return float(ranges.mean())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else nan
