"""The entry order of a signal."""

from backtestkit_cli.domain.order import EntryOrder
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.policies.orders.market import Market

_AT_MARKET = Market()


def order_of(signal: Signal) -> EntryOrder:
    """Return the `entry` of a valid *signal*, or what its `price_open` is short for."""
    if signal.entry is not None:
        return signal.entry
    return _AT_MARKET if signal.price_open is None else Limit(signal.price_open)
