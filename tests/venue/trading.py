"""The private endpoints: orders, trades and balances of the account."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from backtestkit_cli.domain.interval import DAY_MS
from tests.venue.answers import (
    account_answer,
    cancelled_answer,
    list_answer,
    order_answer,
    placed_answer,
    trade_answer,
)
from tests.venue.calls import Call, Endpoint, Endpoints, Refusal
from tests.venue.exchange import Exchange
from tests.venue.keys import Key, Keys
from tests.venue.matching.orders import Order, OrderList, Ticket
from tests.venue.tickets import needed, old_pair_of, pair_of, ticket_of, whole

ORDER = "/api/v3/order"
OPEN_ORDERS = "/api/v3/openOrders"
ALL_ORDERS = "/api/v3/allOrders"
MY_TRADES = "/api/v3/myTrades"
ACCOUNT = "/api/v3/account"
NEW_OCO = "/api/v3/orderList/oco"
OLD_OCO = "/api/v3/order/oco"
ORDER_LIST = "/api/v3/orderList"
OPEN_LISTS = "/api/v3/openOrderList"
CANCEL_REPLACE = "/api/v3/order/cancelReplace"
RESTRICTIONS = "/sapi/v1/account/apiRestrictions"

_MOST_ROWS = 1_000


class _Handler(NamedTuple):
    """How a call is answered, and whether that takes a key that may trade."""

    answer: Callable[[Call, Key], object]
    trades: bool = False


class Trading:
    """What the holder of a key may ask; orders need one that may trade."""

    def __init__(self, exchange: Exchange, keys: Keys) -> None:
        self._exchange = exchange
        self._matcher = exchange.matcher
        self._book = exchange.matcher.book
        self._keys = keys

        self._handlers: Mapping[tuple[str, str], _Handler] = {
            ("POST", ORDER): self._trading(self._place),
            ("POST", f"{ORDER}/test"): self._trading(self._test),
            ("GET", ORDER): self._reading(self._order),
            ("DELETE", ORDER): self._trading(self._cancel),
            ("GET", OPEN_ORDERS): self._reading(self._open_orders),
            ("DELETE", OPEN_ORDERS): self._trading(self._cancel_all),
            ("GET", ALL_ORDERS): self._reading(self._all_orders),
            ("GET", MY_TRADES): self._reading(self._my_trades),
            ("POST", CANCEL_REPLACE): self._trading(self._cancel_replace),
            ("POST", NEW_OCO): self._trading(lambda call: self._place_pair(call, pair_of(call.params))),
            ("POST", OLD_OCO): self._trading(lambda call: self._place_pair(call, old_pair_of(call.params))),
            ("GET", ORDER_LIST): self._reading(lambda call: list_answer(self._book, self._list(call))),
            ("DELETE", ORDER_LIST): self._trading(self._cancel_list),
            ("GET", OPEN_LISTS): self._reading(self._open_lists),
            ("GET", ACCOUNT): _Handler(self._account),
            ("GET", RESTRICTIONS): _Handler(self._restrictions),
        }

    @property
    def endpoints(self) -> Endpoints:
        return {name: self._endpoint(handler) for name, handler in self._handlers.items()}

    async def take_late(self, call: Call, delay_ms: int) -> bool:
        """Let *call* have its effect later, whatever that then is; return False where it is none of these endpoints."""
        handler = self._handlers.get((call.method, call.path))
        if handler is None or call.method == "GET":
            return False
        key = self._keys.check(call, trades=handler.trades)
        await self._exchange.catch_up()

        def happen() -> None:
            with suppress(Refusal):
                handler.answer(call, key)

        self._exchange.later(delay_ms, happen)
        return True

    def _endpoint(self, handler: _Handler) -> Endpoint:
        async def endpoint(call: Call) -> object:
            key = self._keys.check(call, trades=handler.trades)
            await self._exchange.catch_up()
            return handler.answer(call, key)

        return endpoint

    def _reading(self, answer: Callable[[Call], object]) -> _Handler:
        return _Handler(lambda call, _: answer(call))

    def _trading(self, answer: Callable[[Call], object]) -> _Handler:
        return _Handler(lambda call, _: answer(call), trades=True)

    def _place(self, call: Call) -> object:
        order = self._matcher.place(ticket_of(call.params))
        return placed_answer(order, self._book.trades_of(order))

    def _test(self, call: Call) -> object:
        ticket_of(call.params)
        return {}

    def _order(self, call: Call) -> object:
        number, client_id = _which(call)
        return order_answer(self._matcher.find(needed(call.params, "symbol"), number, client_id))

    def _cancel(self, call: Call) -> object:
        number, client_id = _which(call)
        order = self._matcher.cancel(needed(call.params, "symbol"), number, client_id)
        if order.list_number > 0:
            return self._cancelled_list(self._book.lists[order.list_number])
        return self._cancelled(order, call)

    def _cancel_all(self, call: Call) -> object:
        orders = self._book.open_orders(self._symbol(call))
        if not orders:
            raise Refusal(-2011, "Unknown order sent.")
        answers: list[object] = []
        for order in orders:
            if self._book.orders[order.number].is_open:
                ended = self._matcher.cancel(order.symbol, order.number)
                placed = self._book.lists.get(ended.list_number)
                answers.append(self._cancelled_list(placed) if placed else self._cancelled(ended, call))
        return answers

    def _cancel_replace(self, call: Call) -> object:
        number, client_id = whole(call.params, "cancelOrderId"), call.params.get("cancelOrigClientOrderId")
        ticket = ticket_of(call.params)
        cancelled = self._cancelled(self._matcher.cancel(ticket.symbol, number, client_id), call)
        order = self._matcher.place(ticket)
        placed = placed_answer(order, self._book.trades_of(order))
        return {
            "cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS",
            "cancelResponse": cancelled,
            "newOrderResponse": placed,
        }

    def _open_orders(self, call: Call) -> object:
        symbol = self._symbol(call) if "symbol" in call.params else None
        return [order_answer(order) for order in self._book.open_orders(symbol)]

    def _all_orders(self, call: Call) -> object:
        symbol, first = self._symbol(call), whole(call.params, "orderId") or 0
        orders = [order for order in self._book.orders.values() if order.symbol == symbol and order.number >= first]
        return _page(call, [order_answer(order) for order in orders if _in_span(call, order.placed_ms)])

    def _my_trades(self, call: Call) -> object:
        symbol, number, first = self._symbol(call), whole(call.params, "orderId"), whole(call.params, "fromId") or 0
        trades = [trade for trade in self._book.trades if trade.symbol == symbol and trade.number >= first]
        wanted = [trade for trade in trades if number in {None, trade.order_number} and _in_span(call, trade.at_ms)]
        return _page(call, [trade_answer(trade) for trade in wanted])

    def _place_pair(self, call: Call, pair: tuple[Ticket, Ticket]) -> object:
        placed = self._matcher.place_pair(*pair, call.params.get("listClientOrderId", ""))
        reports = [placed_answer(self._book.orders[number], []) for number in placed.order_numbers]
        return {**list_answer(self._book, placed), "orderReports": reports}

    def _cancel_list(self, call: Call) -> object:
        placed = self._list(call, Refusal(-2011, "Unknown order list sent."))
        self._matcher.cancel(placed.symbol, placed.order_numbers[0])
        return self._cancelled_list(placed)

    def _open_lists(self, _: Call) -> object:
        open_numbers = {order.list_number for order in self._book.open_orders()} - {-1}
        return [list_answer(self._book, self._book.lists[number]) for number in sorted(open_numbers)]

    def _account(self, _: Call, key: Key) -> object:
        return account_answer(self._matcher, can_trade=key.can_trade)

    def _restrictions(self, _: Call, key: Key) -> object:
        return {
            "ipRestrict": False,
            "createTime": 1_600_000_000_000,
            "enableReading": True,
            "enableSpotAndMarginTrading": key.can_trade,
            "enableWithdrawals": key.can_withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
        }

    def _cancelled(self, order: Order, call: Call) -> dict[str, object]:
        return cancelled_answer(order, call.params.get("newClientOrderId") or f"cancel-{order.number}")

    def _cancelled_list(self, placed: OrderList) -> dict[str, object]:
        orders = [self._book.orders[number] for number in placed.order_numbers]
        reports = [cancelled_answer(order, f"cancel-{order.number}") for order in orders]
        return {**list_answer(self._book, placed), "orderReports": reports}

    def _list(self, call: Call, unknown: Refusal | None = None) -> OrderList:
        number = whole(call.params, "orderListId")
        client_id = call.params.get("listClientOrderId") or call.params.get("origClientOrderId")
        for placed in reversed(self._book.lists.values()):
            if placed.number == number or (number is None and placed.client_id == client_id):
                return placed
        raise unknown or Refusal(-2018, "Order list does not exist.")

    def _symbol(self, call: Call) -> str:
        symbol = needed(call.params, "symbol")
        if symbol not in self._matcher.facts:
            raise Refusal(-1121, "Invalid symbol.")
        return symbol


def _which(call: Call) -> tuple[int | None, str | None]:
    number, client_id = whole(call.params, "orderId"), call.params.get("origClientOrderId")
    if number is None and not client_id:
        raise Refusal(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return number, client_id


def _in_span(call: Call, at_ms: int) -> bool:
    start_ms, end_ms = whole(call.params, "startTime"), whole(call.params, "endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise Refusal(-1127, "More than 24 hours between startTime and endTime.")
    return (start_ms or 0) <= at_ms and (end_ms is None or at_ms <= end_ms)


def _page(call: Call, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the first *rows* where the call says where to begin, else the last ones; as many as it wants."""
    limit = min(whole(call.params, "limit") or 500, _MOST_ROWS)
    return rows[:limit] if call.params.keys() & {"orderId", "fromId", "startTime"} else rows[-limit:]
