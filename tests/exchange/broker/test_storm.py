"""Many orders while a third of all requests fails: whoever keeps to what the answers say sends nothing twice."""

import pytest

from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, Leg, OrderState, Transient, VenueOrder
from backtestkit_cli.exchange.broker.broker import CcxtBroker
from tests.exchange.broker.brokers import QUIET, a_limit, a_sale, an_order, confirmed, exits, gone, trading, transient
from tests.venue.driver import TradingVenue
from tests.venue.faults import CUT_BODY, CUT_JSON, RESET, Faults, html_page, lost_before, server_error, taken_late
from tests.venue.trading import MY_TRADES, NEW_OCO, ORDER, ORDER_LIST

_KINDS = (RESET, CUT_BODY, CUT_JSON, server_error(), html_page(502), lost_before(), taken_late(1_500))
_ROUNDS = 6


async def settled(broker: CcxtBroker, there: TradingVenue, order: VenueOrder) -> Confirmed:
    """Bring *order* to its end as a dealer does: ask before sending again, and believe `Gone` after the window only."""
    answer: Answer = Gone("not sent yet")
    for _ in range(50):
        if isinstance(answer, Confirmed):
            return answer
        if isinstance(answer, Transient) and answer.may_have_arrived:
            await there.advance(round(broker.arrival_window_s * 1_000))
            answer = await known(broker, order)
        else:
            answer = await (broker.open(order) if order.leg is Leg.ENTRY else broker.close(order))
    raise AssertionError(f"not settled: {answer}")


async def known(broker: CcxtBroker, order: VenueOrder) -> Answer:
    while isinstance(answer := await broker.check(order), Transient):
        pass
    return answer


async def taken_back(broker: CcxtBroker, order: VenueOrder) -> Confirmed:
    while not isinstance(answer := await broker.cancel(order), Confirmed):
        pass
    return answer


@pytest.mark.parametrize("seed", range(3))
async def test_a_third_of_all_requests_failing_leaves_no_order_twice_and_none_behind(seed: int) -> None:
    faults = Faults.random(seed, 1 / 3, _KINDS, {ORDER, NEW_OCO, ORDER_LIST, MY_TRADES})
    async with trading(*[QUIET] * 30) as (there, broker):
        there.faults = faults
        for number in range(_ROUNDS):
            limit = a_limit(client_id=f"l{number}-e1")
            assert (await settled(broker, there, limit)).state is OrderState.RESTING
            assert (await taken_back(broker, limit)).fill is None
            bought = (await settled(broker, there, an_order(client_id=f"b{number}-e1"))).fill
            pair = exits(client_id=f"x{number}-x1")
            assert (await settled(broker, there, pair)).has_target
            assert (await taken_back(broker, pair)).state is OrderState.CANCELLED
            sold = (await settled(broker, there, a_sale(client_id=f"s{number}-c1", quantity=1.998))).fill
            assert bought == (2.0, 100.0, 0.0, 0.002)
            assert sold == pytest.approx((1.998, 100.0, 0.1998, 0.0))
        ids = [order.client_id for order in there.book.orders]
    assert sum(faults.happened.values()) > _ROUNDS
    assert len(ids) == len(set(ids)) == 5 * _ROUNDS
    assert there.book.open_orders == ()


async def test_an_order_taken_late_is_gone_at_first_and_there_within_the_window() -> None:
    async with trading(QUIET, faults={f"POST {ORDER}": [taken_late(4_000)]}) as (there, broker):
        transient(await broker.open(an_order()))
        gone(await broker.check(an_order()))
        await there.advance(round(broker.arrival_window_s * 1_000))
        assert confirmed(await broker.check(an_order())).state is OrderState.FILLED
