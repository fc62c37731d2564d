"""Market and limit orders at the loopback exchange, by real ccxt."""

from decimal import Decimal
from typing import Any

import pytest

from backtestkit_cli.domain.venue import Balance, Confirmed, Fill, Leg, OrderState, RefusalKind, RestingOrder
from tests.exchange.broker.brokers import (
    BTC,
    ID,
    QUIET,
    a_limit,
    a_sale,
    an_order,
    confirmed,
    gone,
    minutes,
    rejected,
    sent,
    trading,
)
from tests.venue.matching.terms import Terms

BNB_AT_600 = minutes((600.0, 600.0, 600.0, 600.0))


async def test_a_market_buy_is_confirmed_with_its_price_and_the_fee_the_venue_kept_of_the_coin() -> None:
    async with trading() as (there, broker):
        answer = await broker.open(an_order())
        assert [order.client_id for order in there.book.orders] == [ID]
    assert answer == Confirmed(OrderState.FILLED, Fill(2.0, 100.0, 0.0, 0.002), confirmed(answer).venue_id)
    assert confirmed(answer).venue_id


async def test_a_market_sale_pays_its_fee_in_quote() -> None:
    async with trading(deposits={"BTC": 1}) as (_, broker):
        answer = confirmed(await broker.close(a_sale()))
    assert answer.fill == pytest.approx(Fill(1.0, 100.0, 0.1, 0.0))


async def test_the_price_is_what_was_paid_and_not_what_was_expected() -> None:
    async with trading(terms=Terms(slippage_rate=Decimal("0.01"))) as (_, broker):
        answer = confirmed(await broker.open(an_order()))
    assert answer.fill is not None
    assert answer.fill.price == pytest.approx(101.0)


@pytest.mark.parametrize(
    ("fee_symbol", "worth"),
    [pytest.param("BNBUSDT", 0.2, id="a price is known"), pytest.param("BNBEUR", None, id="none is")],
)
async def test_a_fee_in_a_third_asset_counts_at_its_worth_in_quote(fee_symbol: str, worth: float | None) -> None:
    terms = Terms(fee_in="BNB", fee_asset_prices={"USDT": Decimal(600)})
    candles = {"BTCUSDT": minutes(QUIET), fee_symbol: BNB_AT_600}
    async with trading(candles=candles, terms=terms, deposits={"USDT": 1_000, "BNB": 1}) as (_, broker):
        fill = confirmed(await broker.open(an_order())).fill
    assert fill == (2.0, 100.0, None if worth is None else pytest.approx(worth, abs=1e-5), 0.0)


async def test_a_market_order_filled_in_part_has_ended_with_what_it_got() -> None:
    terms = Terms(volume_share=Decimal("0.1"))
    async with trading(QUIET, terms=terms) as (there, broker):
        await there.advance()
        answer = confirmed(await broker.open(an_order()))
    assert (answer.state, answer.fill) == (OrderState.CANCELLED, Fill(1.0, 100.0, 0.0, 0.001))


async def test_a_limit_rests_fills_later_and_its_fees_come_from_its_trades() -> None:
    async with trading((100.0, 100.0, 90.0, 95.0)) as (there, broker):
        placed = confirmed(await broker.open(a_limit()))
        before = confirmed(await broker.check(a_limit()))
        await there.advance()
        after = confirmed(await broker.check(a_limit()))
    assert (placed.state, placed.fill, before) == (OrderState.RESTING, None, placed)
    assert after == Confirmed(OrderState.FILLED, Fill(2.0, 90.0, 0.0, 0.002), placed.venue_id)


async def test_a_post_only_limit_is_sent_as_a_maker_and_refused_where_it_would_take() -> None:
    async with trading() as (there, broker):
        assert confirmed(await broker.open(a_limit(post_only=True))).state is OrderState.RESTING
        taking = rejected(await broker.open(a_limit(101.0, post_only=True, client_id="other-e1")))
    assert [order.kind for order in there.book.orders] == ["LIMIT_MAKER"]
    assert taking.kind is RefusalKind.WOULD_TRIGGER


async def test_quantity_and_price_are_sent_on_the_grid_and_never_more_than_was_asked() -> None:
    async with trading() as (there, broker):
        await broker.open(a_limit(90.004999, quantity=0.999999999))
        (order,) = there.book.orders
    assert (order.quantity, order.price) == (Decimal("0.99999"), Decimal("90.00"))


async def test_a_cancelled_order_tells_what_was_filled_before_and_one_that_ended_is_looked_up() -> None:
    terms = Terms(volume_share=Decimal("0.1"))
    async with trading((100.0, 100.0, 90.0, 95.0), terms=terms) as (there, broker):
        await broker.open(a_limit())
        await there.advance()
        first = confirmed(await broker.cancel(a_limit()))
        again = confirmed(await broker.cancel(a_limit()))
    assert (first.state, first.fill) == (OrderState.CANCELLED, Fill(1.0, 90.0, 0.0, 0.001))
    assert again == first


async def test_what_the_venue_never_heard_of_is_gone() -> None:
    async with trading() as (_, broker):
        gone(await broker.check(an_order()))
        gone(await broker.cancel(an_order()))


async def test_an_id_that_rests_already_is_looked_up_and_not_sent_anew() -> None:
    async with trading() as (there, broker):
        first = await broker.open(a_limit())
        second = await broker.open(a_limit())
        assert len(there.book.of(ID)) == 1
    assert second == first


