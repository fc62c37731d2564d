"""What an order locks, what a fill moves between two assets, and what it costs."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tests.venue.calls import Refusal
from tests.venue.matching.account import Account
from tests.venue.matching.book import Book
from tests.venue.matching.orders import GRAIN, ZERO, Order, Status, Trade, ceil_to, floor_to
from tests.venue.matching.rules import NO_FUNDS
from tests.venue.matching.terms import QUOTE, RECEIVED, Terms
from tests.venue.symbols import SymbolFacts


class Settler:
    """Keeps account and book in step: what is locked is what open orders may need, and fills pay in full."""

    def __init__(self, account: Account, book: Book, facts: Mapping[str, SymbolFacts], terms: Terms) -> None:
        self._account = account
        self._book = book
        self._facts = facts
        self.terms = terms

    def check_funds(self, *orders: Order) -> None:
        """Refuse *orders*, one or the two of a list, where what they would lock is not free."""
        asset, amount = self._need(orders)
        if amount > self._account.free(asset):
            raise Refusal(-2010, NO_FUNDS)

    def lock(self, order: Order) -> None:
        """Lock what *order*, or all of its list, needs from now on, and nothing where it is not open any more."""
        self._account.unlock(_lock_name(order))
        waiting = [one for one in self._book.group(order) if one.is_open]
        if waiting:
            self._account.lock(_lock_name(order), *self._need(waiting))

    def affords(self, order: Order, quantity: Decimal, price: Decimal) -> bool:
        """Say whether the account can pay for *quantity* at *price*, with what *order* has locked already."""
        facts = self._facts[order.symbol]
        locked = self._account.locked_for(_lock_name(order))
        if not order.is_buy:
            return quantity <= self._account.free(facts.base) + locked
        cost = quantity * price
        return cost + self._fee_on_top(cost) <= self._account.free(facts.quote) + locked

    def fill(self, order: Order, quantity: Decimal, price: Decimal, *, is_maker: bool, at_ms: int) -> Order:
        """Trade *quantity* at *price*; the account affords it."""
        facts = self._facts[order.symbol]
        self._account.unlock(_lock_name(order))
        cost = floor_to(quantity * price, GRAIN)
        received = (facts.base, quantity) if order.is_buy else (facts.quote, cost)
        paid = (facts.quote, cost) if order.is_buy else (facts.base, quantity)
        self._account.change(paid[0], -paid[1])
        self._account.change(received[0], received[1])
        fee, fee_asset = self._fee(facts, quantity, cost, is_buy=order.is_buy, is_maker=is_maker)
        self._account.change(fee_asset, -fee)
        trade = Trade(
            len(self._book.trades) + 1, order.number, order.list_number, order.symbol, order.is_buy,
            price, quantity, cost, fee, fee_asset, is_maker, at_ms,
        )  # fmt: skip
        filled = order.filled + quantity
        status = Status.FILLED if filled == order.quantity else Status.PARTIALLY_FILLED
        changed = self._book.change(order, at_ms, trade, filled=filled, cost=order.cost + cost, status=status)
        self.lock(changed)
        return changed

    def end(self, order: Order, status: Status, at_ms: int) -> Order:
        """Close *order* without another fill, and free what it locked."""
        ended = self._book.end(order, status, at_ms)
        self.lock(ended)
        return ended

    def _need(self, orders: Sequence[Order]) -> tuple[str, Decimal]:
        facts = self._facts[orders[0].symbol]
        if not orders[0].is_buy:
            return facts.base, max(order.left for order in orders)
        cost = max(order.left * (order.price if order.kind.has_limit else order.price_stop) for order in orders)
        return facts.quote, ceil_to(cost + self._fee_on_top(cost), GRAIN)

    def _fee_on_top(self, cost: Decimal) -> Decimal:
        rate = max(self.terms.maker_rate, self.terms.taker_rate)
        return cost * rate if self.terms.fee_in == QUOTE else ZERO

    def _fee(
        self, facts: SymbolFacts, quantity: Decimal, cost: Decimal, *, is_buy: bool, is_maker: bool
    ) -> tuple[Decimal, str]:
        rate = self.terms.maker_rate if is_maker else self.terms.taker_rate
        if self.terms.fee_in not in {RECEIVED, QUOTE}:
            worth = self.terms.fee_asset_prices.get(facts.quote, Decimal(1))
            fee = floor_to(cost * rate / worth, GRAIN)
            if fee <= self._account.free(self.terms.fee_in):
                return fee, self.terms.fee_in
        if is_buy and self.terms.fee_in != QUOTE:
            return floor_to(quantity * rate, GRAIN), facts.base
        return floor_to(cost * rate, GRAIN), facts.quote


def _lock_name(order: Order) -> str:
    return f"order {order.number}" if order.list_number < 0 else f"list {order.list_number}"
