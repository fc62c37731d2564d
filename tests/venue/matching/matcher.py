"""An exchange without its wire: it takes orders, and fills them as the candles of the market go by.

The price of a symbol is the close of its newest closed candle. A market order trades there at once. A candle comes
whole, when it ends: the price jumps to its open, goes to the nearer end of its range for the way it closes (a rising
one first to its low, a falling one first to its high), then to the other end, then to its close. An order that rests
by then has met all of it, also if it came within that minute. On the way resting orders have their moment in the order
of their levels, at equal ones the older first; a touch is enough. A resting limit fills at its own price. A stop fills
at the price that set it off: its level, or the open that jumped over it.

Nothing here reads a clock or draws a number: equal inputs, equal books.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from backtestkit_cli.domain.candle import Candle
from tests.venue.calls import Refusal
from tests.venue.matching.account import Account, Holding
from tests.venue.matching.book import Book
from tests.venue.matching.orders import (
    ZERO,
    Kind,
    Order,
    OrderList,
    Status,
    Ticket,
    TimeInForce,
    ceil_to,
    floor_to,
)
from tests.venue.matching.rules import NO_FUNDS, check_cost, check_pair, check_quantity, check_ticket, check_trigger
from tests.venue.matching.settling import Settler
from tests.venue.matching.terms import Terms
from tests.venue.symbols import SymbolFacts


class Matcher:
    """One account at one venue. `now_ms` stamps what happens, and is for the caller to move.

    Every method refuses with `Refusal`, and then has changed nothing.
    """

    def __init__(
        self,
        facts: Iterable[SymbolFacts],
        deposits: Mapping[str, Decimal],
        terms: Terms | None = None,
        *,
        now_ms: int = 0,
    ) -> None:
        self.now_ms = now_ms
        self.facts = {one.symbol: one for one in facts}
        self.book = Book()
        self.prices: dict[str, Decimal] = {}
        self.share_of_next = Decimal(1)
        """How much of what the next order could take at once it does take; then all of it again."""
        self._account = Account(deposits)
        self._settler = Settler(self._account, self.book, self.facts, terms or Terms())
        self._volume_left: dict[str, Decimal] = {}

    @property
    def holdings(self) -> dict[str, Holding]:
        return self._account.holdings

    @property
    def terms(self) -> Terms:
        return self._settler.terms

    def candle_closed(self, symbol: str, candle: Candle, at_ms: int) -> None:
        """Let the market go through *candle*, which ended *at_ms*."""
        self.now_ms = max(self.now_ms, at_ms)
        opened, high, low, close = (Decimal(repr(price)) for price in candle[1:5])
        if self.terms.volume_share is not None:
            self._volume_left[symbol] = Decimal(repr(candle.volume)) * self.terms.volume_share
        turns = (low, high) if close >= opened else (high, low)
        self.prices[symbol] = opened
        for target in (opened, *turns, close):
            self._move(symbol, target)

    def place(self, ticket: Ticket) -> Order:
        """Take an order, fill of it what fills at once, and return it as it then stands."""
        facts = self._known(ticket.symbol)
        check_ticket(ticket, facts)
        self._check_client_ids(ticket.symbol, ticket.client_id)
        order = self._order(ticket, facts)
        check_trigger(order, self.prices.get(ticket.symbol))
        if order.kind is Kind.MARKET:
            self._check_market_order(order, facts)
        else:
            self._settler.check_funds(order)
        self.book.add(order)
        if order.kind is not Kind.MARKET:
            self._settler.lock(order)
        return order if order.waits_for_trigger else self._arrive(order)

    def place_pair(self, above: Ticket, below: Ticket, list_client_id: str = "") -> OrderList:
        """Take an OCO list: once one of the two trades or is set off, the other expires."""
        facts = self._known(above.symbol)
        for ticket in (above, below):
            check_ticket(ticket, facts)
        check_pair(above, below, self.prices.get(above.symbol))
        self._check_client_ids(above.symbol, above.client_id, below.client_id)
        first, number = self.book.next_number, len(self.book.lists) + 1
        upper = replace(self._order(above, facts), list_number=number)
        lower = replace(self._order(below, facts, first + 1), list_number=number)
        self._settler.check_funds(upper, lower)
        placed = self.book.add_list(list_client_id, above.symbol, (first, first + 1), self.now_ms)
        self.book.add(upper)
        self.book.add(lower)
        self._settler.lock(lower)
        return placed

    def find(self, symbol: str, number: int | None = None, client_id: str | None = None) -> Order:
        """Return an order in whatever state; of several with one client id the newest."""
        order = self.book.find(self._known(symbol).symbol, number, client_id)
        if order is None:
            raise Refusal(-2013, "Order does not exist.")
        return order

    def cancel(self, symbol: str, number: int | None = None, client_id: str | None = None) -> Order:
        """Take an open order back, and with it the other one of its list."""
        order = self.book.find(self._known(symbol).symbol, number, client_id)
        if order is None or not order.is_open:
            raise Refusal(-2011, "Unknown order sent.")
        return self._end(order, Status.CANCELED)

    def halt(self, symbol: str) -> None:
        """Stop trading in *symbol* for good; its open orders expire."""
        self.facts[symbol] = replace(self._known(symbol), status="BREAK")
        for order in self.book.open_orders(symbol):
            self._settler.end(order, Status.EXPIRED, self.now_ms)

    def change_balance(self, asset: str, amount: Decimal) -> None:
        """Pay *amount* in, or out where it is negative: what its owner does elsewhere."""
        self._account.change(asset, amount)

    def fill_outright(self, order: Order, quantity: Decimal) -> Order:
        """Fill *quantity* of an order that rests at a limit, wherever the market is."""
        self._end_other(order)
        return self._settler.fill(order, quantity, order.price, is_maker=True, at_ms=self.now_ms)

    def _known(self, symbol: str) -> SymbolFacts:
        if symbol not in self.facts:
            raise Refusal(-1121, "Invalid symbol.")
        return self.facts[symbol]

    def _check_client_ids(self, symbol: str, *client_ids: str) -> None:
        for client_id in client_ids:
            known = self.book.find(symbol, None, client_id) if client_id else None
            if known is not None and known.is_open:
                raise Refusal(-2010, "Duplicate order sent.")

    def _order(self, ticket: Ticket, facts: SymbolFacts, number: int | None = None) -> Order:
        number = number or self.book.next_number
        quantity, money = ticket.quantity, ticket.quote_quantity or ZERO
        if quantity is None:
            price = self._taker_price(ticket.symbol, is_buy=ticket.is_buy)
            quantity = floor_to(money / price, facts.quantity_step) if price else ZERO
        return Order(
            number=number,
            client_id=ticket.client_id or f"venue-{number}",
            symbol=ticket.symbol,
            is_buy=ticket.is_buy,
            kind=ticket.kind,
            quantity=quantity,
            quote_quantity=money,
            price=ticket.price or ZERO,
            price_stop=ticket.price_stop or ZERO,
            time_in_force=ticket.time_in_force,
            placed_ms=self.now_ms,
            updated_ms=self.now_ms,
        )

    def _check_market_order(self, order: Order, facts: SymbolFacts) -> None:
        price = self._taker_price(order.symbol, is_buy=order.is_buy)
        if price is None:
            return
        check_quantity(order.quantity, facts)
        check_cost(order.quantity * self.prices[order.symbol], facts)
        if not self._settler.affords(order, order.quantity, price):
            raise Refusal(-2010, NO_FUNDS)

    def _move(self, symbol: str, target: Decimal) -> None:
        while (due := self._next_due(symbol, target)) is not None:
            self.prices[symbol], order = due
            self._end_other(order)
            if order.waits_for_trigger:
                self._arrive(self.book.change(order, self.now_ms, is_triggered=True))
            else:
                self._fill(order, self._tradable(order), order.price, is_maker=True)
        self.prices[symbol] = target

    def _next_due(self, symbol: str, target: Decimal) -> tuple[Decimal, Order] | None:
        """Return the order that has its moment next on the way to *target*, and the price of that moment."""
        price, due = self.prices[symbol], None
        for order in self.book.open_orders(symbol):
            level = order.level_on_way(price, target)
            if level is None or not (order.waits_for_trigger or self._tradable(order)):
                continue
            if due is None or abs(level - price) < abs(due[0] - price):
                due = level, order
        return due

    def _arrive(self, order: Order) -> Order:
        """Let an order that is new, or was set off, meet the market; what may not wait expires."""
        order = self._take(order)
        if order.is_open and (order.time_in_force is not TimeInForce.GTC or not order.kind.has_limit):
            order = self._settler.end(order, Status.EXPIRED, self.now_ms)
        return order

    def _take(self, order: Order) -> Order:
        price = self._taker_price(order.symbol, is_buy=order.is_buy)
        if price is None or (order.kind.has_limit and order.level_on_way(price, price) is None):
            return order
        step = self.facts[order.symbol].quantity_step
        quantity = floor_to(self._tradable(order) * self.share_of_next, step)
        self.share_of_next = Decimal(1)
        whole_or_nothing = order.time_in_force is TimeInForce.FOK and quantity < order.left
        if not quantity or whole_or_nothing or not self._settler.affords(order, quantity, price):
            return order
        return self._fill(order, quantity, price, is_maker=False)

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, *, is_maker: bool) -> Order:
        if order.symbol in self._volume_left:
            self._volume_left[order.symbol] -= quantity
        return self._settler.fill(order, quantity, price, is_maker=is_maker, at_ms=self.now_ms)

    def _tradable(self, order: Order) -> Decimal:
        """Return how much of *order* the volume of the newest candle bears."""
        left = self._volume_left.get(order.symbol)
        return order.left if left is None else min(order.left, floor_to(left, self.facts[order.symbol].quantity_step))

    def _taker_price(self, symbol: str, *, is_buy: bool) -> Decimal | None:
        """Return what a market order gets now, on the grid; None before the first candle."""
        if symbol not in self.prices:
            return None
        price = self.terms.taker_price(self.prices[symbol], is_buy=is_buy)
        if price == self.prices[symbol]:
            return price
        step = self.facts[symbol].price_step
        return ceil_to(price, step) if is_buy else max(floor_to(price, step), step)

    def _end_other(self, order: Order) -> None:
        for other in self.book.group(order):
            if other.number != order.number and other.is_open:
                self._settler.end(other, Status.EXPIRED, self.now_ms)

    def _end(self, order: Order, status: Status) -> Order:
        """End *order* and the other one of its list alike."""
        for one in self.book.group(order):
            if one.is_open:
                self._settler.end(one, status, self.now_ms)
        return self.book.orders[order.number]
