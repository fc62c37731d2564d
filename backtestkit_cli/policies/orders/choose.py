"""The entry order of a signal."""

from backtestkit_cli.domain.order import EntryOrder
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.policies.orders.at_venue import AtVenue
from backtestkit_cli.policies.orders.conditional import Above, Below
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.policies.orders.market import Market
from backtestkit_cli.policies.orders.stop import Stop
from backtestkit_cli.policies.orders.stop_limit import StopLimit

_AT_MARKET = Market()
BUILT_IN = (Market, Limit, Stop, StopLimit, Above, Below, AtVenue)
"""The kinds of entry orders that come with btk, each a dataclass with a `kind` of its own."""


def is_built_in(order: EntryOrder) -> bool:
    """Say whether *order* is one of ours, which are known to look at no row before its time."""
    return type(order) in BUILT_IN


def order_of(signal: Signal) -> EntryOrder:
    """Return the `entry` of a valid *signal*, or what its `price_open` is short for."""
    if signal.entry is not None:
        return signal.entry
    return _AT_MARKET if signal.price_open is None else Limit(signal.price_open)
