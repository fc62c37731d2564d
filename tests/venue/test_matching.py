from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.calls import Refusal
from tests.venue.matching.account import Holding
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Kind, Order, Status, Ticket, TimeInForce
from tests.venue.matching.terms import QUOTE, Terms
from tests.venue.symbols import SymbolFacts

BTC = SymbolFacts("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.001"))
FREE = Terms(maker_rate=Decimal(0), taker_rate=Decimal(0))
D = Decimal


class Market:
    """A matcher for one symbol, and a way to let minutes pass; the last price is 100 to begin with."""

    def __init__(self, terms: Terms = FREE, deposits: Mapping[str, Decimal] | None = None, volume: float = 10) -> None:
        self.matcher = Matcher([BTC], deposits or {"USDT": D(1_000), "BTC": D(5)}, terms)
        self.minute(100, 100, 100, 100, volume)

    def minute(self, opened: float, high: float, low: float, close: float, volume: float = 10) -> None:
        start_ms = self.matcher.now_ms
        candle = Candle(start_ms, opened, high, low, close, volume)
        self.matcher.candle_closed("BTCUSDT", candle, start_ms + MINUTE_MS)

    def place(self, kind: Kind, quantity: float = 1, *, is_buy: bool = False, **more: Any) -> Order:
        return self.matcher.place(a_ticket(kind, quantity, is_buy=is_buy, **more))

    def now(self, order: Order) -> Order:
        return self.matcher.find("BTCUSDT", order.number)

    def prices_of(self, order: Order) -> list[tuple[Decimal, Decimal]]:
        return [(trade.price, trade.quantity) for trade in self.matcher.book.trades_of(order)]

    def state(self) -> object:
        book = self.matcher.book
        return dict(book.orders), dict(book.lists), list(book.trades), self.matcher.holdings


def a_ticket(kind: Kind, quantity: float = 1, *, is_buy: bool = False, **more: Any) -> Ticket:
    exact: dict[str, Any] = {
        name: D(str(value)) if isinstance(value, int | float) else value for name, value in more.items()
    }
    return Ticket(symbol="BTCUSDT", is_buy=is_buy, kind=kind, quantity=D(str(quantity)), **exact)


def a_pair(*, is_buy: bool = False, limit: float = 110, stop: float = 90, **more: Any) -> tuple[Ticket, Ticket]:
    exits = (
        a_ticket(Kind.LIMIT_MAKER, is_buy=is_buy, price=limit, client_id="limit"),
        a_ticket(Kind.STOP_LOSS, is_buy=is_buy, price_stop=stop, client_id="stop", **more),
    )
    return (exits[1], exits[0]) if is_buy else exits


@pytest.mark.parametrize(
    ("close", "first"),
    [pytest.param(101, 95, id="rising: the low first"), pytest.param(99, 105, id="falling: the high first")],
)
def test_a_candle_goes_to_one_end_of_its_range_and_then_to_the_other(close: float, first: float) -> None:
    market = Market()
    market.place(Kind.LIMIT, is_buy=True, price=95)
    market.place(Kind.LIMIT, price=105)
    market.minute(100, 106, 94, close)
    assert [trade.price for trade in market.matcher.book.trades] == [first, 200 - first]


@pytest.mark.parametrize(
    ("ticket", "candle", "price"),
    [
        pytest.param({"kind": Kind.LIMIT, "price": 105}, (100, 105, 100, 100), 105, id="a touch is enough"),
        pytest.param({"kind": Kind.LIMIT, "price": 105}, (107, 108, 106, 107), 105, id="a limit keeps its price"),
        pytest.param({"kind": Kind.LIMIT, "price": 105}, (100, 104, 99, 100), None, id="not reached"),
        pytest.param({"kind": Kind.LIMIT_MAKER, "price": 105}, (100, 105, 100, 100), 105, id="a maker"),
        pytest.param({"kind": Kind.STOP_LOSS, "price_stop": 95}, (100, 101, 95, 96), 95, id="a stop at its level"),
        pytest.param({"kind": Kind.STOP_LOSS, "price_stop": 95}, (93, 94, 92, 94), 93, id="a stop after a jump"),
        pytest.param(
            {"kind": Kind.STOP_LOSS_LIMIT, "price_stop": 95, "price": 94.5}, (100, 101, 94, 96), 95, id="a stop limit"
        ),
        pytest.param(
            {"kind": Kind.STOP_LOSS_LIMIT, "price_stop": 95, "price": 94.5}, (92, 93, 91, 92), None, id="jumped over"
        ),
        pytest.param(
            {"kind": Kind.STOP_LOSS_LIMIT, "price_stop": 95, "price": 94.5}, (92, 96, 91, 92), 94.5, id="and come back"
        ),
        pytest.param({"kind": Kind.TAKE_PROFIT, "price_stop": 105}, (106, 107, 105, 106), 106, id="a target set off"),
        pytest.param(
            {"kind": Kind.TAKE_PROFIT_LIMIT, "price_stop": 105, "price": 106},
            (100, 106, 99, 100),
            106,
            id="and a limit",
        ),
    ],
)
def test_a_resting_sale_fills_where_the_market_meets_it(
    ticket: dict[str, Any], candle: tuple[float, float, float, float], price: float | None
) -> None:
    market = Market()
    order = market.place(**ticket)
    market.minute(*candle)
    assert market.prices_of(order) == ([] if price is None else [(D(str(price)), D(1))])


