"""What the venue knows of orders, in the JSON of Binance."""

from decimal import Decimal

from tests.venue.matching.book import Book
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Order, OrderList, Trade


def amount(value: Decimal) -> str:
    return f"{value:.8f}"


def order_answer(order: Order) -> dict[str, object]:
    """Return *order* as GET /api/v3/order has it."""
    return {
        **_order_fields(order),
        "stopPrice": amount(order.price_stop),
        "icebergQty": "0.00000000",
        "time": order.placed_ms,
        "updateTime": order.updated_ms,
        "isWorking": not order.waits_for_trigger,
        "workingTime": -1 if order.waits_for_trigger else order.placed_ms,
    }


def placed_answer(order: Order, trades: list[Trade]) -> dict[str, object]:
    """Return the full answer to a new order, with its fills so far."""
    triggered = {"stopPrice": amount(order.price_stop)} if order.kind.has_trigger else {}
    return {
        **_order_fields(order),
        **triggered,
        "transactTime": order.updated_ms,
        "workingTime": order.placed_ms,
        "fills": [
            {
                "price": amount(trade.price),
                "qty": amount(trade.quantity),
                "commission": amount(trade.fee),
                "commissionAsset": trade.fee_asset,
                "tradeId": trade.number,
            }
            for trade in trades
        ],
    }


def cancelled_answer(order: Order, client_id: str) -> dict[str, object]:
    """Return the answer to the cancelling of *order*, which has a client id of its own."""
    return {
        **_order_fields(order),
        "origClientOrderId": order.client_id,
        "clientOrderId": client_id,
        "transactTime": order.updated_ms,
    }


def trade_answer(trade: Trade) -> dict[str, object]:
    """Return *trade* as GET /api/v3/myTrades has it."""
    return {
        "symbol": trade.symbol,
        "id": trade.number,
        "orderId": trade.order_number,
        "orderListId": trade.list_number,
        "price": amount(trade.price),
        "qty": amount(trade.quantity),
        "quoteQty": amount(trade.cost),
        "commission": amount(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.at_ms,
        "isBuyer": trade.is_buy,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def list_answer(book: Book, placed: OrderList) -> dict[str, object]:
    """Return an OCO list with the ids of its orders."""
    orders = [book.orders[number] for number in placed.order_numbers]
    is_open = any(order.is_open for order in orders)
    return {
        "orderListId": placed.number,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED" if is_open else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if is_open else "ALL_DONE",
        "listClientOrderId": placed.client_id,
        "transactionTime": placed.at_ms,
        "symbol": placed.symbol,
        "orders": [
            {"symbol": order.symbol, "orderId": order.number, "clientOrderId": order.client_id} for order in orders
        ],
    }


def account_answer(matcher: Matcher, *, can_trade: bool) -> dict[str, object]:
    """Return the balances of the account and what its key may do."""
    maker, taker = amount(matcher.terms.maker_rate), amount(matcher.terms.taker_rate)
    return {
        "makerCommission": int(matcher.terms.maker_rate * 10_000),
        "takerCommission": int(matcher.terms.taker_rate * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": maker, "taker": taker, "buyer": "0.00000000", "seller": "0.00000000"},
        "canTrade": can_trade,
        "canWithdraw": False,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": matcher.now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": amount(holding.free), "locked": amount(holding.locked)}
            for asset, holding in matcher.holdings.items()
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def _order_fields(order: Order) -> dict[str, object]:
    return {
        "symbol": order.symbol,
        "orderId": order.number,
        "orderListId": order.list_number,
        "clientOrderId": order.client_id,
        "price": amount(order.price),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.filled),
        "origQuoteOrderQty": amount(order.quote_quantity),
        "cummulativeQuoteQty": amount(order.cost),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.kind,
        "side": "BUY" if order.is_buy else "SELL",
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
