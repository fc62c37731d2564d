"""What an entry order is: the one decision of how a signal gets into the market, and what it may look at.

The engine knows this protocol and no kind of order. A new kind is one class that has these members; the ones that
come with btk are in `policies/orders`. Rows are candle indices: row `k` is the tick at which candle `k` is the newest
closed one.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeAlias, TypeGuard, runtime_checkable

from backtestkit_cli.domain.candle import Candles, Floats

Placement: TypeAlias = tuple[bool, float]
"""Whether an order opens at the very tick it appears, and the price it opens at, or else expects to open at."""


class EntryTouch(NamedTuple):
    """The first row at which a waiting entry is decided.

    `price` is what it opens at, before slippage, None where it is rejected. `stopped_at` is the price at which
    it is stopped within its own candle, None if it survives.
    """

    row: int
    price: float | None
    stopped_at: float | None = None


class EntryMarket(Protocol):
    """The market as a waiting order sees it; `first_limit` and `first_stop` are what the fill model says."""

    @property
    def sign(self) -> int:
        """Return +1 for a long, -1 for a short."""
        ...

    @property
    def take_profit(self) -> float:
        """Return the target of the signal."""
        ...

    @property
    def stop_loss(self) -> float:
        """Return the stop of the signal."""
        ...

    @property
    def scheduled_row(self) -> int:
        """Return the row at which the signal appeared; the order has been waiting from the next one on."""
        ...

    @property
    def candles(self) -> Candles:
        """Return the closed 1-minute candles. Those after the row that is decided are the future."""
        ...

    @property
    def prices(self) -> Floats:
        """Return `price(when)` for each row."""
        ...

    def first_limit(self, price: float, start: int, stop: int) -> EntryTouch | None:
        """Return the first row of `[start, stop)` where a limit at *price* opens or is rejected."""
        ...

    def first_stop(self, price: float, start: int, stop: int) -> EntryTouch | None:
        """Return the first row of `[start, stop)` where a breakout through *price* opens or is rejected."""
        ...


@runtime_checkable
class EntryOrder(Protocol):
    """One kind of entry order with its prices. It holds no state: what it needs of the past it finds in the market."""

    @property
    def kind(self) -> str:
        """Return what events call it, such as `stop_limit`."""
        ...

    def levels(self) -> Mapping[str, float]:
        """Return its numbers by name: each must be finite and above 0, and events and brokers are told them."""
        ...

    def placement(self, sign: int, price: float) -> Placement:
        """Return whether it opens at market *price*, where it appears, and at which price it opens or expects to."""
        ...

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        """Return the first row of `[start, stop)` where it opens or is rejected, given that it did neither before.

        The answer must depend on no candle after that row, and be the same however the rows since
        `market.scheduled_row` are cut into spans.
        """
        ...


def is_order(value: object) -> TypeGuard[EntryOrder]:
    """Say whether *value* can serve as an entry order; a class of orders is none."""
    return isinstance(value, EntryOrder) and not isinstance(value, type)


def has_reached(price: float, level: float, sign: int) -> bool:
    """Say whether *price* stands at or beyond *level*, upwards where *sign* is +1, else downwards."""
    return price >= level if sign > 0 else price <= level
