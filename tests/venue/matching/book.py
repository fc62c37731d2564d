"""All orders, lists and trades there ever were, and how they are found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.venue.matching.orders import Order, OrderList, Report, Status, Trade


class Book:
    """Numbers orders, lists and trades from 1, and tells whoever listens what happens to them."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.lists: dict[int, OrderList] = {}
        self.trades: list[Trade] = []
        self.listeners: list[Callable[[Report], None]] = []
        self._open: dict[str, dict[int, Order]] = {}
        self._by_client_id: dict[tuple[str, str], int] = {}
        self._trades_of: dict[int, list[Trade]] = {}

    @property
    def next_number(self) -> int:
        return len(self.orders) + 1

    def add(self, order: Order) -> None:
        self._by_client_id[order.symbol, order.client_id] = order.number
        self._keep(order)
        self._tell("NEW", order, None, order.placed_ms)

    def add_list(self, client_id: str, symbol: str, numbers: tuple[int, int], at_ms: int) -> OrderList:
        number = len(self.lists) + 1
        self.lists[number] = OrderList(number, client_id or f"list{number}", symbol, numbers, at_ms)
        return self.lists[number]

    def change(self, order: Order, at_ms: int, trade: Trade | None = None, **values: Any) -> Order:
        """Keep *order* with other *values*, tell what that means, and return it."""
        changed = replace(order, updated_ms=at_ms, **values)
        self._keep(changed)
        if trade is not None:
            self.trades.append(trade)
            self._trades_of.setdefault(order.number, []).append(trade)
            self._tell("TRADE", changed, trade, at_ms)
        elif changed.status != order.status:
            self._tell(changed.status, changed, None, at_ms)
        return changed

    def end(self, order: Order, status: Status, at_ms: int) -> Order:
        return self.change(order, at_ms, status=status)

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Return the open orders, oldest first."""
        symbols = self._open if symbol is None else [symbol]
        found = [order for name in symbols for order in self._open.get(name, {}).values()]
        return sorted(found, key=lambda order: order.number)

    def find(self, symbol: str, number: int | None, client_id: str | None) -> Order | None:
        """Return the order of that number, or the newest one of that client id."""
        if number is None:
            number = self._by_client_id.get((symbol, client_id or ""))
        order = None if number is None else self.orders.get(number)
        return order if order is not None and order.symbol == symbol else None

    def group(self, order: Order) -> list[Order]:
        """Return *order* and, where it belongs to a list, the other one, as they stand."""
        if order.list_number < 0:
            return [self.orders[order.number]]
        return [self.orders[number] for number in self.lists[order.list_number].order_numbers if number in self.orders]

    def trades_of(self, order: Order) -> list[Trade]:
        return list(self._trades_of.get(order.number, ()))

    def _keep(self, order: Order) -> None:
        self.orders[order.number] = order
        resting = self._open.setdefault(order.symbol, {})
        if order.is_open:
            resting[order.number] = order
        else:
            resting.pop(order.number, None)

    def _tell(self, what: str, order: Order, trade: Trade | None, at_ms: int) -> None:
        for listener in self.listeners:
            listener(Report(what, order, trade, at_ms))
