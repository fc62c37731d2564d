"""Sessions that trade at a paper broker: each order is decided, asked, and booked as its fills come in."""

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Closing, Entry, Plan, Position, Trade, enter
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.domain.trading import PaperOptions
from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    Fill,
    Leg,
    OrderKind,
    OrderState,
    VenueOrder,
)
from backtestkit_cli.engine.booking import booked_average, booked_close, booked_entry, booked_part, remaining
from backtestkit_cli.execution.paper import PaperBroker
from tests.builders import START_MS
from tests.execution.stores import TextStore

KEY = ("paper", "demo", "account", "money")
SYMBOL = "BTC/USDT"


async def a_broker(store: TextStore, costs: dict[str, Costs] | None = None, **options: Any) -> PaperBroker:
    """Return the broker whose account is in *store*, or a new one."""
    costs = {"one": Costs(0.001, 0.001), "two": Costs(0.002, 0.0)} if costs is None else costs
    return await PaperBroker.recalled(PaperOptions(**options), costs, quote="USDT", store=cast(Any, store), key=KEY)


def an_order(leg: Leg = Leg.ENTRY, quantity: float = 1.0, price: float = 100.0, **given: Any) -> VenueOrder:
    """Return a market order of the long `s-1` of the strategy `one`."""
    plain: dict[str, Any] = {
        "client_id": f"s-1-{leg.value}1",
        "signal_id": "s-1",
        "strategy": "one",
        "symbol": SYMBOL,
        "kind": OrderKind.MARKET,
        "is_buy": leg in (Leg.ENTRY, Leg.AVERAGE),
        "at_ms": START_MS,
    }
    return VenueOrder(**{**plain, "leg": leg, "quantity": quantity, "price_expected": price, **given})


def candles_until(minute: int, close: float = 100.0, volume: float = 10.0, count: int = 1) -> Candles:
    """Return *count* equal candles, the last of which ends *minute* minutes after the start."""
    last_ms = START_MS + (minute - 1) * MINUTE_MS
    times = np.array([last_ms - back * MINUTE_MS for back in range(count - 1, -1, -1)])
    column = np.full(count, close)
    return Candles.frozen(times, column, column, column, column, np.full(count, volume))


def joined(candles: list[Candle]) -> Candles:
    """Return *candles* as columns."""
    columns = [np.array(column, np.float64) for column in zip(*candles, strict=True)]
    return Candles.frozen(columns[0].astype(np.int64), *columns[1:])


@dataclass
class Trader:
    """One session: what it holds, what it waits for, and what it has earned."""

    strategy: str
    symbol: str
    side: Side
    costs: Costs
    position: Position | None = None
    pending: VenueOrder | None = None
    booked: Fill | None = None
    trades: list[Trade] = field(default_factory=list)
    asked: int = 0
    signals: int = 0

    async def acts(self, broker: PaperBroker, leg: Leg, amount: float, price: float, at_ms: int) -> Answer | None:
        """Decide *leg* with *amount* (0-1) and ask; None where it makes no sense now."""
        if self.pending is not None or (self.position is None) is not (leg is Leg.ENTRY):
            return None
        order = self._order(leg, amount, price, at_ms)
        self.pending, self.booked = order, None
        enters = leg in (Leg.ENTRY, Leg.AVERAGE)
        answer = await (broker.open(order) if enters else broker.close(order))
        self.hears(answer, at_ms)
        return answer

    async def asks(self, broker: PaperBroker, at_ms: int) -> None:
        """Ask for what is pending."""
        if self.pending is not None:
            self.hears(await broker.check(self.pending), at_ms)

    def hears(self, answer: Answer, at_ms: int) -> None:
        """Book what is new in *answer*."""
        order = self.pending
        assert order is not None
        if isinstance(answer, Confirmed):
            fresh = None if answer.fill is None else remaining(self.booked, answer.fill)
            if fresh is not None:
                self._books(order, fresh, at_ms, is_last=answer.state is OrderState.FILLED)
                self.booked = answer.fill
            if answer.state is OrderState.RESTING:
                return
        self.pending = None

    def net_at(self, price: float) -> float:
        """Return what was earned, and would be if the position were closed at *price*."""
        held = self.position.value_at(price, self.costs).net if self.position else 0.0
        return sum(trade.gain.net for trade in self.trades) + held

    def _order(self, leg: Leg, amount: float, price: float, at_ms: int) -> VenueOrder:
        if leg is Leg.ENTRY:
            self.signals += 1
        self.asked += 1
        signal_id = f"{self.strategy}-{self.symbol}-{self.signals}"
        held = self.position.quantity_left if self.position else 0.0
        quantity = {
            Leg.ENTRY: 1000 * amount / price,
            Leg.AVERAGE: 1000 * amount / price,
            Leg.PARTIAL: held * amount * 0.9,
            Leg.CLOSE: held,
        }[leg]
        is_buy = (leg in (Leg.ENTRY, Leg.AVERAGE)) is (self.side is Side.LONG)
        return an_order(
            leg,
            quantity,
            price,
            client_id=f"{signal_id}-{leg.value}{self.asked}",
            signal_id=signal_id,
            strategy=self.strategy,
            symbol=self.symbol,
            is_buy=is_buy,
            at_ms=at_ms,
        )

    def _books(self, order: VenueOrder, fill: Fill, at_ms: int, *, is_last: bool) -> None:
        if self.position is None:
            plan = Plan(order.price_expected * 2, order.price_expected / 2)
            entry = Entry(at_ms, order.price_expected, order.quantity * order.price_expected)
            self.position = booked_entry(enter(order.signal_id, self.side, plan, at_ms, entry), fill, self.costs)
        elif order.leg in (Leg.ENTRY, Leg.AVERAGE):
            self.position = booked_average(self.position, at_ms, fill, self.costs)
        elif order.leg is Leg.CLOSE and is_last:
            closing = Closing(at_ms, CloseReason.CLOSED, fill.price)
            names = {"strategy": self.strategy, "symbol": self.symbol}
            self.trades.append(booked_close(self.position, closing, fill, self.costs, **names))
            self.position = None
        else:
            self.position = booked_part(self.position, at_ms, fill, self.costs)
