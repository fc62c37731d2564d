"""Orders as the venue keeps them: what was asked, and where it stands; all numbers are exact."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import NamedTuple

ZERO = Decimal(0)
GRAIN = Decimal("0.00000001")
"""The smallest amount of any asset."""


class Kind(StrEnum):
    """What Binance calls the type of an order."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"

    @property
    def has_limit(self) -> bool:
        return self in {Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT}

    @property
    def has_trigger(self) -> bool:
        return self.is_stop or self in {Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}

    @property
    def is_stop(self) -> bool:
        return self in {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT}


class Status(StrEnum):
    """Where an order stands, in Binance's spelling."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class TimeInForce(StrEnum):
    """How long what is not filled at once waits: until cancelled, not at all, or only the whole counts."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What somebody asks for; of `quantity` (base) and `quote_quantity` a market order has one."""

    symbol: str
    is_buy: bool
    kind: Kind
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    price_stop: Decimal | None = None
    client_id: str = ""
    time_in_force: TimeInForce = TimeInForce.GTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order the venue took. `number` is its orderId; `list_number` is -1 where it stands alone."""

    number: int
    client_id: str
    symbol: str
    is_buy: bool
    kind: Kind
    quantity: Decimal
    quote_quantity: Decimal = ZERO
    price: Decimal = ZERO
    price_stop: Decimal = ZERO
    time_in_force: TimeInForce = TimeInForce.GTC
    list_number: int = -1
    placed_ms: int
    updated_ms: int
    status: Status = Status.NEW
    is_triggered: bool = False
    filled: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def is_open(self) -> bool:
        return self.status in {Status.NEW, Status.PARTIALLY_FILLED}

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def waits_for_trigger(self) -> bool:
        return self.kind.has_trigger and not self.is_triggered

    def level_on_way(self, start: Decimal, end: Decimal) -> Decimal | None:
        """Return the first price at which this order has its moment as the market goes from *start* to *end*."""
        level = self.price_stop if self.waits_for_trigger else self.price
        falling = self.is_buy != (self.waits_for_trigger and self.kind.is_stop)
        if (start <= level) if falling else (start >= level):
            return start
        return level if ((end <= level) if falling else (end >= level)) else None


class Trade(NamedTuple):
    """One fill: `cost` is quantity at the price, `fee` was kept by the venue in `fee_asset`."""

    number: int
    order_number: int
    list_number: int
    symbol: str
    is_buy: bool
    price: Decimal
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int


class OrderList(NamedTuple):
    """Two orders of which one cancels the other; the numbers are those of its orders, the upper one first."""

    number: int
    client_id: str
    symbol: str
    order_numbers: tuple[int, int]
    at_ms: int


class Report(NamedTuple):
    """Something happened to an order: NEW, TRADE, CANCELED or EXPIRED; a fill comes with its trade."""

    what: str
    order: Order
    trade: Trade | None
    at_ms: int


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_CEILING) * step
