"""Stop and target at the loopback exchange, as Binance's pairs and as a stop alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from backtestkit_cli.domain.venue import Confirmed, ExitSide, Fill, OrderState, RefusalKind, Transient
from tests.exchange.broker.brokers import a_sale, confirmed, exits, gone, rejected, sent, trading
from tests.venue.matching.orders import Kind, Status
from tests.venue.matching.terms import Terms
from tests.venue.symbols import SymbolFacts, listed

HELD: dict[str, Any] = {"deposits": {"BTC": 1, "USDT": 0}}


@contextmanager
def symbols_told_as(monkeypatch: pytest.MonkeyPatch, **told: object) -> Iterator[None]:
    """Let the venue list its symbols with other properties."""

    def changed(facts: SymbolFacts) -> dict[str, object]:
        return {**listed(facts), **told}

    with monkeypatch.context() as patch:
        patch.setattr("tests.venue.market_data.listed", changed)
        yield


async def test_exits_rest_as_a_pair_with_ids_made_of_theirs() -> None:
    async with trading(**HELD) as (there, broker):
        answer = confirmed(await broker.close(exits()))
        listed = [(order.client_id, order.kind, order.price, order.price_stop) for order in there.book.open_orders]
        assert await broker.check(exits()) == answer
    assert answer == Confirmed(OrderState.RESTING, venue_id=answer.venue_id, has_target=True)
    assert listed == [
        ("pos-x1-t", Kind.LIMIT_MAKER, Decimal(110), Decimal(0)),
        ("pos-x1-s", Kind.STOP_LOSS, Decimal(0), Decimal(95)),
    ]


async def test_of_exits_that_rest_each_is_listed_for_itself() -> None:
    async with trading(**HELD) as (_, broker):
        await broker.close(exits())
        found = await broker.resting("BTCUSDT")
    assert not isinstance(found, Transient)
    assert [(one.client_id, one.is_buy, one.quantity, one.price_limit, one.price_stop) for one in found] == [
        ("pos-x1-t", False, 1.0, 110.0, None),
        ("pos-x1-s", False, 1.0, None, 95.0),
    ]


@pytest.mark.parametrize(
    ("minute", "side", "price"),
    [
        pytest.param((100.0, 100.0, 94.0, 96.0), ExitSide.STOP, 95.0, id="stop"),
        pytest.param((100.0, 112.0, 100.0, 111.0), ExitSide.TARGET, 110.0, id="target"),
        pytest.param((90.0, 92.0, 89.0, 91.0), ExitSide.STOP, 90.0, id="gap through the stop"),
    ],
)
async def test_the_side_that_was_filled_is_told_with_price_and_fee(minute: Any, side: ExitSide, price: float) -> None:
    async with trading(minute, **HELD) as (there, broker):
        await broker.close(exits())
        await there.advance()
        answer = confirmed(await broker.check(exits()))
    assert (answer.state, answer.exit_side) == (OrderState.FILLED, side)
    assert answer.fill == pytest.approx(Fill(1.0, price, price * 0.001, 0.0))


async def test_a_target_filled_in_part_still_rests_and_has_no_stop_beside_it() -> None:
    async with trading((100.0, 112.0, 100.0, 111.0), terms=Terms(volume_share=Decimal("0.05")), **HELD) as (
        there,
        broker,
    ):
        await broker.close(exits())
        await there.advance()
        partly = confirmed(await broker.check(exits()))
        ended = confirmed(await broker.cancel(exits()))
    assert (partly.state, partly.exit_side, partly.fill and partly.fill.quantity) == (
        OrderState.RESTING,
        ExitSide.TARGET,
        0.5,
    )
    assert (ended.state, ended.fill) == (OrderState.CANCELLED, partly.fill)


async def test_cancelled_exits_free_the_coins_of_both() -> None:
    async with trading(**HELD) as (there, broker):
        await broker.close(exits())
        answer = confirmed(await broker.cancel(exits()))
        assert [order.status for order in there.book.orders] == [Status.CANCELED, Status.CANCELED]
        assert confirmed(await broker.close(a_sale())).state is OrderState.FILLED
    assert (answer.state, answer.fill) == (OrderState.CANCELLED, None)


async def test_exits_that_were_filled_before_they_could_be_cancelled_say_so() -> None:
    async with trading((100.0, 100.0, 94.0, 96.0), **HELD) as (there, broker):
        await broker.close(exits())
        await there.advance()
        answer = confirmed(await broker.cancel(exits()))
    assert (answer.state, answer.exit_side) == (OrderState.FILLED, ExitSide.STOP)


async def test_exits_nobody_placed_are_gone() -> None:
    async with trading(**HELD) as (_, broker):
        gone(await broker.check(exits()))
        gone(await broker.cancel(exits()))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(exits(price_stop=101.0), id="stop above the market"),
        pytest.param(exits(price_limit=99.0), id="target below it"),
        pytest.param(exits(price_stop=101.0, price_limit=None), id="a stop alone"),
    ],
)
async def test_exits_on_the_wrong_side_of_the_market_would_trigger(order: Any) -> None:
    async with trading(**HELD) as (_, broker):
        assert rejected(await broker.close(order)).kind is RefusalKind.WOULD_TRIGGER


async def test_exits_worth_too_little_at_the_stop_are_not_sent() -> None:
    async with trading(**HELD) as (there, broker):
        answer = rejected(await broker.close(exits(quantity=0.0505)))
        assert sent(there) == []
    assert answer == (
        RefusalKind.BELOW_MINIMUM,
        "0.05050 BTC at 95.00 is worth 4.7975 USDT, below the minimum of 5 USDT",
    )


async def test_a_stop_without_a_target_rests_alone_and_is_found_filled() -> None:
    alone = exits(price_limit=None)
    async with trading((100.0, 100.0, 94.0, 96.0), **HELD) as (there, broker):
        placed = confirmed(await broker.close(alone))
        assert [order.client_id for order in there.book.open_orders] == ["pos-x1-s"]
        await there.advance()
        filled = confirmed(await broker.check(alone))
    assert (placed.state, placed.has_target) == (OrderState.RESTING, False)
    assert (filled.state, filled.exit_side, filled.has_target) == (OrderState.FILLED, ExitSide.STOP, False)


async def test_moved_exits_take_the_place_of_those_before_with_ids_of_their_own() -> None:
    moved = exits(client_id="pos-x2", price_stop=97.0)
    async with trading(**HELD) as (there, broker):
        await broker.close(exits())
        answer = confirmed(await broker.amend(exits(), moved))
        assert [order.client_id for order in there.book.open_orders] == ["pos-x2-t", "pos-x2-s"]
    assert (answer.state, answer.has_target) == (OrderState.RESTING, True)


async def test_exits_filled_before_they_could_be_moved_are_gone() -> None:
    async with trading((100.0, 100.0, 94.0, 96.0), **HELD) as (there, broker):
        await broker.close(exits())
        await there.advance()
        gone(await broker.amend(exits(), exits(client_id="pos-x2", price_stop=94.0)))
        assert len(sent(there)) == 1


async def test_exits_taken_back_by_their_owner_are_cancelled_without_a_fill() -> None:
    async with trading(**HELD) as (there, broker):
        await broker.close(exits())
        there.matcher.cancel("BTCUSDT", None, "pos-x1-s")
        answer = confirmed(await broker.check(exits()))
    assert (answer.state, answer.fill) == (OrderState.CANCELLED, None)


async def test_where_a_stop_cannot_sell_at_the_market_its_limit_is_one_percent_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"]
    with symbols_told_as(monkeypatch, orderTypes=kinds):
        async with trading((100.0, 100.0, 94.0, 96.0), **HELD) as (there, broker):
            assert confirmed(await broker.close(exits())).has_target
            await broker.cancel(exits())
            await broker.close(exits(client_id="pos-x2", price_limit=None))
            stops = [order for order in there.book.orders if order.kind is Kind.STOP_LOSS_LIMIT]
            await there.advance()
            answer = confirmed(await broker.check(exits(client_id="pos-x2", price_limit=None)))
    assert [(stop.client_id, stop.price_stop, stop.price) for stop in stops] == [
        ("pos-x1-s", Decimal(95), Decimal("94.05")),
        ("pos-x2-s", Decimal(95), Decimal("94.05")),
    ]
    assert (answer.state, answer.exit_side) == (OrderState.FILLED, ExitSide.STOP)


async def test_without_pairs_the_stop_rests_alone_and_the_target_is_for_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with symbols_told_as(monkeypatch, ocoAllowed=False):
        async with trading(**HELD) as (there, broker):
            assert (await broker.rules("BTCUSDT")).rests_exits
            answer = confirmed(await broker.close(exits()))
            same = confirmed(await broker.amend(exits(), exits(client_id="pos-x2", price_limit=120.0)))
            assert [order.client_id for order in there.book.orders] == ["pos-x1-s"]
    assert (answer.state, answer.has_target) == (OrderState.RESTING, False)
    assert same.client_id == "pos-x1"


async def test_a_symbol_without_stops_has_no_resting_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    with symbols_told_as(monkeypatch, orderTypes=["LIMIT", "LIMIT_MAKER", "MARKET"]):
        async with trading(**HELD) as (there, broker):
            assert not (await broker.rules("BTCUSDT")).rests_exits
            assert rejected(await broker.close(exits())).reason == "exits of BTC/USDT cannot rest at the venue"
            assert sent(there) == []
