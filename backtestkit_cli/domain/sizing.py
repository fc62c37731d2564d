"""What a sizing sees before an entry, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.risk import OpenPosition
from backtestkit_cli.domain.signal import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingCheck:
    """An entry that wants a size. `balance` is the quote money to size by; prices are in the quote asset.

    `candles(symbol, interval, n)` returns the last *n* closed candles, as `get_candles` does.
    `positions` are those open in the run, without this one.
    """

    strategy: str
    symbol: str
    side: Side
    price: float
    stop_loss: float
    at_ms: int
    balance: float
    positions: Sequence[OpenPosition]
    candles: Callable[[str, str, int], Candles]


class Size(NamedTuple):
    """How much to buy: `quantity` of the base asset for `cost` quote money; 0 means no entry.

    `limited_by` names what made it smaller or larger than the method alone, or says why it is 0.
    """

    quantity: float
    cost: float
    limited_by: str = ""


class Sizing(Protocol):
    """One way to size entries."""

    def size(self, check: SizingCheck) -> Size:
        """Return the size of an entry."""
        ...