@pytest.mark.parametrize(
    ("order", "kind", "reason"),
    [
        pytest.param(
            an_order(quantity=0.04),
            RefusalKind.BELOW_MINIMUM,
            "0.03992 BTC at 100.00 is worth 3.992 USDT, below the minimum of 5 USDT",
            id="cost",
        ),
        pytest.param(
            an_order(quantity=0.000009),
            RefusalKind.BELOW_MINIMUM,
            "9e-06 BTC is below the least quantity of 0.00001 BTC",
            id="quantity",
        ),
        pytest.param(
            an_order(quantity=1e7),
            RefusalKind.OTHER,
            "10000000.00000 BTC is above the largest quantity of 9000000 BTC",
            id="too much",
        ),
        pytest.param(
            an_order(is_buy=False),
            RefusalKind.OTHER,
            "BTC/USDT is spot, which cannot be sold short: trade it long only",
            id="short",
        ),
        pytest.param(
            an_order(symbol="BTCUSD"),
            RefusalKind.SYMBOL,
            "binance: no symbol 'BTCUSD'; did you mean 'BTCUSDT'?",
            id="symbol",
        ),
    ],
)
async def test_what_breaks_a_rule_is_refused_before_anything_is_sent(
    order: Any, kind: RefusalKind, reason: str
) -> None:
    async with trading() as (there, broker):
        answer = rejected(await broker.open(order))
        assert sent(there) == []
    assert (answer.kind, answer.reason) == (kind, reason)


async def test_a_sale_of_dust_is_refused_as_below_the_minimum() -> None:
    async with trading(deposits={"BTC": 1}) as (there, broker):
        answer = rejected(await broker.close(a_sale(quantity=0.01)))
        assert sent(there) == []
    assert answer.kind is RefusalKind.BELOW_MINIMUM


async def test_too_little_money_is_a_matter_of_the_balance() -> None:
    async with trading(deposits={"USDT": 10}) as (_, broker):
        assert rejected(await broker.open(an_order())).kind is RefusalKind.BALANCE


async def test_balances_are_those_that_are_not_empty_free_and_locked() -> None:
    async with trading(deposits={"USDT": 1_000, "ETH": 0}) as (_, broker):
        await broker.open(a_limit())
        assert await broker.balances() == {"USDT": Balance(820.0, 180.0)}


async def test_resting_orders_are_listed_also_those_of_others() -> None:
    async with trading(deposits={"USDT": 1_000, "BTC": 1}) as (_, broker):
        await broker.open(a_limit())
        await broker.close(a_limit(120.0, client_id="not-ours", leg=Leg.CLOSE, is_buy=False, quantity=1.0))
        found = await broker.resting("BTCUSDT")
    assert not isinstance(found, tuple)
    assert [order._replace(venue_id="") for order in found] == [
        RestingOrder(ID, "", "BTCUSDT", True, 2.0, 0.0, 90.0, None),
        RestingOrder("not-ours", "", "BTCUSDT", False, 1.0, 0.0, 120.0, None),
    ]


async def test_an_order_moved_to_another_price_takes_the_place_of_the_one_before() -> None:
    moved = a_limit(80.0, client_id="moved-e2")
    async with trading() as (there, broker):
        await broker.open(a_limit())
        answer = confirmed(await broker.amend(a_limit(), moved))
        assert [order.client_id for order in there.book.open_orders] == ["moved-e2"]
    assert answer.state is OrderState.RESTING


async def test_a_change_smaller_than_the_grid_sends_nothing_and_names_the_order_that_stays() -> None:
    moved = a_limit(90.001, client_id="moved-e2")
    async with trading() as (there, broker):
        await broker.open(a_limit())
        answer = confirmed(await broker.amend(a_limit(), moved))
        assert len(sent(there)) == 1
        assert sent(there, "DELETE") == []
    assert (answer.state, answer.client_id) == (OrderState.RESTING, ID)


async def test_what_was_filled_before_it_could_be_amended_is_gone_and_nothing_new_is_sent() -> None:
    async with trading((100.0, 100.0, 90.0, 95.0)) as (there, broker):
        await broker.open(a_limit())
        await there.advance()
        gone(await broker.amend(a_limit(), a_limit(80.0, client_id="moved-e2")))
        assert len(sent(there)) == 1


async def test_a_change_the_rules_forbid_leaves_the_order_before_in_place() -> None:
    async with trading() as (there, broker):
        await broker.open(a_limit())
        answer = rejected(await broker.amend(a_limit(), a_limit(80.0, quantity=0.01, client_id="moved-e2")))
        assert [order.client_id for order in there.book.open_orders] == [ID]
    assert answer.kind is RefusalKind.BELOW_MINIMUM


async def test_amending_once_more_after_the_order_before_was_taken_back_places_the_new_one() -> None:
    async with trading() as (there, broker):
        await broker.open(a_limit())
        await broker.cancel(a_limit())
        answer = confirmed(await broker.amend(a_limit(), a_limit(80.0, client_id="moved-e2")))
        assert [order.client_id for order in there.book.open_orders] == ["moved-e2"]
    assert answer.state is OrderState.RESTING


async def test_the_facts_of_the_symbol_are_its_rules_asked_for_once() -> None:
    async with trading() as (there, broker):
        rules = await broker.rules("btc/usdt")
        assert await broker.rules("BTCUSDT") == rules
        assert len(there.requests_of("/api/v3/exchangeInfo")) == 1
    assert rules == ("BTC", "USDT", float(BTC.quantity_step), float(BTC.quantity_step), 5.0, False, True, True)