def test_buys_mirror_sales() -> None:
    market = Market()
    stop = market.place(Kind.STOP_LOSS, is_buy=True, price_stop=105)
    target = market.place(Kind.TAKE_PROFIT, is_buy=True, price_stop=95)
    market.minute(100, 106, 94, 101)
    assert (market.prices_of(target), market.prices_of(stop)) == ([(D(95), D(1))], [(D(105), D(1))])


@pytest.mark.parametrize("is_buy", [False, True])
def test_of_two_linked_orders_one_fills_and_the_other_expires(*, is_buy: bool) -> None:
    for candle, filled, expired in [((100, 111, 100, 110), 0, 1), ((100, 100, 89, 90), 1, 0)]:
        market = Market()
        pair = a_pair(is_buy=is_buy, limit=90 if is_buy else 110, stop=110 if is_buy else 90)
        placed = market.matcher.place_pair(*pair)
        market.minute(*candle)
        statuses = [market.matcher.find("BTCUSDT", number).status for number in placed.order_numbers]
        assert (statuses[filled], statuses[expired]) == (Status.FILLED, Status.EXPIRED)
        assert all(holding.locked == 0 for holding in market.matcher.holdings.values())


def test_two_linked_orders_lock_the_asset_once_and_end_together() -> None:
    market = Market(deposits={"BTC": D(1)})
    market.matcher.place_pair(*a_pair())
    assert market.matcher.holdings["BTC"] == Holding(D(0), D(1))
    market.matcher.cancel("BTCUSDT", client_id="stop")
    assert [order.status for order in market.matcher.book.orders.values()] == [Status.CANCELED] * 2
    assert market.matcher.holdings["BTC"] == Holding(D(1), D(0))


def test_orders_fill_only_as_far_as_the_volume_goes() -> None:
    market = Market(Terms(volume_share=D("0.1"), maker_rate=D(0), taker_rate=D(0)))
    bought = market.place(Kind.MARKET, 3, is_buy=True)
    assert (bought.status, bought.filled) == (Status.EXPIRED, D(1))
    resting = market.place(Kind.LIMIT, 3, price=101)
    statuses = []
    for volume in (15, 0, 20):
        market.minute(100, 102, 100, 100, volume)
        statuses.append((market.now(resting).status, market.now(resting).filled))
    assert statuses == [
        (Status.PARTIALLY_FILLED, D("1.5")),
        (Status.PARTIALLY_FILLED, D("1.5")),
        (Status.FILLED, D(3)),
    ]


@pytest.mark.parametrize(
    ("time_in_force", "filled"), [(TimeInForce.IOC, D("0.5")), (TimeInForce.FOK, D(0)), (TimeInForce.GTC, D("0.5"))]
)
def test_the_time_in_force_decides_what_becomes_of_the_rest(time_in_force: TimeInForce, filled: Decimal) -> None:
    market = Market()
    market.matcher.share_of_next = D("0.5")
    order = market.place(Kind.LIMIT, price=99, time_in_force=time_in_force)
    assert (order.filled, order.is_open) == (filled, time_in_force is TimeInForce.GTC)


