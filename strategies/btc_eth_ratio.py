"""The price of BTC in ETH: when it is far above its mean BTC is sold and ETH bought, and the other way round.

It shows a strategy that reads a second symbol. There is no table of last prices to share and to keep in step:
`get_average_price` answers for any symbol as of this very minute, whichever of the two is asked first. Both have to be
listed, as in `-s BTCUSDT,ETHUSDT`, for both to be traded; what is only read need not be. Where a ratio has a
level that means something, such as 20, compare it with that instead of with its mean.
"""

from datetime import datetime

from backtestkit_cli import Signal, add_strategy, bracket, get_average_price, get_candles

BTC, ETH = "BTCUSDT", "ETHUSDT"
MEAN_HOURS = 24
FAR_PCT = 4.0  # of the ratio from its mean


def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
    """Bet that the ratio comes back: one symbol of the pair each, for an hour; other symbols are left alone."""
    if symbol not in {BTC, ETH}:
        return None
    ratio = get_average_price(BTC) / get_average_price(ETH)
    means = get_candles(BTC, "1h", MEAN_HOURS).close / get_candles(ETH, "1h", MEAN_HOURS).close
    far_pct = (ratio / float(means.mean()) - 1) * 100
    if abs(far_pct) < FAR_PCT:
        return None
    side = "short" if (far_pct > 0) == (symbol == BTC) else "long"
    note = f"ratio {ratio:.6f}, {far_pct:+.2f} % from its mean"
    return bracket(side, price, take_profit_pct=2.0, stop_loss_pct=2.0, minutes=60, note=note)


add_strategy(
    "btc_eth_ratio",
    interval="1h",
    get_signal=get_signal,
    warm_up={"1h": MEAN_HOURS},
    note=f"BTC/ETH {FAR_PCT} % from its mean of {MEAN_HOURS} hours, for an hour, stop and target 2 %",
)
