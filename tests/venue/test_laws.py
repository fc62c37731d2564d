"""Laws of the matching core, tried on random orders in random markets."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.calls import Refusal
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import GRAIN, Kind, Order, Status, Ticket, TimeInForce
from tests.venue.matching.terms import QUOTE, RECEIVED, Terms
from tests.venue.symbols import SymbolFacts

SYMBOLS = ("BTCUSDT", "ETHBTC")
FACTS = (
    SymbolFacts("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.0001")),
    SymbolFacts("ETHBTC", "ETH", "BTC", Decimal("0.01"), Decimal("0.001"), min_cost=Decimal("0.1")),
)
DEPOSITS = {"USDT": Decimal(5_000), "BTC": Decimal(500), "ETH": Decimal(3), "BNB": Decimal("0.01")}

Action: TypeAlias = Callable[[Matcher], object]


def prices(lowest: int = 9_500, highest: int = 10_500) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest, highest).map(lambda cents: Decimal(cents) / 100)


def tickets(kind: Kind, **fixed: Any) -> st.SearchStrategy[Ticket]:
    return st.builds(
        Ticket,
        symbol=st.sampled_from(SYMBOLS),
        is_buy=st.booleans(),
        kind=st.just(kind),
        quantity=st.integers(1, 30).map(lambda tenths: Decimal(tenths) / 10),
        price=prices() if kind.has_limit else st.none(),
        price_stop=prices() if kind.has_trigger else st.none(),
        client_id=st.sampled_from(["", "a", "b"]),
        time_in_force=st.sampled_from(TimeInForce) if kind is Kind.LIMIT else st.just(TimeInForce.GTC),
        **fixed,
    )


def placing(ticket: Ticket) -> Action:
    return lambda matcher: matcher.place(ticket)


def pairing(symbol: str, above: Decimal, below: Decimal, *, is_buy: bool) -> Action:
    at_limit, at_stop = (below, above) if is_buy else (above, below)
    limit = Ticket(symbol=symbol, is_buy=is_buy, kind=Kind.LIMIT_MAKER, quantity=Decimal(1), price=at_limit)
    stop = Ticket(symbol=symbol, is_buy=is_buy, kind=Kind.STOP_LOSS, quantity=Decimal(1), price_stop=at_stop)
    return lambda matcher: matcher.place_pair(*((stop, limit) if is_buy else (limit, stop)))


def cancelling(symbol: str, number: int) -> Action:
    return lambda matcher: matcher.cancel(symbol, number)


def a_minute(symbol: str, opened: Decimal, close: Decimal, wick: Decimal, volume: int) -> Action:
    high, low = max(opened, close) + wick, min(opened, close) - wick

    def pass_(matcher: Matcher) -> None:
        candle = Candle(matcher.now_ms, float(opened), float(high), float(low), float(close), float(volume))
        matcher.candle_closed(symbol, candle, matcher.now_ms + MINUTE_MS)

    return pass_


def spending(symbol: str, money: int, *, is_buy: bool) -> Action:
    return placing(Ticket(symbol=symbol, is_buy=is_buy, kind=Kind.MARKET, quote_quantity=Decimal(money)))


symbols = st.sampled_from(SYMBOLS)
actions = st.one_of(
    st.sampled_from(Kind).flatmap(tickets).map(placing),
    st.builds(pairing, symbols, prices(10_010, 10_300), prices(9_700, 9_990), is_buy=st.booleans()),
    st.builds(spending, symbols, st.integers(1, 600), is_buy=st.booleans()),
    st.builds(cancelling, symbols, st.integers(1, 12)),
    st.builds(a_minute, symbols, prices(), prices(), prices().map(lambda price: price / 100), st.integers(0, 40)),
)
terms = st.builds(
    Terms,
    maker_rate=st.sampled_from([Decimal(0), Decimal("0.00075")]),
    taker_rate=st.sampled_from([Decimal(0), Decimal("0.001")]),
    fee_in=st.sampled_from([RECEIVED, QUOTE, "BNB"]),
    fee_asset_prices=st.just({"USDT": Decimal(600), "BTC": Decimal(6)}),
    spread_rate=st.sampled_from([Decimal(0), Decimal("0.0004")]),
    volume_share=st.sampled_from([None, Decimal("0.1")]),
)


def a_market(chosen: Terms) -> Matcher:
    matcher = Matcher(FACTS, DEPOSITS, chosen)
    for symbol in SYMBOLS:
        a_minute(symbol, Decimal(100), Decimal(100), Decimal(0), 10)(matcher)
    return matcher


def totals_by_trades(matcher: Matcher) -> dict[str, Decimal]:
    """Return what there must be of each asset, by deposits and trades alone."""
    totals = defaultdict(Decimal, DEPOSITS)
    for trade in matcher.book.trades:
        facts, sign = matcher.facts[trade.symbol], 1 if trade.is_buy else -1
        totals[facts.base] += sign * trade.quantity
        totals[facts.quote] -= sign * trade.cost
        totals[trade.fee_asset] -= trade.fee
    return totals


def needs_of_open_orders(matcher: Matcher) -> dict[str, Decimal]:
    """Return what the open orders may still have to pay, of linked ones the dearer."""
    by_group: dict[object, tuple[str, Decimal]] = {}
    for order in matcher.book.open_orders():
        facts, group = matcher.facts[order.symbol], order.list_number if order.list_number > 0 else -order.number
        need = order.left
        if order.is_buy:
            rate = max(matcher.terms.maker_rate, matcher.terms.taker_rate) if matcher.terms.fee_in == QUOTE else 0
            need *= (order.price or order.price_stop) * (1 + rate)
        asset = facts.quote if order.is_buy else facts.base
        by_group[group] = (asset, max(need, by_group.get(group, (asset, Decimal(0)))[1]))
    needs: dict[str, Decimal] = defaultdict(Decimal)
    for asset, need in by_group.values():
        needs[asset] += need
    return needs


def state_of(matcher: Matcher) -> object:
    return dict(matcher.book.orders), dict(matcher.book.lists), list(matcher.book.trades), matcher.holdings


def check_order(matcher: Matcher, order: Order) -> None:
    trades = matcher.book.trades_of(order)
    assert order.filled == sum(trade.quantity for trade in trades) <= order.quantity
    assert order.cost == sum(trade.cost for trade in trades)
    assert (order.status is Status.FILLED) == (order.filled == order.quantity != 0)
    limit = order.price if order.kind.has_limit else None
    assert limit is None or all((t.price <= limit) if order.is_buy else (t.price >= limit) for t in trades)


@given(terms, st.lists(actions, max_size=25))
def test_money_and_coins_are_neither_made_nor_lost(chosen: Terms, steps: list[Action]) -> None:
    matcher = a_market(chosen)
    for step in steps:
        with suppress(Refusal):
            step(matcher)
        totals, needs = totals_by_trades(matcher), needs_of_open_orders(matcher)
        for asset, holding in matcher.holdings.items():
            assert holding.total == totals[asset]
            assert holding.free >= 0
            assert 0 <= holding.locked - needs[asset] <= GRAIN * len(matcher.book.open_orders())


@given(terms, st.lists(actions, max_size=25))
def test_an_order_is_what_its_trades_are_and_of_linked_ones_only_one_trades(chosen: Terms, steps: list[Action]) -> None:
    matcher = a_market(chosen)
    for step in steps:
        with suppress(Refusal):
            step(matcher)
    for order in matcher.book.orders.values():
        check_order(matcher, order)
    for placed in matcher.book.lists.values():
        assert sum(matcher.book.orders[number].filled > 0 for number in placed.order_numbers) <= 1


@given(terms, st.lists(actions, max_size=25))
def test_a_refusal_changes_nothing_and_equal_inputs_make_equal_books(chosen: Terms, steps: list[Action]) -> None:
    first, second = a_market(chosen), a_market(chosen)
    for step in steps:
        before = state_of(first)
        with suppress(Refusal):
            step(second)
        try:
            step(first)
        except Refusal:
            assert state_of(first) == before
    assert state_of(first) == state_of(second)