@pytest.mark.parametrize(
    ("terms", "balances"),
    [
        pytest.param(Terms(), {"BTC": D("5.999"), "USDT": D(900), "BNB": D(1)}, id="in base"),
        pytest.param(Terms(fee_in=QUOTE), {"BTC": D(6), "USDT": D("899.9"), "BNB": D(1)}, id="in quote"),
        pytest.param(
            Terms(fee_in="BNB", fee_asset_prices={"USDT": D(500)}),
            {"BTC": D(6), "USDT": D(900), "BNB": D("0.9998")},
            id="in a third asset",
        ),
        pytest.param(
            Terms(fee_in="BNB", fee_asset_prices={"USDT": D("0.01")}),
            {"BTC": D("5.999"), "USDT": D(900), "BNB": D(1)},
            id="in a third asset of which there is too little",
        ),
    ],
)
def test_a_buy_pays_its_fee(terms: Terms, balances: dict[str, Decimal]) -> None:
    market = Market(terms, {"USDT": D(1_000), "BTC": D(5), "BNB": D(1)})
    market.place(Kind.MARKET, is_buy=True)
    assert {asset: holding.free for asset, holding in market.matcher.holdings.items()} == balances


def test_a_taker_gives_half_the_spread_and_the_slippage() -> None:
    market = Market(Terms(spread_rate=D("0.002"), slippage_rate=D("0.001"), taker_rate=D(0)))
    bought, sold = market.place(Kind.MARKET, is_buy=True), market.place(Kind.MARKET)
    assert (market.prices_of(bought), market.prices_of(sold)) == ([(D("100.2"), D(1))], [(D("99.8"), D(1))])


def test_money_may_be_spent_instead_of_a_quantity_bought() -> None:
    order = Market().matcher.place(
        Ticket(symbol="BTCUSDT", is_buy=True, kind=Kind.MARKET, quote_quantity=D("123.456"))
    )  # fmt: skip
    assert (order.filled, order.cost, order.status) == (D("1.234"), D("123.4"), Status.FILLED)


def test_before_the_first_candle_there_is_nobody_to_trade_with() -> None:
    matcher = Matcher([BTC], {"USDT": D(1_000)})
    order = matcher.place(a_ticket(Kind.MARKET, is_buy=True))
    assert (order.status, order.filled) == (Status.EXPIRED, D(0))


@pytest.mark.parametrize(
    ("ticket", "code", "message"),
    [
        (a_ticket(Kind.LIMIT, price=100.005), -1013, "PRICE_FILTER"),
        (a_ticket(Kind.LIMIT, 0.0005, price=101), -1013, "LOT_SIZE"),
        (a_ticket(Kind.LIMIT, 0.01, price=101), -1013, "NOTIONAL"),
        (a_ticket(Kind.MARKET, 0.01), -1013, "NOTIONAL"),
        (a_ticket(Kind.LIMIT, price=100.123456789), -1111, "too much precision"),
        (a_ticket(Kind.LIMIT, 5.001, price=101), -2010, "insufficient balance"),
        (a_ticket(Kind.MARKET, 5.001), -2010, "insufficient balance"),
        (a_ticket(Kind.MARKET, 10.001, is_buy=True), -2010, "insufficient balance"),
        (a_ticket(Kind.LIMIT), -1102, "'price'"),
        (a_ticket(Kind.STOP_LOSS), -1102, "'stopPrice'"),
        (a_ticket(Kind.MARKET, price=100), -1106, "'price'"),
        (a_ticket(Kind.LIMIT_MAKER, price=100), -2010, "immediately match"),
        (a_ticket(Kind.STOP_LOSS, price_stop=100), -2010, "trigger immediately"),
        (a_ticket(Kind.TAKE_PROFIT, is_buy=True, price_stop=101), -2010, "trigger immediately"),
        (a_ticket(Kind.LIMIT, price=105, client_id="open already"), -2010, "Duplicate"),
    ],
)
def test_a_bad_order_is_refused_and_changes_nothing(ticket: Ticket, code: int, message: str) -> None:
    market = Market()
    market.place(Kind.LIMIT, 0.1, price=150, client_id="open already")
    market.matcher.cancel("BTCUSDT", client_id="open already")
    market.place(Kind.LIMIT, 0.1, is_buy=True, price=50, client_id="open already")
    before = market.state()
    with pytest.raises(Refusal, match=message) as refused:
        market.matcher.place(ticket)
    assert refused.value.body["code"] == code
    assert market.state() == before
